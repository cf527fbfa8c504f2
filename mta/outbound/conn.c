#include "mta/outbound/conn.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mta/outbound/internal.h"
#include "mta/outbound/pool.h"
#include "mta/service/metrics.h"

#define ARENA_MAX 16384
#define WINDOW    (64u << 10) /* of a message that is dot-stuffed, at a time */
#define COPY_MAX  (64u << 10) /* a message up to this goes with its commands in one write */

static void look(struct conn *c);

/* ---- the end ---- */

/* The stage's name in the words of a report. */
static const char *what_for(const struct conn *c)
{
	static const char *const words[SMTP_STAGES] = {
		[SMTP_STAGE_GREETING] = "waiting for its greeting",
		[SMTP_STAGE_COMMAND] = "waiting for its answer to a command",
		[SMTP_STAGE_DATA] = "waiting for its answer to DATA",
		[SMTP_STAGE_BODY] = "sending the message",
		[SMTP_STAGE_BODY_END] = "waiting for its answer to the message; it may have arrived",
	};

	return c->stage == CONN_HANDSHAKE ? "the TLS handshake" : words[smtp_client_stage(c->client)];
}

static void lost(struct conn *c, const char *why)
{
	char text[400];

	(void) snprintf(text, sizeof(text), "%s while %s", why, what_for(c));
	smtp_client_lost(c->client, text);
}

/* What a report for the other side's postmaster says of the session (RFC 8460). */
static void report_tls(struct conn *c, bool tls)
{
	struct tls_session session = { .receiving_ip = c->address };
	char local[NET_ADDR_TEXT_SIZE];
	struct net_addr from;
	bool offered = tls || c->tls_failed || smtp_client_saw_starttls(c->client);

	if (!c->demand)
		return;
	if (c->stream && stream_local_address(c->stream, &from) == 0)
		session.sending_ip = net_addr_host(&from, local, sizeof(local));
	session.result = tls_result_of(c->demand, offered, tls, c->verdict);
	session.reason = c->tls_failed ? smtp_client_fault_words(c->client)->text : NULL;
	tlspolicy_report(c->o->policy, c->demand, &session);
	c->demand = NULL;
}

static bool is_about_tls(const struct conn *c)
{
	enum smtp_client_fault f = smtp_client_fault(c->client);

	return c->tls_failed || f == SMTP_FAULT_TLS_MISSING || f == SMTP_FAULT_TLS_REFUSED;
}

static void end(struct conn *c)
{
	if (c->over)
		return;
	c->over = true;
	if (is_about_tls(c)) {
		metric_add(M_OUTBOUND_TLS_FAILED, 1);
		report_tls(c, false);
	}
	c->ops->on_over(c->arg);
}

struct conn *conn_free(struct conn *c)
{
	if (!c)
		return NULL;
	c->o->connections--;
	metric_add(M_OUTBOUND_OPEN, -1);
	(void) event_del(&c->soon);
	c->client = smtp_client_free(c->client);
	c->stream = stream_free(c->stream);
	buf_done(&c->out);
	free(c->destination);
	(void) arena_free(c->arena);
	free(c);
	return NULL;
}

static void flush(struct conn *c)
{
	if (c->out.len)
		stream_write(c->stream, buf_span(&c->out));
	buf_clear(&c->out);
}

void conn_quit(struct conn *c)
{
	if (c->stream && !c->over && smtp_client_wants(c->client) == SMTP_CLIENT_READY) {
		smtp_client_quit(c->client);
		flush(c);
		stream_finish(c->stream);
		c->stream = NULL;
	}
	(void) conn_free(c);
}

/* ---- TLS ---- */

static void start_tls(struct conn *c)
{
	struct tls_check check = c->demand->check;
	struct err err = { 0 };

	if (c->stage == CONN_HANDSHAKE)
		return;
	c->stage = CONN_HANDSHAKE;
	check.resume = pool_session(c->o->pool, c->key);
	stream_set_timeouts(c->stream, (unsigned int) c->o->conf->outbound.command_timeout_ms,
	                    (unsigned int) c->o->conf->outbound.command_timeout_ms);
	if (stream_start_tls_check(c->stream, tlspolicy_tls(c->o->policy), &check, &err) < 0) {
		smtp_client_lost(c->client, err_text(&err));
		end(c);
	}
}

static void describe_tls(struct conn *c)
{
	char words[96];

	tls_describe(stream_ssl(c->stream), words, sizeof(words));
	(void) snprintf(c->tls, sizeof(c->tls), "%s %s%s", words,
	                c->verdict == TLS_VERDICT_GOOD ? tls_level_name(c->demand->level)
	                                               : tls_verdict_name(c->verdict),
	                c->verdict == TLS_VERDICT_GOOD ? " verified" : "");
}

static void on_tls(void *conn)
{
	struct conn *c = conn;

	c->verdict = stream_tls_verdict(c->stream);
	describe_tls(c);
	metric_add(M_OUTBOUND_TLS_RESUMED, tls_resume_was_used(stream_ssl(c->stream)));
	if (!tls_demand_is_met(c->demand, true, c->verdict)) {
		char text[200];

		(void) snprintf(text, sizeof(text), "its certificate does not do: %s",
		                tls_verdict_name(c->verdict));
		c->tls_failed = true;
		smtp_client_lost(c->client, text);
		end(c);
		return;
	}
	c->stage = CONN_SPEAKING;
	smtp_client_tls_done(c->client);
	look(c);
}

/* ---- the message ---- */

/* False: the output is full, and the rest goes out when it is not. */
static bool write_stuffed(struct conn *c)
{
	struct span all = c->body->bytes;

	while (c->body_at < all.len) {
		struct span rest = span_head(span_skip(all, c->body_at), WINDOW);
		bool dot;
		size_t n;

		if (stream_is_full(c->stream))
			return false;
		n = smtp_stuff(&c->stuffer, rest, &dot);
		if (dot)
			stream_write(c->stream, SPAN_LIT("."));
		stream_write(c->stream, span_head(rest, n));
		c->body_at += n;
	}
	stream_write(c->stream, smtp_stuff_end(&c->stuffer));
	return true;
}

/* The bytes as they are: those of a large file with sendfile where nothing is encrypted. */
static bool write_whole(struct conn *c, struct span end)
{
	struct err err = { 0 };
	int fd;

	if (c->body->fd < 0 || c->body->bytes.len <= COPY_MAX) {
		stream_write(c->stream, c->body->bytes);
	} else {
		fd = dup(c->body->fd);
		if (fd < 0 || stream_write_file(c->stream, fd, 0, c->body->bytes.len, &err) < 0) {
			lost(c, fd < 0 ? "no descriptors are left" : err_text(&err));
			return false;
		}
	}
	stream_write(c->stream, end);
	return true;
}

static bool write_body(struct conn *c)
{
	if (smtp_client_body(c->client).chunked)
		return write_whole(c, SPAN_NONE);
	return c->body->plain ? write_whole(c, SPAN_LIT(".\r\n")) : write_stuffed(c);
}

/* ---- the pump ---- */

static unsigned int time_of(const struct conn *c)
{
	const struct outbound_conf *o = &c->o->conf->outbound;
	const uint64_t times[SMTP_STAGES] = {
		[SMTP_STAGE_GREETING] = o->greeting_timeout_ms, [SMTP_STAGE_COMMAND] = o->command_timeout_ms,
		[SMTP_STAGE_DATA] = o->data_timeout_ms,         [SMTP_STAGE_BODY] = o->block_timeout_ms,
		[SMTP_STAGE_BODY_END] = o->done_timeout_ms,
	};

	return (unsigned int) times[smtp_client_stage(c->client)];
}

static void set_timeouts(struct conn *c)
{
	stream_set_timeouts(c->stream, c->busy ? time_of(c) : 0,
	                    (unsigned int) c->o->conf->outbound.block_timeout_ms);
}

/* A server that sends a byte now and then is never silent, and never answers. */
static void watch_reply(struct conn *c)
{
	uint64_t now = clock_mono_ms();

	if (!smtp_client_is_mid_reply(c->client))
		c->reply_since_ms = 0;
	else if (c->reply_since_ms == 0)
		c->reply_since_ms = now;
	else if (now - c->reply_since_ms > time_of(c))
		lost(c, "it did not come to an end");
}

static void count_session(const struct conn *c)
{
	static const enum mta_metric by_level[TLS_LEVELS] = { [TLS_LEVEL_NEVER] = M_OUTBOUND_TLS_NONE,
		                                              [TLS_LEVEL_MAY] = M_OUTBOUND_TLS_MAY,
		                                              [TLS_LEVEL_ENCRYPT] = M_OUTBOUND_TLS_ENCRYPT,
		                                              [TLS_LEVEL_VERIFY] = M_OUTBOUND_TLS_VERIFY,
		                                              [TLS_LEVEL_DANE] = M_OUTBOUND_TLS_DANE };

	metric_add(smtp_client_is_secure(c->client) ? by_level[c->demand->level] : M_OUTBOUND_TLS_NONE, 1);
}

static void ready(struct conn *c)
{
	if (!c->busy)
		return;
	c->busy = false;
	set_timeouts(c);
	if (c->demand)
		count_session(c);
	report_tls(c, smtp_client_is_secure(c->client));
	c->stage = CONN_SPEAKING;
	if (smtp_client_is_secure(c->client))
		pool_keep_session(c->o->pool, c->key, stream_ssl(c->stream));
	memory_mark_alive(c->o->memory, &c->addr);
	c->ops->on_ready(c->arg);
}

/* Does what the machine wants. c may be gone behind it. */
static void look(struct conn *c)
{
	if (c->over)
		return;
	for (;;) {
		flush(c);
		switch (smtp_client_wants(c->client)) {
		case SMTP_CLIENT_READ: set_timeouts(c); return;
		case SMTP_CLIENT_TLS: start_tls(c); return;
		case SMTP_CLIENT_READY: ready(c); return;
		case SMTP_CLIENT_CLOSE: end(c); return;
		case SMTP_CLIENT_BODY:
			set_timeouts(c);
			if (write_body(c))
				smtp_client_body_sent(c->client);
			else if (smtp_client_wants(c->client) == SMTP_CLIENT_BODY)
				return;
			break;
		}
	}
}

static void on_soon(evutil_socket_t fd, short what, void *conn)
{
	struct conn *c = conn;

	if (c->stream)
		look(c);
	else
		end(c);
}

static void on_input(void *conn)
{
	struct conn *c = conn;
	struct evbuffer *in = stream_input(c->stream);

	while (evbuffer_get_length(in)) {
		struct evbuffer_iovec run;

		if (evbuffer_peek(in, -1, NULL, &run, 1) < 1)
			break;
		smtp_client_input(c->client, span_make(run.iov_base, run.iov_len));
		(void) evbuffer_drain(in, run.iov_len);
	}
	watch_reply(c);
	look(c);
}

static void on_writable(void *conn)
{
	look(conn);
}

static void on_end(void *conn, enum stream_end why)
{
	struct conn *c = conn;
	const char *text = stream_error_text(c->stream);

	if (c->stage == CONN_HANDSHAKE) {
		c->tls_failed = true;
		c->verdict = stream_tls_verdict(c->stream);
	}
	if (why == STREAM_EOF)
		text = "it closed the connection";
	else if (why == STREAM_TIMEOUT)
		text = "it took too long";
	lost(c, *text ? text : "the connection broke");
	end(c);
}

static const struct stream_ops stream_ops = { on_input, on_writable, on_tls, on_end };

/* ---- the beginning ---- */

static enum smtp_client_tls tls_mode(const struct conn_target *t)
{
	if (t->in_clear || t->demand->level == TLS_LEVEL_NEVER)
		return SMTP_CLIENT_TLS_NEVER;
	return t->demand->level == TLS_LEVEL_MAY ? SMTP_CLIENT_TLS_MAY : SMTP_CLIENT_TLS_MUST;
}

static int keep(struct conn *c, const struct conn_target *t)
{
	struct span none = SPAN_LIT("");

	c->host = arena_str(c->arena, span_of(t->host));
	c->key = arena_str(c->arena, span_of(t->key));
	c->settings.hostname =
		arena_str(c->arena, span_of(c->o->conf->mta.hostname)); /* a reload frees that */
	c->settings.server = c->host;
	c->settings.tls = tls_mode(t);
	c->settings.login = t->login ? arena_str(c->arena, span_of(t->login)) : NULL;
	c->settings.password =
		t->login ? arena_str(c->arena, t->password ? span_of(t->password) : none) : NULL;
	c->settings.pipelined_body_max = c->o->conf->outbound.one_go_size;
	c->addr = t->addr;
	c->demand = t->demand;
	c->in_clear = t->in_clear;
	c->verdict = TLS_VERDICT_OTHER;
	(void) net_addr_host(&t->addr, c->address, sizeof(c->address));
	return c->host && c->key && c->settings.hostname &&
	                       (!t->login || (c->settings.login && c->settings.password))
	               ? 0
	               : -POD_E_NOMEM;
}

struct conn *conn_open(struct outbound *o, const struct conn_target *target, const struct conn_ops *ops,
                       void *arg)
{
	struct conn *c = calloc(1, sizeof(*c));
	_cleanup_(closep) int fd = target->fd;
	struct err err = { 0 };

	if (!c)
		return NULL;
	*c = (struct conn){ .o = o, .ops = ops, .arg = arg, .busy = true, .opened_ms = clock_mono_ms() };
	o->connections++;
	metric_add(M_OUTBOUND_OPEN, 1);
	(void) evtimer_assign(&c->soon, o->base, on_soon, c);
	c->arena = arena_create(ARENA_MAX);
	if (c->arena && keep(c, target) == 0)
		c->client = smtp_client_create(&c->settings, &c->out);
	if (!c->client)
		return conn_free(c);
	metric_add(M_OUTBOUND_CONNECTIONS, 1);
	if (stream_create(o->base, take_fd(&fd), NULL, &stream_ops, c, &c->stream, &err) < 0)
		smtp_client_lost(c->client, err_text(&err));
	event_active(&c->soon, EV_TIMEOUT, 0);
	return c;
}

void conn_set_owner(struct conn *c, const struct conn_ops *ops, void *arg)
{
	c->ops = ops;
	c->arg = arg;
}

void conn_mail(struct conn *c, struct smtp_client_mail *mail, const struct body *body)
{
	c->body = body;
	c->body_at = 0;
	c->stuffer = (struct smtp_stuffer){ 0 };
	c->busy = true;
	c->mails++;
	smtp_client_mail(c->client, mail);
	event_active(&c->soon, EV_TIMEOUT, 0);
}

bool conn_has_room(const struct conn *c)
{
	const struct outbound_conf *o = &c->o->conf->outbound;
	uint32_t theirs = smtp_client_capabilities(c->client)->mails_max;

	return !c->over && c->mails < o->reuse_messages && (!theirs || c->mails < theirs) &&
	       clock_mono_ms() - c->opened_ms < o->reuse_time_ms;
}
