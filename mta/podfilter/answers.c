#include "mta/podfilter/answers.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "mime/header.h"
#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/sender.h"

#define BODY_CHUNK 65535 /* as the milter protocol cuts it */

/* ---- reputation ---- */

/* "192.0.2.1", "2001:db8::1", "192.0.2.0/24", "2001:db8::/48" */
static int address_keys(const char *text, struct sender *who)
{
	const char *slash = strchr(text, '/');
	int len = slash ? (int) (slash - text) : (int) strlen(text);
	char host[128];
	struct net_addr addr;

	(void) snprintf(host, sizeof(host), strchr(text, ':') ? "[%.*s]:25" : "%.*s:25", len, text);
	if (net_addr_parse(span_of(host), &addr, NULL) < 0)
		return -POD_E_SYNTAX;
	who->n = 0;
	if (!slash && reputation_address_key(REPUTATION_ADDRESS, &addr, &who->keys[who->n]))
		who->kinds[who->n++] = REPUTATION_ADDRESS;
	if (reputation_address_key(REPUTATION_NETWORK, &addr, &who->keys[who->n]))
		who->kinds[who->n++] = REPUTATION_NETWORK;
	return who->n ? 0 : -POD_E_SYNTAX;
}

static int subject_keys(json_t *in, struct sender *who, struct err *err)
{
	const char *subject = json_string_value(json_object_get(in, "subject"));

	if (!subject || !*subject)
		return err_set(err, POD_E_SYNTAX, "subject is missing");
	if (address_keys(subject, who) == 0)
		return 0;
	who->n = 0;
	for (int i = 0; i < 2; i++) {
		enum reputation_kind kind = i ? REPUTATION_HELO : REPUTATION_DOMAIN;

		if (strchr(subject, '/') || !reputation_name_key(kind, span_of(subject), &who->keys[who->n]))
			return err_set(err, POD_E_SYNTAX,
			               "%.100s is neither an address, nor a network, nor a domain", subject);
		who->kinds[who->n++] = kind;
	}
	return 0;
}

static const char *kind_name(enum reputation_kind kind)
{
	switch (kind) {
	case REPUTATION_ADDRESS: return "address";
	case REPUTATION_NETWORK: return "network";
	case REPUTATION_DOMAIN: return "domain";
	case REPUTATION_HELO: return "helo";
	}
	return "";
}

static json_t *record_json(struct memory *m, const struct sender *who, size_t i, int64_t now_s,
                           double half_life_s)
{
	uint8_t value[MEMORY_VALUE_MAX];
	int len = memory_get(m, MEMORY_REPUTATION, &who->keys[i], value);
	struct reputation r;
	char name[300];

	reputation_unpack(span_make(value, len > 0 ? (size_t) len : 0), &r);
	if (!r.at_s)
		return NULL;
	reputation_decay(&r, now_s, half_life_s);
	(void) reputation_key_text(key_span(&who->keys[i]), name, sizeof(name));
	return json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f}", "kind", kind_name(who->kinds[i]), "name",
	                 name, "good", r.counts[REPUTATION_GOOD], "spam", r.counts[REPUTATION_SPAM],
	                 "unknown_recipients", r.counts[REPUTATION_UNKNOWN], "errors",
	                 r.counts[REPUTATION_ERROR], "rating", reputation_rating(&r));
}

static double half_life_of(struct filter *f)
{
	struct settings *s = settings_take(f);
	double half_life_s = (double) s->conf->filter.reputation_half_life_ms / 1000;

	settings_release(f, s);
	return half_life_s;
}

static int answer_show(void *arg, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	struct filter *f = arg;
	double half_life_s = half_life_of(f);
	int64_t now_s = clock_wall_s();
	struct sender who;
	json_t *records, *record;
	int r = subject_keys(in, &who, err);

	if (r < 0)
		return r;
	records = json_array();
	for (size_t i = 0; i < who.n; i++)
		if ((record = record_json(f->memory, &who, i, now_s, half_life_s)))
			(void) json_array_append_new(records, record);
	*ret_answer =
		json_pack("{s:O, s:o, s:f}", "subject", json_object_get(in, "subject"), "records", records,
	                  "rating", sender_look_up(f->memory, &who, now_s, half_life_s).rating);
	return 0;
}

static int answer_forget(void *arg, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	struct filter *f = arg;
	uint8_t value[MEMORY_VALUE_MAX];
	struct sender who;
	json_int_t n = 0;
	int r = subject_keys(in, &who, err);

	for (size_t i = 0; r == 0 && i < who.n; i++) {
		/* A network has other hosts in it: it is forgotten where it is asked for by itself. */
		if (who.kinds[i] == REPUTATION_NETWORK && who.n > 1)
			continue;
		n += memory_get(f->memory, MEMORY_REPUTATION, &who.keys[i], value) > 0;
		r = memory_put(f->memory, MEMORY_REPUTATION, &who.keys[i], SPAN_NONE);
	}
	if (r < 0)
		return err->code ? r : err_set(err, (enum pod_error) - r, "%s", err_code_text(r));
	log_event(NULL, LOGL_NOTICE, "filter.forgotten",
	          F_STR("subject", json_string_value(json_object_get(in, "subject"))), F_INT("records", n));
	*ret_answer = json_pack("{s:O, s:I}", "subject", json_object_get(in, "subject"), "forgotten", n);
	return 0;
}

/* ---- what would become of a message ---- */

static const char *text_of(json_t *in, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(in, name));

	return text ? text : otherwise;
}

#define TELL_ALL(m, hook, ...)                                                                         \
	do {                                                                                           \
		for (size_t i_ = 0; filter_checks[i_]; i_++)                                           \
			if (filter_checks[i_]->hook && check_applies(filter_checks[i_], (m)->session)) \
				(void) filter_checks[i_]->hook(m, ##__VA_ARGS__);                      \
	} while (0)

/* A field as libmilter would hand it over: its name, and its value folded with bare LF. */
static int give_field(struct message *m, const struct mime_field *f)
{
	char *name = arena_str(m->arena, f->name), *value = arena_str(m->arena, f->value), *to = value;
	struct header *h;
	int r;

	if (!name || !value)
		return -POD_E_NOMEM;
	for (const char *from = value; *from; from++)
		if (*from != '\r')
			*to++ = *from;
	*to = '\0';
	r = message_take_header(m, name, value, &h);
	if (r == 0 && h)
		TELL_ALL(m, header, h);
	return r;
}

static int give(struct message *m, struct span bytes)
{
	struct span rest = bytes;
	struct mime_field f;
	int r = 0;

	while (r == 0 && mime_field_next(&rest, &f))
		if (f.name.len)
			r = give_field(m, &f);
	if (r == 0)
		r = spool_add(m->spool, SPAN_LIT("\r\n"), NULL);
	TELL_ALL(m, headers_end);
	while (r == 0 && rest.len) {
		struct span chunk = span_head(rest, BODY_CHUNK);

		r = spool_add(m->spool, chunk, NULL);
		TELL_ALL(m, body, chunk);
		rest = span_skip(rest, chunk.len);
	}
	return r;
}

static json_t *findings_json(const struct message *m)
{
	json_t *array = json_array();

	for (const struct finding *f = m->findings; f; f = f->next)
		(void) json_array_append_new(
			array, json_pack("{s:s, s:f, s:s%}", "symbol", f->symbol, "points", f->weight / 100.0,
		                         "text", f->text ? f->text : "", f->text ? strlen(f->text) : 0));
	return array;
}

static int judge(struct message *m, struct span bytes, json_t **ret_answer, struct err *err)
{
	int r;

	TELL_ALL(m, mail);
	r = give(m, bytes);
	if (r < 0)
		return err_set(err, (enum pod_error) - r, "%s", err_code_text(r));
	TELL_ALL(m, judge);
	message_decide(m);
	*ret_answer = json_pack("{s:s, s:f, s:s, s:o}", "verdict", verdict_name(m->verdict), "score",
	                        m->score / 100.0, "text", m->verdict_text ? m->verdict_text : "", "findings",
	                        findings_json(m));
	return 0;
}

/* Nothing is learnt from it, no connection is counted and nobody greylisted. */
static int answer_test(void *arg, struct arena *a, json_t *in, json_t **ret_answer, struct err *err)
{
	const char *address = text_of(in, "address", "192.0.2.1"), *helo = text_of(in, "helo", "");
	struct net_addr client;
	char host[128];
	struct session *s;
	struct message *m;
	struct span bytes;
	int r;

	(void) snprintf(host, sizeof(host), strchr(address, ':') ? "[%s]:25" : "%s:25", address);
	if (net_addr_parse(span_of(host), &client, NULL) < 0)
		return err_set(err, POD_E_SYNTAX, "%.100s is no address", address);
	if (base64_decode(a, span_of(text_of(in, "message", "")), &bytes) < 0)
		return err_set(err, POD_E_SYNTAX, "message is no base64");
	s = session_create(arg, &client, NULL, "smtp", NULL);
	if (!s)
		return err_set(err, POD_E_NOMEM, "test");
	s->direction = DIRECTION_IN;
	(void) snprintf(s->helo, sizeof(s->helo), "%s", helo);
	m = message_create(s, "test", span_of(text_of(in, "sender", "")), NULL);
	r = m ? judge(m, bytes, ret_answer, err) : err_set(err, POD_E_NOMEM, "test");
	(void) session_free(s);
	return r;
}

const struct control_extra answers_methods[] = {
	/* {"subject"} -> {"subject", "records": [{"kind", "name", "good", "spam", ...}], "rating"} */
	{ "filter.show", answer_show },
	/* {"subject"} -> {"subject", "forgotten"} */
	{ "filter.forget", answer_forget },
	/* {"message" (base64), "address"?, "helo"?, "sender"?} -> {"verdict", "score", "text", "findings"} */
	{ "filter.test", answer_test },
	{ NULL, NULL },
};
