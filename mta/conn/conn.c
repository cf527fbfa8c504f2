#include "mta/conn/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "mta/service/metrics.h"

#define TLS_HANDSHAKE_MS 30000
#define WRITE_MS         60000

static void on_delay_over(evutil_socket_t fd, short what, void *arg)
{
	struct smtp_conn *c = arg;

	c->delayed = false;
	if (c->greeting)
		smtp_conn_greet_when_ready(c);
	else
		smtp_conn_pump(c);
}

/* Commands and bodies have different patience (RFC 5321 4.5.3.2); a client that waits for us is not late. */
static void set_patience(struct smtp_conn *c, enum smtp_patience patience)
{
	const struct mta_conf *conf = &c->w->conf->mta;
	uint64_t ms = patience == PATIENCE_BODY      ? conf->data_timeout_ms
	              : patience == PATIENCE_COMMAND ? conf->command_timeout_ms
	                                             : 0;

	if (c->patience == patience)
		return;
	c->patience = patience;
	stream_set_timeouts(c->stream, (unsigned int) ms, WRITE_MS);
}

static void feed_line(struct smtp_conn *c, bool *more)
{
	struct span line;
	int r = line_take(c->stream, SMTP_LINE_MAX, &line);

	*more = r != 0;
	if (r != 0)
		c->pace.since_ms = clock_mono_ms();
	if (r == 1)
		smtp_session_line(c->session, line);
	else if (r < 0)
		smtp_session_line_bad(c->session, r);
}

/* Reading stops only when there is something to hold back: most clients wait for their reply anyway. */
static void pause_input(struct smtp_conn *c)
{
	if (!c->paused && evbuffer_get_length(stream_input(c->stream)) > 0) {
		stream_pause(c->stream);
		c->paused = true;
	}
}

static void resume_input(struct smtp_conn *c)
{
	if (c->paused)
		stream_resume(c->stream);
	c->paused = false;
}

/* The body goes from the socket's buffers to the spool in runs, without being put together first. */
static void feed_data(struct smtp_conn *c, bool *more)
{
	struct evbuffer *in = stream_input(c->stream);
	struct evbuffer_iovec piece;
	size_t taken;

	set_patience(c, PATIENCE_BODY);
	*more = evbuffer_peek(in, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0;
	if (!*more)
		return;
	taken = smtp_session_data(c->session, span_make(piece.iov_base, piece.iov_len));
	c->pace.bytes += taken;
	(void) evbuffer_drain(in, taken);
}

static void write_replies(struct smtp_conn *c)
{
	if (!c->out.len && !c->out.failed)
		return;
	stream_write(c->stream, buf_span(&c->out));
	if (c->out.failed)
		smtp_session_abort(c->session, "4.3.0", "Out of memory");
	buf_clear(&c->out);
}

/* A peer that errs too often gets its replies late; meanwhile it is not read from. */
static bool hold_back(struct smtp_conn *c)
{
	unsigned int ms = smtp_session_take_delay(c->session);
	struct timeval tv = { ms / 1000, (ms % 1000) * 1000 };

	if (!ms || event_add(&c->delay, &tv) < 0)
		return false;
	c->delayed = true;
	if (!c->ended)
		pause_input(c);
	return true;
}

static void start_tls(struct smtp_conn *c)
{
	struct err err = { 0 };

	c->handshake = true;
	stream_set_timeouts(c->stream, TLS_HANDSHAKE_MS, TLS_HANDSHAKE_MS);
	if (stream_start_tls(c->stream, c->w->tls, &err) < 0) {
		log_event(&c->log, LOGL_ERROR, "tls.failed", F_ERR(&err));
		smtp_conn_free(c);
		return;
	}
	resume_input(c);
}

static void finish(struct smtp_conn *c)
{
	stream_finish(c->stream);
	c->stream = NULL;
	smtp_conn_free(c);
}

/* What is to be done when no more input can be fed now. */
static void settle_down(struct smtp_conn *c)
{
	enum smtp_want want = smtp_session_wants(c->session);

	if (want != c->pace.want) {
		/* It is the client's turn again, or another one's. */
		c->pace.want = want;
		c->pace.since_ms = c->pace.window_ms = clock_mono_ms();
		c->pace.bytes = 0;
	}
	if (hold_back(c))
		return;
	/* Who sent a command that waits for us had sent it before he read what stands before its reply (RFC 2920). */
	if (want != SMTP_WANT_ANSWER)
		write_replies(c);
	if (c->ended) {
		/* The peer closed its side: what it began is answered, more will not come. */
		if (want != SMTP_WANT_ANSWER)
			finish(c);
		return;
	}
	switch (want) {
	case SMTP_WANT_LINE:
		if (c->w->draining && smtp_session_is_idle(c->session)) {
			smtp_session_abort(c->session, "4.3.2", "Shutting down");
			write_replies(c);
			finish(c);
			return;
		}
		set_patience(c, PATIENCE_COMMAND);
		resume_input(c);
		break;
	case SMTP_WANT_DATA: resume_input(c); break;
	case SMTP_WANT_ANSWER:
		set_patience(c, PATIENCE_OURS);
		pause_input(c);
		break;
	case SMTP_WANT_TLS: start_tls(c); break;
	case SMTP_WANT_CLOSE: finish(c); break;
	}
}

/* Runs commands until one must wait for another process, or the input is out; the kernel buffers the rest. */
void smtp_conn_pump(struct smtp_conn *c)
{
	bool more = true;

	if (c->pumping || !c->stream)
		return;
	if (c->delayed) {
		pause_input(c);
		return;
	}
	c->pumping = true;
	smtp_session_set_time(c->session, clock_wall_s());
	while (more && !stream_is_full(c->stream)) {
		enum smtp_want want = smtp_session_wants(c->session);

		if (want == SMTP_WANT_LINE)
			feed_line(c, &more);
		else if (want == SMTP_WANT_DATA)
			feed_data(c, &more);
		else
			break;
	}
	c->pumping = false;
	settle_down(c);
}

/* A client that talks before it was greeted is a spammer's script (RFC 5321 3.1): it gets its answer late,
 * and no more. */
static void refuse_early_talker(struct smtp_conn *c)
{
	metric_add(M_SESSIONS_REFUSED, 1);
	metric_add(M_REFUSED_EARLY, 1);
	log_event(&c->log, LOGL_NOTICE, "session.refused", F_STR("why", "talked before the greeting"));
	stream_write(c->stream, SPAN_LIT("554 5.5.1 You spoke before you were greeted\r\n"));
	finish(c);
}

static void on_input(void *owner)
{
	struct smtp_conn *c = owner;

	if (!c->greeting)
		smtp_conn_pump(c);
}

static void on_tls(void *owner)
{
	struct smtp_conn *c = owner;
	char words[96];
	bool implicit = c->door->implicit_tls;

	c->handshake = false;
	tls_describe(stream_ssl(c->stream), words, sizeof(words));
	smtp_session_tls_done(c->session, words);
	log_event(&c->log, LOGL_DEBUG, "tls.started", F_STR("tls", words));
	c->patience = PATIENCE_UNSET;
	set_patience(c, PATIENCE_COMMAND);
	if (implicit) {
		c->greeting = true;
		smtp_conn_greet_when_ready(c);
	} else {
		smtp_conn_pump(c);
	}
}

static const char *const end_words[] = {
	[STREAM_EOF] = "closed by the peer",
	[STREAM_ERROR] = "connection lost",
	[STREAM_TLS_FAILED] = "TLS failed",
	[STREAM_TIMEOUT] = "timed out",
};

static void on_end(void *owner, enum stream_end why)
{
	struct smtp_conn *c = owner;
	bool polite = smtp_session_is_idle(c->session);

	if (why == STREAM_TLS_FAILED)
		metric_add(M_TLS_FAILED, 1);
	log_event(&c->log, polite ? LOGL_DEBUG : LOGL_INFO, "session.lost", F_STR("why", end_words[why]),
	          F_STR("error", stream_error_text(c->stream)));
	c->ended = true;
	if (why == STREAM_TIMEOUT && smtp_session_wants(c->session) != SMTP_WANT_TLS) {
		smtp_session_abort(c->session, "4.4.2", "Timed out waiting for you");
		write_replies(c);
		finish(c);
	} else if (why == STREAM_EOF) {
		smtp_conn_pump(c);
	} else {
		smtp_conn_free(c);
	}
}

static const struct stream_ops stream_ops = {
	.on_input = on_input, .on_writable = on_input, .on_tls = on_tls, .on_end = on_end
};

static void log_opened(struct smtp_conn *c)
{
	static const enum mta_metric counters[] = { [SMTP_SERVICE_MX] = M_SESSIONS_SMTP,
		                                    [SMTP_SERVICE_SUBMISSION] = M_SESSIONS_SUBMISSION,
		                                    [SMTP_SERVICE_LMTP] = M_SESSIONS_LMTP };

	metric_add(counters[c->door->settings.service], 1);
	metric_add(M_SESSIONS_OPEN, 1);
	log_event(&c->log, LOGL_DEBUG, "session.opened", F_STR("service", smtp_door_name(c->door)));
}

static struct smtp_conn *conn_create(struct door *door, const struct accepted *a,
                                     const struct guard_ticket *ticket)
{
	struct smtp_conn *c = calloc(1, sizeof(*c));
	struct smtp_peer peer;

	if (!c)
		return NULL;
	c->w = door->w;
	c->door = door;
	c->ticket = *ticket;
	c->pace.since_ms = clock_mono_ms();
	if (a->peer.ss.ss_family != AF_UNIX)
		(void) net_addr_host(&a->peer, c->address, sizeof(c->address));
	(void) net_addr_network(&a->peer, 32, 64, c->network, sizeof(c->network));
	trace_id_new(c->conn_id);
	c->log = (struct log){ NULL, { F_STR("conn", c->conn_id), F_STR("peer", c->address) } };
	c->mail_log = (struct log){ &c->log, { F_STR("trace", c->trace) } };
	peer = (struct smtp_peer){ .address = c->address, .loopback = net_addr_is_loopback(&a->peer) };
	c->session = smtp_session_create(&door->settings, &peer, &smtp_conn_host, c, &c->out);
	smtp_conn_name_start(c, &a->peer);
	if (c->session && conn_filter_create(c, a) < 0)
		c->session = smtp_session_free(c->session);
	(void) evtimer_assign(&c->delay, door->w->base, on_delay_over, c);
	LIST_INSERT_HEAD(&door->w->conns, c, link);
	door->w->n_conns++;
	log_opened(c);
	return c;
}

static bool has_input(int fd)
{
	uint8_t byte;

	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void say_goodbye(int fd, const char *words)
{
	/* Whether it arrives makes no difference. */
	if (send(fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return;
}

/* Is greeted when the delay is over and its name is looked up, unless it talks before. */
void smtp_conn_greet_when_ready(struct smtp_conn *c)
{
	if (!c->greeting || c->naming.lookup || evtimer_pending(&c->delay, NULL))
		return;
	c->greeting = false;
	if (c->door->which == CONF_LISTEN_SMTP && evbuffer_get_length(stream_input(c->stream)) > 0) {
		refuse_early_talker(c);
		return;
	}
	smtp_session_greet(c->session);
	smtp_conn_pump(c);
}

/* early: it has talked already, which is found out also where nobody waits. */
static void begin(struct smtp_conn *c, bool early)
{
	uint64_t ms = smtp_guard_greet_delay_ms(c->door, &c->ticket);
	struct timeval tv = { (time_t) (ms / 1000), (suseconds_t) (ms % 1000 * 1000) };

	c->patience = PATIENCE_UNSET;
	set_patience(c, PATIENCE_COMMAND);
	c->handshake = c->door->implicit_tls;
	if (c->door->implicit_tls)
		return; /* on_tls greets */
	c->greeting = (ms > 0 && event_add(&c->delay, &tv) == 0) || c->naming.lookup;
	if (c->greeting)
		return;
	if (early) {
		refuse_early_talker(c);
		return;
	}
	smtp_session_greet(c->session);
	smtp_conn_pump(c);
}

static void turn_away(const struct door *door, const struct accepted *a, const char *words)
{
	metric_add(M_SESSIONS_REFUSED, 1);
	if (!door->implicit_tls)
		say_goodbye(a->fd, words);
	(void) close(a->fd);
}

void smtp_conn_open(struct door *door, const struct accepted *a)
{
	struct tls_context *tls = door->implicit_tls ? door->w->tls : NULL;
	struct guard_ticket ticket;
	const char *words = smtp_guard_admit(door, a, &ticket);
	struct smtp_conn *c;
	struct err err = { 0 };
	bool early;

	if (words) {
		turn_away(door, a, words);
		return;
	}
	c = conn_create(door, a, &ticket);
	if (!c || !c->session) {
		if (!c)
			smtp_guard_leave(door->w, &ticket);
		turn_away(door, a, "421 4.3.2 Out of memory\r\n");
		smtp_conn_free(c);
		return;
	}
	early = door->which == CONF_LISTEN_SMTP && has_input(a->fd);
	if (stream_create(door->w->base, a->fd, tls, &stream_ops, c, &c->stream, &err) < 0) {
		log_event(&c->log, LOGL_ERROR, "session.failed", F_ERR(&err));
		smtp_conn_free(c);
		return;
	}
	begin(c, early);
}

void smtp_conn_free(struct smtp_conn *c)
{
	if (!c)
		return;
	c->session = smtp_session_free(c->session);
	smtp_conn_name_stop(c);
	(void) event_del(&c->delay);
	conn_filter_free(c);
	c->stream = stream_free(c->stream);
	c->spool = spool_free(c->spool);
	buf_done(&c->out);
	free(c->auth_user);
	smtp_guard_leave(c->w, &c->ticket);
	LIST_REMOVE(c, link);
	c->w->n_conns--;
	metric_add(M_SESSIONS_OPEN, -1);
	free(c);
}

void smtp_conn_expire(struct smtp_conn *c)
{
	log_event(&c->log, LOGL_NOTICE, "session.slow",
	          F_STR("why", c->handshake ? "handshake" : "bytes trickle in"));
	if (c->handshake || !c->stream) {
		smtp_conn_free(c);
		return;
	}
	smtp_session_abort(c->session, "4.4.2", "You are too slow");
	write_replies(c);
	finish(c);
}

void smtp_conn_shrink(struct smtp_conn *c)
{
	if (!smtp_session_is_idle(c->session))
		return;
	smtp_session_shrink(c->session);
	c->spool = spool_free(c->spool);
	if (!c->out.len)
		buf_done(&c->out);
}

void smtp_conn_shut_down(struct smtp_conn *c)
{
	if (c->stream && !c->delayed)
		smtp_conn_pump(c);
}
