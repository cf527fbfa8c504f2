#include "storeproto/client_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/listener.h"

#define HELLO_TIMEOUT_MS 5000
#define CONNECT_TIMEOUT_S 5
#define RETRY_FIRST_MS 10
#define RETRY_MAX_MS 2000

static void client_connect(struct store_client *c);

static const struct link_ops client_link_ops;

/* ---- losing a connection, and trying again ---- */

static void connection_drop(struct store_client *c)
{
	(void) event_del(&c->connect_event);
	if (c->connecting_fd >= 0)
		(void) close(c->connecting_fd);
	c->connecting_fd = -1;
	c->link = link_free(c->link);
	c->state = CLIENT_DOWN;
	c->break_why = NULL;
}

static void retry_later(struct store_client *c)
{
	struct timeval tv = { c->retry_ms / 1000, (suseconds_t) (c->retry_ms % 1000) * 1000 };

	(void) event_add(&c->retry_event, &tv);
	if (c->retry_ms == 0)
		c->retry_ms = RETRY_FIRST_MS;
	else
		c->retry_ms = c->retry_ms * 2 < RETRY_MAX_MS ? c->retry_ms * 2 : RETRY_MAX_MS;
}

void client_disconnect(struct store_client *c, int code, const char *text)
{
	bool was_ready = c->state == CLIENT_READY;

	/* One that breaks as soon as it stands gets its pauses like one that does not stand at all. */
	if (was_ready && clock_mono_ms() - c->ready_at_ms > RETRY_MAX_MS)
		c->retry_ms = 0;
	connection_drop(c);
	retry_later(c);
	if (client_fail_calls(c, &c->open, code, text) && client_fail_bound(c) && was_ready && c->on_state)
		c->on_state(c->arg, c, false);
}

void client_break(struct store_client *c, const char *why)
{
	c->break_why = why;
	event_active(&c->retry_event, EV_TIMEOUT, 0);
}

static void on_link_down(void *client, int code, const char *text)
{
	/* Whatever broke it, what was asked may or may not have happened. */
	client_disconnect(client, POD_E_UNAVAILABLE, text);
}

static void on_retry(evutil_socket_t fd, short what, void *client)
{
	struct store_client *c = client;

	if (c->break_why) {
		c->retry_ms = 0;
		client_disconnect(c, POD_E_UNAVAILABLE, c->break_why);
	} else {
		client_connect(c);
	}
}

/* ---- the hello ---- */

static void on_hello(void *client, const struct store_reply *r)
{
	struct store_client *c = client;

	if (c->state != CLIENT_HELLO)
		return; /* the connection was lost or given up meanwhile */
	if (r->code == -POD_E_STALE) { /* the volume has just moved, or is moving: the directory will say where to */
		client_disconnect(c, POD_E_UNAVAILABLE, "the volume is moving");
		return;
	}
	if (r->code < 0) {
		/* Refused: waiting longer helps nobody who waits, so they hear why. */
		int code = -r->code;
		char text[256];

		(void) snprintf(text, sizeof(text), "%s", r->text);
		connection_drop(c);
		c->retry_ms = c->retry_ms < RETRY_FIRST_MS ? RETRY_FIRST_MS : c->retry_ms;
		retry_later(c);
		/* The hello itself is still open where it was not answered in time. */
		if (client_fail_calls(c, &c->open, code, text))
			(void) client_fail_calls(c, &c->waiting, code, text);
		return;
	}
	c->state = CLIENT_READY;
	c->ready_at_ms = clock_mono_ms();
	c->connections++;
	client_hold(c);
	if (client_fail_bound(c)) /* made while there was no connection */
		client_send_waiting(c);
	if (client_let_go(c) && c->on_state && c->state == CLIENT_READY)
		c->on_state(c->arg, c, true);
}

static void say_hello(struct store_client *c)
{
	Podstore__Hello hello = PODSTORE__HELLO__INIT;
	struct store_call *call;

	hello.version = STORE_PROTOCOL_VERSION;
	hello.program = c->program;
	hello.role = c->role;
	hello.volume = c->volume;
	hello.token = c->token;
	c->state = CLIENT_HELLO;
	call = client_call_new(c, STORE_HELLO, &hello.base, SPAN_NONE, -1, HELLO_TIMEOUT_MS, on_hello, c);
	if (!call || !client_call_send(call))
		client_disconnect(c, POD_E_NOMEM, "no memory for a hello");
}

/* ---- connecting ---- */

/* A TLS 1.3 session that has to prove to be the host named in the endpoint. */
static SSL *tls_begin(struct store_client *c)
{
	_cleanup_(freep) char *host = strdup(c->endpoint);
	char *colon = host ? strrchr(host, ':') : NULL;
	char *name = host;
	SSL *ssl;

	if (!c->tls || !colon)
		return NULL;
	*colon = 0;
	if (*host == '[' && colon[-1] == ']') { /* an IPv6 address is in the certificate without them */
		colon[-1] = 0;
		name++;
	}
	ssl = tls_connect_ssl(c->tls, name);
	if (ssl && SSL_set_min_proto_version(ssl, TLS1_3_VERSION) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

static void on_connected(struct store_client *c)
{
	int fd = take_fd(&c->connecting_fd);
	SSL *ssl = NULL;

	if (c->tls_endpoint && !(ssl = tls_begin(c))) {
		(void) close(fd);
		client_disconnect(c, POD_E_UNAVAILABLE, "no TLS identity for a connection to another host");
		return;
	}
	if (link_create(c->base, fd, ssl, &client_link_ops, c, &c->link, NULL) < 0) {
		client_disconnect(c, POD_E_NOMEM, "no memory for a connection");
		return;
	}
	say_hello(c);
}

static void on_connectable(evutil_socket_t fd, short what, void *client)
{
	struct store_client *c = client;
	int error = ETIMEDOUT;
	socklen_t len = sizeof(error);

	if ((what & EV_WRITE) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0)
		on_connected(c);
	else
		client_disconnect(c, POD_E_UNAVAILABLE, strerror(error));
}

static int socket_open(const struct net_addr *addr, int *ret_fd)
{
	int fd = socket(addr->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *) &addr->ss, addr->len) < 0) {
		int e = errno;

		if (e != EINPROGRESS) {
			(void) close(fd);
			return -e;
		}
		*ret_fd = fd;
		return 1;
	}
	*ret_fd = fd;
	return 0;
}

static void client_connect(struct store_client *c)
{
	struct net_addr addr;
	struct timeval tv = { CONNECT_TIMEOUT_S, 0 };
	struct err err = { 0 };
	int r = net_addr_parse(span_of(c->endpoint), &addr, &err);

	if (r < 0) {
		client_disconnect(c, POD_E_UNAVAILABLE, err_text(&err));
		return;
	}
	c->state = CLIENT_CONNECTING;
	c->tls_endpoint = addr.ss.ss_family != AF_UNIX;
	r = socket_open(&addr, &c->connecting_fd);
	if (r < 0) {
		client_disconnect(c, POD_E_UNAVAILABLE, strerror(-r));
	} else if (r == 0) {
		on_connected(c);
	} else {
		(void) event_assign(&c->connect_event, c->base, c->connecting_fd, EV_WRITE, on_connectable, c);
		(void) event_add(&c->connect_event, &tv);
	}
}

static const struct link_ops client_link_ops = {
	.on_frame = client_on_frame,
	.on_down = on_link_down,
	.on_room = client_on_room,
};

/* ---- life ---- */

static bool copy_strings(struct store_client *c, const struct store_client_options *o)
{
	c->program = strdup(o->program);
	c->role = strdup(o->role);
	c->volume = strdup(o->volume);
	c->endpoint = strdup(o->endpoint);
	return c->program && c->role && c->volume && c->endpoint;
}

int store_client_create(const struct store_client_options *o, struct store_client **ret_client, struct err *err)
{
	struct store_client *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, POD_E_NOMEM, "no memory for a store client");
	c->base = o->base;
	c->token = o->token;
	c->on_state = o->on_state;
	c->arg = o->arg;
	c->connecting_fd = -1;
	c->next_stream = UINT32_MAX; /* so that the first is 1 */
	c->tls = o->tls ? tls_ref(o->tls) : NULL;
	TAILQ_INIT(&c->waiting);
	TAILQ_INIT(&c->open);
	TAILQ_INIT(&c->failing);
	(void) evtimer_assign(&c->retry_event, c->base, on_retry, c);
	(void) evtimer_assign(&c->deadline_event, c->base, client_on_deadline, c);
	(void) event_assign(&c->connect_event, c->base, -1, 0, on_connectable, c);
	if (!copy_strings(c, o)) {
		(void) store_client_free(c);
		return err_set(err, POD_E_NOMEM, "no memory for a store client");
	}
	event_active(&c->retry_event, EV_TIMEOUT, 0);
	*ret_client = c;
	return 0;
}

bool client_let_go(struct store_client *c)
{
	bool alive = !c->dead;

	if (--c->held == 0 && !alive)
		free(c);
	return alive;
}

struct store_client *store_client_free(struct store_client *c)
{
	if (!c)
		return NULL;
	c->closing = true;
	connection_drop(c);
	(void) event_del(&c->retry_event);
	(void) event_del(&c->deadline_event);
	client_hold(c);
	(void) client_fail_calls(c, &c->open, POD_E_CANCELLED, "the client was closed");
	(void) client_fail_calls(c, &c->waiting, POD_E_CANCELLED, "the client was closed");
	free(c->buckets);
	free(c->deadlines.heap);
	free(c->program);
	free(c->role);
	free(c->volume);
	free(c->endpoint);
	if (c->tls)
		(void) tls_unref(c->tls);
	c->dead = true;
	(void) client_let_go(c);
	return NULL;
}

bool store_client_is_connected(const struct store_client *c)
{
	return c->state == CLIENT_READY && !c->break_why;
}

uint64_t store_client_connections(const struct store_client *c)
{
	return c->connections;
}

void store_client_move(struct store_client *c, const char *endpoint, uint64_t token)
{
	char *copy;

	if (c->token == token && strcmp(c->endpoint, endpoint) == 0)
		return;
	copy = strdup(endpoint);
	if (!copy)
		return; /* tried again when the directory is next looked at */
	free(c->endpoint);
	c->endpoint = copy;
	c->token = token;
	client_break(c, "the volume moved"); /* the calls under way are the caller's, who is not to be called back now */
}
