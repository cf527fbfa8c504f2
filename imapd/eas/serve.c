#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/device/device.h"
#include "imapd/eas/internal.h"
#include "imapd/eas/query.h"
#include "imapd/http/basic.h"
#include "imapd/metrics.h"

#define ARENA_MAX (128u << 20)
#define VERSIONS  "12.1,14.0,14.1,16.0,16.1" /* announced; 2.5 and 12.0 are served to who asks for them */
#define SERVER    "15.2"

/* A request that waits for its turn, or begins. */
struct coming {
	struct turn turn;
	struct eas_service *service;
	struct http_exchange *exchange;
};

/* ---- who ---- */

static bool refuse_login(struct eas_request *rq, int r)
{
	int code = r == -POD_E_AUTH || r == -POD_E_NOTFOUND || r == -POD_E_SYNTAX ? 401 : 503;

	eas_answer_http(rq, code);
	return false;
}

static bool authenticate(struct eas_request *rq)
{
	struct account_login login = { .host = http_host(rq->exchange),
		                       .peer_text = http_peer(rq->exchange),
		                       .log = http_log(rq->exchange) };
	struct net_addr peer;
	struct err err = { 0 };
	int r = http_basic_parse(rq->a, http_header(rq->exchange, "Authorization"), &login.user,
	                         &login.password);

	if (r == 0) {
		login.peer = http_peer_address(rq->exchange, &peer) ? &peer : NULL;
		r = account_login(rq->parts->accounts, &login, &rq->account, &err);
	}
	return r == 0 || refuse_login(rq, r);
}

/* ---- what ---- */

/* "14.1" as 141. 0: there is no such version. */
static unsigned int version_of(const char *text)
{
	static const struct {
		const char *text;
		unsigned int version;
	} versions[] = { { "2.5", EAS_2_5 },   { "12.0", EAS_12_0 }, { "12.1", EAS_12_1 },
		         { "14.0", EAS_14_0 }, { "14.1", EAS_14_1 }, { "16.0", EAS_16_0 },
		         { "16.1", EAS_16_1 } };

	for (size_t i = 0; text && i < ARRAY_SIZE(versions); i++)
		if (strcmp(text, versions[i].text) == 0)
			return versions[i].version;
	return 0;
}

static bool version_exists(unsigned int version)
{
	static const unsigned int versions[] = { EAS_12_1, EAS_14_0, EAS_14_1, EAS_16_0, EAS_16_1 };

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++)
		if (version == versions[i])
			return true;
	return false;
}

/* Headers of a plain query. A header that is missing leaves the field as it is. */
static void read_headers(struct eas_request *rq, struct eas_query *q)
{
	const char *key = http_header(rq->exchange, "X-MS-PolicyKey");
	const char *multipart = http_header(rq->exchange, "MS-ASAcceptMultiPart");
	uint32_t number;

	if (!q->base64)
		q->version = version_of(http_header(rq->exchange, "MS-ASProtocolVersion"));
	if (!q->has_policy_key && key && span_to_u32(span_of(key), &number) == 0)
		q->policy_key = number;
	if (multipart && (*multipart == 'T' || *multipart == 't'))
		q->accept_multipart = true;
}

static bool take_query(struct eas_request *rq, const struct eas_query *q)
{
	rq->device_id = q->device_id;
	rq->device_type = q->device_type;
	rq->policy_key = q->policy_key;
	rq->attachment_name = q->attachment_name;
	rq->collection_id = q->collection_id;
	rq->item_id = q->item_id;
	rq->long_id = q->long_id;
	rq->occurrence = q->occurrence;
	rq->save_in_sent = q->save_in_sent;
	rq->accept_multipart = q->accept_multipart;
	return true;
}

static bool refuse(struct eas_request *rq, int code, const char *why)
{
	log_event(&rq->log, LOGL_INFO, "eas.refused", F_STR("why", why), F_INT("code", code));
	eas_answer_http(rq, code);
	return false;
}

/* In the words of the command's answer; 400 to versions that know no such status. */
static bool refuse_status(struct eas_request *rq, unsigned int status, const char *why)
{
	log_event(&rq->log, LOGL_INFO, "eas.refused", F_STR("why", why), F_UINT("status", status));
	eas_answer_status(rq, rq->command->root, status);
	return false;
}

static bool read_query(struct eas_request *rq)
{
	struct eas_query q;
	struct err err = { 0 };

	/* The query outlives the exchange's request where it is parked. */
	if (eas_query_parse(rq->a, span_of(http_query(rq->exchange)), &q, &err) < 0)
		return refuse(rq, 400, err_text(&err));
	read_headers(rq, &q);
	if (q.version == 0 && !q.base64)
		return refuse(rq, http_header(rq->exchange, "MS-ASProtocolVersion") ? 505 : 400,
		              "no version we know");
	if (q.base64 && !version_exists(q.version))
		return refuse(rq, 505, "no version we know");
	rq->version = q.version;
	rq->command = q.base64 ? eas_command_by_code(q.code) : eas_command_by_name(q.command);
	if (!rq->command || rq->version < rq->command->since || rq->version > rq->command->until)
		return refuse(rq, 501, "no such command in this version");
	if (q.device_id_is_bad)
		return refuse_status(rq, EAS_STATUS_DEVICE_ID, "a DeviceId that is none");
	if (strlen(q.device_type) > EAS_DEVICE_TYPE_MAX)
		return refuse_status(rq, EAS_STATUS_DEVICE_TYPE, "a DeviceType that is none");
	if (!*q.device_id || !*q.device_type)
		return refuse(rq, 400, "DeviceId or DeviceType is missing");
	return take_query(rq, &q);
}

/* ---- the body ---- */

static bool is_type(const char *header, const char *type)
{
	struct span parameters, name = span_trim(span_split(span_of(header), ';', &parameters));

	return span_eq_nocase(name, span_of(type));
}

/* The content type of a body that is not empty; some devices say none at all. */
static bool type_fits(struct eas_request *rq)
{
	const char *type = http_header(rq->exchange, "Content-Type");

	if (!type || is_type(type, "application/vnd.ms-sync.wbxml") ||
	    is_type(type, "application/vnd.ms-sync"))
		return true;
	return rq->command->flags & EAS_TAKES_RFC822 && rq->version < EAS_14_0 &&
	       is_type(type, "message/rfc822");
}

static bool decode(struct eas_request *rq)
{
	struct wbxml_node *root = NULL;
	struct err err = { 0 };
	int r = wbxml_decode(rq->a, rq->raw, &root, &err);

	if (r == -POD_E_NOMEM)
		return refuse(rq, 503, err_text(&err));
	if (r < 0)
		return refuse(rq, 400, err_text(&err));
	rq->body = root;
	if (root->tag == rq->command->root)
		return true;
	return refuse_status(rq, EAS_STATUS_INVALID_CONTENT, "another command's document");
}

static bool read_body(struct eas_request *rq)
{
	rq->raw = http_body(rq->exchange);
	if (rq->raw.len == 0)
		return rq->command->flags & EAS_TAKES_EMPTY || refuse(rq, 400, "an empty body");
	if (!type_fits(rq))
		return refuse(rq, 415, "another content type");
	if (rq->command->flags & EAS_TAKES_RFC822 && rq->version < EAS_14_0)
		return true;
	return decode(rq);
}

/* ---- all of it ---- */

static void options(struct eas_request *rq)
{
	_cleanup_buf_ struct buf names = BUF_INIT;

	eas_commands_list(&names);
	eas_answer_header(rq, "MS-ASProtocolVersions", VERSIONS);
	eas_answer_header(rq, "MS-ASProtocolCommands", buf_str(&names));
	eas_answer_header(rq, "Public", "OPTIONS,POST");
	eas_answer_header(rq, "Allow", "OPTIONS,POST");
}

static void command(struct eas_request *rq)
{
	if (!read_query(rq))
		return;
	eas_request_log(rq);
	metric_add(IMAPD_EAS_COMMANDS + rq->command->code, 1);
	if (!eas_limit(rq) || !eas_device_admit(rq) || !read_body(rq))
		return;
	if (rq->command->flags & EAS_MAY_WAIT) {
		(void) account_watch(rq->account);
		rq->changes = account_changes(rq->account);
	}
	rq->command->run(rq);
}

/* By the clock that all workers have, so that of two requests of a device in different workers the later one
 * is known. */
static uint64_t next_serial(struct eas_service *s)
{
	uint64_t now = clock_mono_us();

	s->last_serial = now > s->last_serial ? now : s->last_serial + 1;
	return s->last_serial;
}

struct arena *eas_request_init(struct eas_request *rq, struct eas_service *s, struct http_exchange *x)
{
	*rq = (struct eas_request){ .a = arena_create(ARENA_MAX),
		                    .service = s,
		                    .parts = &s->parts,
		                    .exchange = x,
		                    .serial = next_serial(s),
		                    .device_id = "",
		                    .device_type = "",
		                    .attachment_name = "",
		                    .collection_id = "",
		                    .item_id = "",
		                    .long_id = "",
		                    .occurrence = "" };
	rq->log.parent = http_log(x);
	return rq->a;
}

void eas_request_log(struct eas_request *rq)
{
	rq->log.fields[0] = F_STR("user", account_address(rq->account));
	rq->log.fields[1] = F_STR("device", rq->device_id);
	rq->log.fields[2] = F_STR("command", rq->command->name);
}

void eas_request_finish(struct eas_request *rq, uint64_t began_us)
{
	uint64_t busy_us = clock_mono_us() - began_us;
	int code = eas_answer_code(rq);

	if (rq->answer->kind == EAS_ANSWER_PARKED)
		return;
	if (code >= 500)
		metric_add(IMAPD_EAS_FAILED, 1);
	eas_answer_header(rq, "MS-Server-ActiveSync", SERVER);
	eas_answer_header(rq, "Cache-Control", "private");
	log_event(&rq->log, LOGL_INFO, "eas.answered", F_INT("code", code), F_UINT("version", rq->version),
	          F_UINT("in", rq->raw.len), F_UINT("out", eas_answer_len(rq)), F_UINT("took_us", busy_us));
	eas_answer_send(rq);
}

static void put_off(struct http_exchange *x)
{
	http_add_header(x, "Retry-After", "10");
	http_reply_text(x, 503, "Too many requests at once.");
}

static struct coming *coming_of(struct turn *t)
{
	return (struct coming *) (void *) ((uint8_t *) t - offsetof(struct coming, turn));
}

static void serve_none(struct turn *t)
{
	struct coming *coming = coming_of(t);

	put_off(coming->exchange);
	free(coming);
}

static void serve(struct turn *t)
{
	struct coming *coming = coming_of(t);
	struct eas_service *service = coming->service;
	struct http_exchange *x = coming->exchange;
	struct eas_answer answer;
	struct eas_request rq;
	uint64_t began_us = clock_mono_us();

	free(coming);
	if (!eas_request_init(&rq, service, x)) {
		http_abandon(x);
		return;
	}
	eas_answer_init(&rq, &answer);
	if (authenticate(&rq)) {
		if (http_method(x) == HTTP_OPTIONS)
			options(&rq);
		else
			command(&rq);
	}
	eas_request_finish(&rq, began_us);
	eas_answer_done(&answer);
	(void) account_unref(rq.account);
	(void) arena_free(rq.a);
}

void eas_serve(void *arg, struct http_exchange *x)
{
	static const struct turn_ops ops = { serve, serve_none };
	struct eas_service *s = arg;
	struct coming *coming = turns_are_full(&s->turns) ? NULL : calloc(1, sizeof(*coming));

	if (!coming) {
		put_off(x);
		return;
	}
	*coming = (struct coming){ .turn.ops = &ops, .service = s, .exchange = x };
	turns_take(&s->turns, &coming->turn);
}
