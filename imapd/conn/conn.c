#include "imapd/conn/conn.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "imapd/metrics.h"

#define OUTPUT_MARK      (256u << 10) /* bytes queued, beyond which no more is made for a client */
#define INPUT_LIMIT      (128u << 10) /* and taken from one that sends faster than it is served */
#define WRITE_TIMEOUT_MS (5u * 60 * 1000)

/* ---- what the protocol core asks for ---- */

static struct evbuffer *host_output(void *host)
{
	return stream_output(((struct imap_conn *) host)->stream);
}

static bool host_output_is_full(void *host)
{
	return stream_is_full(((struct imap_conn *) host)->stream);
}

static int host_write_file(void *host, int fd, uint64_t off, uint64_t len)
{
	return stream_write_file(((struct imap_conn *) host)->stream, fd, off, len, NULL);
}

static void host_start_tls(void *host)
{
	struct imap_conn *c = host;
	struct err err = { 0 };

	if (stream_start_tls(c->stream, c->worker->tls, &err) < 0) {
		log_event(&c->log, LOGL_WARNING, "tls.failed", F_ERR(&err));
		imap_conn_close(c);
	}
}

void imap_conn_close(struct imap_conn *c)
{
	c->closing = true;
}

static void host_close(void *host)
{
	imap_conn_close(host);
}

static struct imap_call *host_call(void *host, enum store_method method, ProtobufCMessage *request,
                                   struct span blob, int fd, store_reply_fn *reply, void *arg)
{
	struct imap_conn *c = host;

	metric_add(IMAPD_STORE_REQUESTS, 1);
	return c->store ? store_session_call(c->store, method, request, blob, fd, reply, arg) : NULL;
}

static void host_call_cancel(void *host, struct imap_call *call)
{
	store_session_cancel(call);
}

static void host_call_pause(void *host, struct imap_call *call)
{
	store_session_pause(call);
}

static const char *host_user_id(void *host)
{
	return ((struct imap_conn *) host)->user_id;
}

/* By any name of his that the directory knows. */
static bool host_is_user(void *host, const char *address)
{
	struct imap_conn *c = host;
	_cleanup_(arena_freep) struct arena *a = arena_create(4096);
	struct directory_user user;

	return a && c->user_id &&
	       directory_user_find(c->worker->directory, a, span_of(address), &user, NULL) == 0 &&
	       strcmp(user.user_id, c->user_id) == 0;
}

static void host_call_resume(void *host, struct imap_call *call)
{
	store_session_resume(call);
}

static const struct imap_host_ops host_ops = {
	.output = host_output,
	.output_is_full = host_output_is_full,
	.write_file = host_write_file,
	.start_tls = host_start_tls,
	.close = host_close,
	.auth_start = imap_auth_start,
	.auth_step = imap_auth_step,
	.auth_cancel = imap_auth_cancel,
	.user_id = host_user_id,
	.is_user = host_is_user,
	.call = host_call,
	.call_cancel = host_call_cancel,
	.call_pause = host_call_pause,
	.call_resume = host_call_resume,
};

/* ---- life ---- */

static void link_conn(struct imap_conn *c)
{
	c->next = c->worker->conns;
	if (c->next)
		c->next->prev = c;
	c->worker->conns = c;
	c->worker->connections++;
	metric_add(IMAPD_CONNECTIONS, 1);
	metric_add(IMAPD_CONNECTIONS_OPEN, 1);
}

static void unlink_conn(struct imap_conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		c->worker->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->worker->connections--;
	metric_add(IMAPD_CONNECTIONS_OPEN, -1);
}

void imap_conn_forget_user(struct imap_conn *c)
{
	c->store = store_session_free(c->store);
	if (c->user_id)
		users_leave(c->worker->users, c->user_id);
	free(c->user_id);
	c->user_id = NULL;
}

/* Says goodbye: what is queued goes out first. */
static void conn_free(struct imap_conn *c)
{
	struct imapd_worker *w = c->worker;

	c->session = imap_session_free(c->session);
	c->auth = imap_auth_free(c->auth);
	imap_conn_forget_user(c);
	unlink_conn(c);
	(void) event_del(&c->timer);
	if (c->stream)
		stream_finish(c->stream);
	log_event(&c->log, LOGL_DEBUG, "connection.closed");
	free(c->peer);
	free(c);
	imapd_worker_end_if_idle(w);
}

void imap_conn_pump(struct imap_conn *c)
{
	if (c->session && !c->closing)
		imap_session_run(c->session, stream_input(c->stream));
	if (!c->closing && c->worker->draining && (!c->session || imap_session_is_idle(c->session))) {
		if (c->session)
			imap_session_bye(c->session, "[UNAVAILABLE] Server is shutting down");
		c->closing = true;
	}
	if (c->closing) {
		conn_free(c);
	} else if (c->session) {
		if (imap_session_wants_input(c->session))
			stream_resume(c->stream);
		else
			stream_pause(c->stream);
	}
}

void imap_conn_drain(struct imap_conn *c)
{
	imap_conn_pump(c);
}

/* ---- time ---- */

static uint64_t patience_ms(const struct imap_conn *c)
{
	const struct imapd_conf *conf = &c->worker->conf->imapd;

	return c->user_id ? conf->idle_timeout_ms : conf->preauth_timeout_ms;
}

static void set_timer(struct imap_conn *c, uint64_t ms)
{
	struct timeval tv = { (time_t) (ms / 1000), (suseconds_t) (ms % 1000 * 1000) };

	(void) event_add(&c->timer, &tv);
}

/*
 * Looks whether the client was silent for too long; most often it was not, and the timer is set anew, which
 * is cheaper than to move it with every command. Before login the whole time counts, not the last silence.
 */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct imap_conn *c = arg;
	uint64_t due = c->active_ms + patience_ms(c), now = clock_mono_ms();

	if (due > now) {
		set_timer(c, due - now);
	} else if (c->session && c->user_id && !imap_session_is_idle(c->session)) {
		set_timer(c, patience_ms(c)); /* it is we who are busy */
	} else {
		metric_add(IMAPD_TIMEOUTS, 1);
		if (c->session)
			imap_session_bye(c->session, c->user_id ? "Autologout; silent for too long"
			                                        : "Login takes too long");
		c->closing = true;
		imap_conn_pump(c);
	}
}

/* ---- the store ---- */

static void on_store_back(void *arg)
{
	struct imap_conn *c = arg;

	if (c->session)
		imap_session_on_store_back(c->session);
	imap_conn_pump(c);
}

static void on_store_refused(void *arg, int code)
{
	struct imap_conn *c = arg;

	log_event(&c->log, LOGL_NOTICE, "session.refused", F_STR("user", c->user_id), F_CODE(code));
	imap_session_bye(c->session, "[UNAVAILABLE] Log in again");
	imap_conn_pump(c);
}

static void on_store_answered(void *arg)
{
	imap_conn_pump(arg);
}

int imap_conn_authenticated(struct imap_conn *c, struct store_client *client, const char *user_id,
                            struct span token)
{
	struct store_session_options o = {
		.client = client,
		.token = token,
		.timeout_ms = (unsigned int) c->worker->conf->imapd.store_timeout_ms,
		.on_back = on_store_back,
		.on_refused = on_store_refused,
		.on_answered = on_store_answered,
		.arg = c,
	};

	if (!users_enter(c->worker->users, user_id, c->worker->conf->imapd.max_user_connections))
		return -POD_E_LIMIT;
	c->user_id = strdup(user_id);
	c->store = store_session_create(&o);
	if (!c->user_id || !c->store) {
		if (!c->user_id)
			users_leave(c->worker->users, user_id);
		imap_conn_forget_user(c);
		return -POD_E_NOMEM;
	}
	c->active_ms = clock_mono_ms();
	set_timer(c, patience_ms(c));
	return 0;
}

/* ---- the stream ---- */

static bool start_session(struct imap_conn *c)
{
	struct imap_options o = {
		.settings = &c->worker->settings,
		.ops = &host_ops,
		.host = c,
		.log = &c->log,
		.tls = c->tls,
		.can_start_tls = c->worker->tls != NULL,
		.cleartext_auth = c->tls || c->loopback || c->worker->conf->imapd.allow_cleartext_auth,
	};

	c->session = imap_session_create(&o);
	return c->session != NULL;
}

static void on_input(void *owner)
{
	struct imap_conn *c = owner;

	if (c->user_id) /* before login, talking buys no time */
		c->active_ms = clock_mono_ms();
	imap_conn_pump(c);
}

static void on_writable(void *owner)
{
	struct imap_conn *c = owner;

	if (c->session)
		imap_session_on_writable(c->session);
	imap_conn_pump(c);
}

static void on_tls(void *owner)
{
	struct imap_conn *c = owner;

	c->tls = true;
	if (c->session)
		imap_session_on_tls(c->session);
	else if (!start_session(c))
		c->closing = true;
	imap_conn_pump(c);
}

static void on_end(void *owner, enum stream_end why)
{
	struct imap_conn *c = owner;

	if (why == STREAM_TLS_FAILED) {
		metric_add(IMAPD_TLS_FAILED, 1);
		log_event(&c->log, LOGL_INFO, "tls.failed", F_STR("error", stream_error_text(c->stream)));
	}
	c->stream = stream_free(c->stream);
	/* The session writes to nobody from here on: it is freed at once. */
	conn_free(c);
}

static const struct stream_ops stream_ops = {
	.on_input = on_input,
	.on_writable = on_writable,
	.on_tls = on_tls,
	.on_end = on_end,
};

static struct imap_conn *conn_create(struct imapd_worker *w, const struct accepted *accepted)
{
	static uint32_t last_id;
	char host[NET_ADDR_TEXT_SIZE];
	struct imap_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->worker = w;
	c->id = ++last_id;
	c->loopback = net_addr_is_loopback(&accepted->peer);
	if (!w->exempt || !net_set_has(w->exempt, &accepted->peer))
		(void) net_addr_network(&accepted->peer, 32, 64, c->network, sizeof(c->network));
	c->peer = strdup(net_addr_host(&accepted->peer, host, sizeof(host)));
	c->active_ms = clock_mono_ms();
	c->log.fields[0] = F_UINT("conn", c->id);
	c->log.fields[1] = F_STR("peer", c->peer ? c->peer : "");
	(void) evtimer_assign(&c->timer, w->base, on_timer, c);
	return c;
}

void imap_conn_accept(struct imapd_worker *w, const struct accepted *accepted, bool tls)
{
	struct imap_conn *c = conn_create(w, accepted);
	struct err err = { 0 };

	if (!c) {
		(void) close(accepted->fd);
		return;
	}
	link_conn(c);
	if (stream_create(w->base, accepted->fd, tls ? w->tls : NULL, &stream_ops, c, &c->stream, &err) < 0) {
		log_event(&c->log, LOGL_ERROR, "connection.failed", F_ERR(&err));
		conn_free(c);
		return;
	}
	stream_set_output_mark(c->stream, OUTPUT_MARK);
	stream_set_input_limit(c->stream, INPUT_LIMIT);
	stream_set_timeouts(c->stream, 0, WRITE_TIMEOUT_MS);
	set_timer(c, patience_ms(c));
	log_event(&c->log, LOGL_DEBUG, "connection.opened");
	if (w->connections > w->conf->imapd.max_connections) {
		metric_add(IMAPD_CONNECTIONS_REFUSED, 1);
		if (!tls)
			stream_write(c->stream, SPAN_LIT("* BYE [LIMIT] Too many connections\r\n"));
		c->closing = true;
	} else if (!tls && !start_session(c)) {
		c->closing = true;
	}
	imap_conn_pump(c);
}
