#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imapd/http/internal.h"
#include "imapd/metrics.h"

#define HEADERS_MAX (32 << 10)

#define INCOMING_FREE   (1u << 20) /* bytes of a request that are always taken */
#define INCOMING_BODIES 4          /* of the largest size, that are taken at once beside those */

/* ---- connections ---- */

/* Where a connection is kept in its SSL object, which goes with it: evhttp does not tell when that is. */
static int conn_index = -1;

static void listen_or_not(struct http *h)
{
	struct evconnlistener *l = h->bound ? evhttp_bound_socket_get_listener(h->bound) : NULL;

	if (!l)
		return;
	if (h->connections >= h->max_connections)
		(void) evconnlistener_disable(l);
	else
		(void) evconnlistener_enable(l);
}

/* libevent frees connections when its loop runs or ends, and so after their server. */
static void let_go(struct http *h)
{
	if (h->ended && h->connections == 0)
		free(h);
}

static void on_ssl_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct http_conn *c = ptr;

	if (!c)
		return;
	http_conn_settle(c);
	c->http->connections--;
	metric_add(IMAPD_HTTP_CONNECTIONS_OPEN, -1);
	listen_or_not(c->http);
	let_go(c->http);
	free(c);
}

void http_conn_settle(struct http_conn *c)
{
	c->http->incoming -= c->incoming;
	c->incoming = 0;
}

/*
 * evhttp reads a body to its end before it asks us, and so before we know who sends it. What all clients
 * together may make us hold is bounded: the one that is over it loses its connection.
 */
static void on_incoming(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct http_conn *c = arg;
	struct http *h = c->http;

	c->incoming += info->n_added;
	h->incoming += info->n_added;
	if (h->incoming <= h->incoming_max || c->incoming <= INCOMING_FREE || c->ending)
		return;
	c->ending = true;
	log_event(NULL, LOGL_WARNING, "http.too_much_incoming", F_UINT("http", c->id),
	          F_UINT("bytes", h->incoming));
	bufferevent_trigger_event(c->bev, BEV_EVENT_ERROR | BEV_EVENT_READING, BEV_OPT_DEFER_CALLBACKS);
}

static bool attach_conn(struct http *h, SSL *ssl)
{
	struct http_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return false;
	*c = (struct http_conn){ .http = h, .id = ++h->last_conn };
	if (SSL_set_ex_data(ssl, conn_index, c) != 1) {
		free(c);
		return false;
	}
	h->connections++;
	metric_add(IMAPD_HTTP_CONNECTIONS_OPEN, 1);
	listen_or_not(h);
	return true;
}

struct http_conn *http_conn_of(struct evhttp_connection *evcon)
{
	SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));

	return ssl ? SSL_get_ex_data(ssl, conn_index) : NULL;
}

static bool count_input(SSL *ssl, struct bufferevent *bev)
{
	struct http_conn *c = SSL_get_ex_data(ssl, conn_index);

	c->bev = bev;
	return evbuffer_add_cb(bufferevent_get_input(bev), on_incoming, c) != NULL;
}

/* Where this returns NULL libevent goes on in clear; on_request sees to it that nothing is said then. */
static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	struct http *h = arg;
	SSL *ssl = tls_accept_ssl(h->tls);
	struct bufferevent *bev;

	if (!ssl)
		return NULL;
	if (!attach_conn(h, ssl)) {
		SSL_free(ssl);
		return NULL;
	}
	bev = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (!bev || !count_input(ssl, bev)) {
		if (bev)
			bufferevent_free(bev);
		else
			SSL_free(ssl);
		return NULL;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

/* ---- requests ---- */

static bool route_fits(const struct http_route *r, const char *path)
{
	size_t len = strlen(r->path);

	return r->below ? strncasecmp(path, r->path, len) == 0 : strcasecmp(path, r->path) == 0;
}

static const struct http_route *find_route(const struct http *h, const char *path)
{
	for (const struct http_route *r = h->routes; r->path; r++)
		if (route_fits(r, path))
			return r;
	return NULL;
}

static void answer_method(struct http_exchange *x, unsigned int methods)
{
	static const struct {
		unsigned int method;
		const char *name;
	} names[] = {
		{ HTTP_OPTIONS, "OPTIONS" }, { HTTP_GET, "GET" }, { HTTP_HEAD, "HEAD" }, { HTTP_POST, "POST" }
	};
	char allow[64] = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (methods & names[i].method) {
			if (*allow)
				(void) strcat(allow, ", ");
			(void) strcat(allow, names[i].name);
		}
	http_add_header(x, "Allow", allow);
	http_reply_text(x, 405, "This method does not work here.");
}

/* What may not be served whoever asks for it. */
static bool refuse(const struct evhttp_request *rq, struct http_exchange *x)
{
	if (!http_framing_is_clear(rq->input_headers, rq->major == 1 && rq->minor == 0)) {
		http_add_header(x, "Connection", "close");
		http_reply_text(x, 400, "It is not clear where this request ends.");
	} else if (!http_body_is_plain(rq->input_headers)) {
		http_add_header(x, "Accept-Encoding", "identity");
		http_reply_text(x, 415, "Requests are not taken compressed.");
	} else {
		return false;
	}
	return true;
}

static void on_request(struct evhttp_request *rq, void *arg)
{
	struct http *h = arg;
	struct http_exchange *x;
	const struct http_route *r;

	if (!http_conn_of(evhttp_request_get_connection(rq))) {
		evhttp_send_error(rq, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	metric_add(IMAPD_HTTP_REQUESTS, 1);
	x = http_exchange_create(h, rq);
	if (!x || refuse(rq, x))
		return;
	r = find_route(h, http_path(x));
	if (!r)
		http_reply_text(x, 404, "There is no such page.");
	else if (!(r->methods & http_method(x)))
		answer_method(x, r->methods);
	else if (http_body(x).len > r->body_max)
		http_reply_text(x, 413, "The request is too large.");
	else
		r->handle(r->arg, x);
}

/* ---- life ---- */

static size_t largest_body(const struct http_route *routes)
{
	size_t max = 0;

	for (; routes->path; routes++)
		if (routes->body_max > max)
			max = routes->body_max;
	return max;
}

/* All that evhttp knows, so that it is we who answer. */
static const unsigned int all_methods = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
                                        EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                        EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH;

static void set_up(struct http *h, const struct http_options *o)
{
	h->tls = tls_ref(o->tls);
	h->routes = o->routes;
	h->max_connections = o->max_connections;
	h->idle_timeout_s = o->idle_timeout_s;
	h->incoming_max = INCOMING_BODIES * largest_body(o->routes);
	evhttp_set_bevcb(h->server, on_connection, h);
	evhttp_set_gencb(h->server, on_request, h);
	evhttp_set_timeout(h->server, (int) o->idle_timeout_s);
	evhttp_set_max_body_size(h->server, (ev_ssize_t) largest_body(o->routes));
	evhttp_set_max_headers_size(h->server, HEADERS_MAX);
	evhttp_set_default_content_type(h->server, NULL);
	evhttp_set_allowed_methods(h->server, (ev_uint16_t) all_methods);
}

/*
 * evhttp writes the head and the body of an answer as two records: with Nagle's algorithm the body waits
 * until the client has acknowledged the head, which clients put off by 40 ms. Connections have it from their
 * listening socket (tcp(7)).
 */
static void send_at_once(int fd)
{
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)); /* only speed */
}

int http_create(const struct http_options *o, int fd, struct http **ret_http, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));

	send_at_once(fd);
	if (conn_index < 0)
		conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_free);
	if (h && conn_index >= 0)
		h->server = evhttp_new(o->base);
	if (h && h->server)
		h->bound = evhttp_accept_socket_with_handle(h->server, fd);
	if (!h || !h->bound) {
		(void) close(fd);
		(void) http_free(h);
		return err_set(err, POD_E_NOMEM, "HTTPS listener");
	}
	set_up(h, o);
	*ret_http = h;
	return 0;
}

void http_set_tls(struct http *h, struct tls_context *tls)
{
	if (!h)
		return;
	(void) tls_unref(h->tls);
	h->tls = tls_ref(tls);
}

void http_drain(struct http *h, void (*on_drained)(void *arg), void *arg)
{
	h->draining = true;
	h->on_drained = on_drained;
	h->arg = arg;
	if (h->bound)
		evhttp_del_accept_socket(h->server, h->bound);
	h->bound = NULL;
}

unsigned int http_exchanges(const struct http *h)
{
	return h ? h->exchanges : 0;
}

struct http *http_free(struct http *h)
{
	if (!h)
		return NULL;
	h->on_drained = NULL;
	h->bound = NULL; /* which the server closes */
	if (h->server)
		evhttp_free(h->server);
	(void) tls_unref(h->tls);
	h->ended = true;
	let_go(h);
	return NULL;
}
