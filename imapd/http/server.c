#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "imapd/http/internal.h"
#include "imapd/metrics.h"

#define HEADERS_MAX     (32 << 10)
#define INCOMING_BODIES 4 /* of the largest size, that are taken at once beside what is always taken */

/* libevent frees connections when its loop runs or ends, and so after their server. */
void http_let_go(struct http *h)
{
	if (h->ended && h->connections == 0)
		free(h);
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
	struct http_conn *c = http_conn_of(evhttp_request_get_connection(rq));

	if (!c) {
		evhttp_send_error(rq, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	http_conn_busy(c);
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
	h->request_timeout_s = o->request_timeout_s;
	h->proxy_from = o->proxy_from;
	h->incoming_max = INCOMING_BODIES * largest_body(o->routes);
	evhttp_set_bevcb(h->server, http_conn_create, h);
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
	if (h && http_conn_prepare() == 0)
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
	http_let_go(h);
	return NULL;
}
