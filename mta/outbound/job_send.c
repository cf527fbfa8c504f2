/* A job and its connection: new or found, used for as many transactions as it takes, given back or given
 * up. */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fnv.h"
#include "base/log.h"
#include "mta/outbound/job.h"
#include "mta/service/metrics.h"

/* ---- which connection ---- */

/* Sessions that had to show the same: names and records go in by what they are. */
static uint32_t check_hash(const struct tls_check *c)
{
	uint32_t h = FNV32_START;

	for (size_t i = 0; i < c->names_n; i++)
		h = fnv32(h, span_of(c->names[i]));
	for (size_t i = 0; i < c->records_n; i++)
		h = fnv32(h, c->records[i].data);
	return h;
}

static const char *key_of(struct job *j, const char *host, const struct tls_demand *demand)
{
	const struct route *r = j->route;
	unsigned int port = r && r->port ? r->port : j->o->conf->outbound.port;

	return arena_printf(j->arena, "%s %u %s %x %s", host, port, tls_level_name(demand->level),
	                    check_hash(&demand->check), r && r->login ? r->login : "");
}

static void on_ready(void *job);
static void on_over(void *job);
static const struct conn_ops ops = { on_ready, on_over };

static void send_next(struct job *j);

static void log_connection(const struct job *j)
{
	const struct conn *c = j->conn;

	log_event(NULL, LOGL_INFO, "remote.connected", F_STR("trace", j->record->trace),
	          F_STR("host", c->host), F_STR("address", c->address),
	          F_STR("tls", *c->tls ? c->tls : "none"), F_STR("reused", j->reused ? "yes" : "no"));
}

static void use(struct job *j, struct conn *c)
{
	j->conn = c;
	j->reused = true;
	conn_set_owner(c, &ops, j);
	metric_add(M_OUTBOUND_REUSED, 1);
	log_connection(j);
	send_next(j);
}

bool job_reuse_destination(struct job *j)
{
	struct conn *c = pool_take_destination(j->o->pool, j->same);

	if (c)
		use(j, c);
	return c != NULL;
}

bool job_reuse_key(struct job *j, const char *host, const struct tls_demand *demand)
{
	const char *key = key_of(j, host, demand);
	struct conn *c = key ? pool_take_key(j->o->pool, key) : NULL;

	if (c)
		use(j, c);
	return c != NULL;
}

void job_use_connection(struct job *j, int fd)
{
	struct conn_target t = { .host = j->place.host,
		                 .addr = j->place.addr,
		                 .fd = fd,
		                 .demand = j->place.demand,
		                 .in_clear = j->in_clear,
		                 .key = key_of(j, j->place.host, j->place.demand) };

	if (j->route) {
		t.login = j->route->login;
		t.password = j->route->password;
	}
	j->reused = false;
	if (!t.key)
		closep(&fd);
	j->conn = t.key ? conn_open(j->o, &t, &ops, j) : NULL;
	if (j->conn)
		return;
	job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", "out of memory");
	job_finish(j);
}

void job_release(struct job *j)
{
	struct conn *c = j->conn;

	j->conn = NULL;
	if (c)
		pool_put(j->o->pool, c, j->same);
}

/* ---- transactions ---- */

static bool is_anybody_left(const struct job *j)
{
	for (size_t i = 0; i < j->record->n_targets; i++)
		if (!j->targets[i].over)
			return true;
	return false;
}

static void describe(struct job *j)
{
	const struct conn *c = j->conn;

	j->feedback.host = job_text(j, c->host);
	j->feedback.address = job_text(j, c->address);
	j->feedback.tls = job_text(j, c->tls);
	j->feedback.reused = j->reused;
	j->feedback.recipients_max = smtp_client_rcpts_max(c->client);
}

/* Once for the job: what cannot be encoded for one server cannot be for any. */
static void encode(struct job *j)
{
	struct err err = { 0 };
	int r;

	if (j->encoding_tried)
		return;
	j->encoding_tried = true;
	r = body_encode(&j->body, &j->encoded, &err);
	log_event(NULL, LOGL_INFO, r < 0 ? "message.not_encoded" : "message.encoded",
	          F_STR("trace", j->record->trace), F_STR("text", r < 0 ? err_text(&err) : ""));
}

/* As it is; or without 8-bit bytes, where the server does not take them and it can be said so. */
static const struct body *body_for_server(struct job *j)
{
	if (!j->body.eight_bit || j->body.header_eight_bit ||
	    smtp_client_offers(j->conn->client, SMTP_CAP_8BITMIME))
		return &j->body;
	encode(j);
	return j->encoded.bytes.p ? &j->encoded : &j->body;
}

/* Who is left goes into a transaction on this connection. */
static void send_next(struct job *j)
{
	const struct body *body = body_for_server(j);

	if (!job_mail_fill(j, body)) {
		job_note_ours(j, OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0", "out of memory");
		job_finish(j);
		return;
	}
	conn_mail(j->conn, &j->mail, body);
}

void job_go_on(struct job *j)
{
	if (!is_anybody_left(j))
		job_finish(j);
	else if (!j->looked_up)
		job_look_up(j);
	else
		job_next_place(j);
}

/* The server wants none of it just now, or cannot carry it: another host of the destination may. */
static void note_elsewhere(struct job *j, const struct smtp_client_rcpt *why)
{
	job_note(j, &(struct job_trouble){ job_words_ask_for_less(why) ? OUTBOUND__TROUBLE__RATE
	                                                               : OUTBOUND__TROUBLE__NONE,
	                                   why->code / 100 == 5, why->code, why->enhanced, why->text,
	                                   why->ours ? NULL : j->conn->host });
}

static void on_ready(void *job)
{
	struct job *j = job;
	const struct smtp_client_rcpt *elsewhere = NULL;
	bool was_first = j->mail.rcpts == NULL;

	if (was_first)
		log_connection(j);
	else
		elsewhere = job_mail_take(j);
	describe(j);
	if (is_anybody_left(j) && !elsewhere && (was_first || conn_has_room(j->conn))) {
		send_next(j);
		return;
	}
	if (elsewhere) {
		note_elsewhere(j, elsewhere);
		j->n_addresses = 0; /* its other addresses would say the same */
	}
	job_release(j);
	job_go_on(j);
}

/* ---- what a lost connection means ---- */

static void note_fault(struct job *j)
{
	static const struct {
		Outbound__Trouble trouble;
		unsigned int code; /* where nobody spoke */
		const char *enhanced;
	} by_fault[SMTP_FAULTS] = {
		[SMTP_FAULT_NONE] = { OUTBOUND__TROUBLE__CLOSING, 451, "4.4.2" },
		[SMTP_FAULT_LOST] = { OUTBOUND__TROUBLE__CLOSING, 451, "4.4.2" },
		[SMTP_FAULT_CLOSING] = { OUTBOUND__TROUBLE__CLOSING, 451, "4.4.2" },
		[SMTP_FAULT_GREETING] = { OUTBOUND__TROUBLE__GREETING, 451, "4.4.2" },
		[SMTP_FAULT_HELLO] = { OUTBOUND__TROUBLE__GREETING, 451, "4.4.2" },
		[SMTP_FAULT_LOOP] = { OUTBOUND__TROUBLE__NONE, 554, "5.4.6" },
		[SMTP_FAULT_PROTOCOL] = { OUTBOUND__TROUBLE__CLOSING, 451, "4.5.0" },
		[SMTP_FAULT_TLS_MISSING] = { OUTBOUND__TROUBLE__TLS, 451, "4.7.4" },
		[SMTP_FAULT_TLS_REFUSED] = { OUTBOUND__TROUBLE__TLS, 451, "4.7.5" },
		[SMTP_FAULT_AUTH] = { OUTBOUND__TROUBLE__AUTH, 451, "4.7.8" },
		[SMTP_FAULT_MEMORY] = { OUTBOUND__TROUBLE__LOCAL, 451, "4.3.0" },
	};
	const struct conn *c = j->conn;
	const struct smtp_client_rcpt *w = smtp_client_fault_words(c->client);
	enum smtp_client_fault f = smtp_client_fault(c->client);
	Outbound__Trouble trouble = c->tls_failed ? OUTBOUND__TROUBLE__TLS : by_fault[f].trouble;
	struct job_trouble t = { .trouble = trouble,
		                 .for_good = f == SMTP_FAULT_LOOP,
		                 .code = by_fault[f].code,
		                 .mta = w->code ? c->host : NULL };
	char text[600], enhanced[SMTP_ENHANCED_SIZE];

	(void) snprintf(text, sizeof(text), "%s[%s]: %s", c->host, c->address, w->text);
	t.text = w->code ? w->text : text;
	t.enhanced = c->tls_failed ? "4.7.5" : by_fault[f].enhanced;
	if (w->code) {
		/* A server that refuses us today says nothing of the recipient; one that takes no mail does
		 * (RFC 7504). */
		t.code = w->code;
		t.for_good = w->code == 521;
		(void) snprintf(enhanced, sizeof(enhanced), "%c%s", t.for_good ? '5' : '4', w->enhanced + 1);
		t.enhanced = enhanced;
		if (job_words_ask_for_less(w))
			t.trouble = OUTBOUND__TROUBLE__RATE;
	}
	job_note(j, &t);
}

/* TLS that may be had and does not come to be is worse than none only to who demands it. */
static bool may_go_in_clear(const struct job *j)
{
	return j->conn->tls_failed && !j->in_clear && !j->reused &&
	       tls_demand_is_met(j->place.demand, false, TLS_VERDICT_OTHER);
}

static bool was_silent(const struct conn *c)
{
	return c->stage == CONN_GREETING && smtp_client_fault(c->client) == SMTP_FAULT_LOST;
}

static void on_over(void *job)
{
	struct job *j = job;
	struct conn *c = j->conn;
	bool again_in_clear = may_go_in_clear(j), loop = smtp_client_fault(c->client) == SMTP_FAULT_LOOP;

	if (j->mail.rcpts)
		(void) job_mail_take(j);
	/* An old connection that is gone says nothing: a new one will. */
	if (!j->reused || !is_anybody_left(j))
		note_fault(j);
	if (!j->reused)
		describe(j);
	if (was_silent(c))
		memory_mark_silent(j->o->memory, &c->addr,
		                   clock_mono_ms() + j->o->conf->outbound.silent_host_time_ms);
	j->conn = conn_free(c);
	j->mail.rcpts = NULL;
	if (again_in_clear)
		job_connect_in_clear(j);
	else if (loop)
		job_finish(j); /* those behind it are no better (RFC 5321 5.1) */
	else
		job_go_on(j);
}
