#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "imapd/http/internal.h"

#define WATCHED_INPUT_MAX 4096 /* what a client may send ahead while it waits; more stays in the kernel */
#define GZIP_MIN          256  /* bytes that are worth it */

struct http_exchange {
	struct http_exchange *next, **at; /* of the server's */
	struct http *http;
	struct evhttp_request *rq; /* NULL: the client has gone */
	struct evhttp_connection *evcon;
	void (*on_gone)(void *arg);
	void *arg;
	bool gzip, watched, answered;
	struct log log;
	char peer[64], host[];
};

/* ---- life ---- */

static void link_exchange(struct http_exchange *x)
{
	struct http *h = x->http;

	x->next = h->all;
	x->at = &h->all;
	if (x->next)
		x->next->at = &x->next;
	h->all = x;
	h->exchanges++;
}

static void exchange_free(struct http_exchange *x)
{
	struct http *h = x->http;

	*x->at = x->next;
	if (x->next)
		x->next->at = x->at;
	h->exchanges--;
	free(x);
	if (h->exchanges == 0 && h->on_drained)
		h->on_drained(h->arg);
}

/* The connection ends: of itself, or because the client left. What it had of the request goes with it. */
static void on_close(struct evhttp_connection *evcon, void *arg)
{
	http_exchange_lose(arg);
}

void http_exchange_lose(struct http_exchange *x)
{
	void (*fn)(void *) = x->on_gone;

	x->rq = NULL;
	x->evcon = NULL;
	x->on_gone = NULL;
	if (x->answered)
		exchange_free(x);
	else if (fn)
		fn(x->arg);
}

/* evhttp has checked it; what is behind the last colon is a port, unless that is within an IPv6 address. */
static void copy_host(const char *from, char *to)
{
	const char *port = strrchr(from, ':');
	size_t n = port && !strchr(port, ']') ? (size_t) (port - from) : strlen(from);

	for (size_t i = 0; i < n; i++)
		to[i] = (char) ascii_lower((uint8_t) from[i]);
	to[n] = '\0';
}

struct http_exchange *http_exchange_create(struct http *h, struct evhttp_request *rq)
{
	struct evkeyvalq *in = evhttp_request_get_input_headers(rq);
	const char *host = evhttp_find_header(in, "Host");
	struct http_exchange *x = calloc(1, sizeof(*x) + strlen(host ? host : "") + 1);
	struct net_addr addr;

	if (!x) {
		evhttp_send_error(rq, HTTP_SERVUNAVAIL, NULL);
		return NULL;
	}
	x->http = h;
	x->rq = rq;
	x->evcon = evhttp_request_get_connection(rq);
	x->gzip = http_takes_gzip(evhttp_find_header(in, "Accept-Encoding"));
	copy_host(host ? host : "", x->host);
	if (http_peer_address(x, &addr)) {
		char text[NET_ADDR_TEXT_SIZE];

		(void) snprintf(x->peer, sizeof(x->peer), "%.60s", net_addr_host(&addr, text, sizeof(text)));
	}
	x->log.fields[0] = F_UINT("http", http_conn_of(x->evcon)->id);
	x->log.fields[1] = F_STR("peer", x->peer);
	link_exchange(x);
	evhttp_connection_set_closecb(x->evcon, on_close, x);
	return x;
}

/* ---- the request ---- */

unsigned int http_method(const struct http_exchange *x)
{
	switch (x->rq ? evhttp_request_get_command(x->rq) : EVHTTP_REQ_TRACE) {
	case EVHTTP_REQ_GET: return HTTP_GET;
	case EVHTTP_REQ_HEAD: return HTTP_HEAD;
	case EVHTTP_REQ_POST: return HTTP_POST;
	case EVHTTP_REQ_OPTIONS: return HTTP_OPTIONS;
	default: return 0;
	}
}

static const struct evhttp_uri *uri_of(const struct http_exchange *x)
{
	return x->rq ? evhttp_request_get_evhttp_uri(x->rq) : NULL;
}

const char *http_path(const struct http_exchange *x)
{
	const struct evhttp_uri *uri = uri_of(x);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;

	return path && *path ? path : "/";
}

const char *http_query(const struct http_exchange *x)
{
	const struct evhttp_uri *uri = uri_of(x);
	const char *query = uri ? evhttp_uri_get_query(uri) : NULL;

	return query ? query : "";
}

const char *http_host(const struct http_exchange *x)
{
	return x->host;
}

const char *http_header(const struct http_exchange *x, const char *name)
{
	return x->rq ? evhttp_find_header(evhttp_request_get_input_headers(x->rq), name) : NULL;
}

struct span http_body(struct http_exchange *x)
{
	struct evbuffer *in = x->rq ? evhttp_request_get_input_buffer(x->rq) : NULL;
	size_t len = in ? evbuffer_get_length(in) : 0;

	return len ? span_make(evbuffer_pullup(in, -1), len) : SPAN_NONE;
}

const char *http_peer(const struct http_exchange *x)
{
	return x->peer;
}

bool http_peer_address(const struct http_exchange *x, struct net_addr *ret_addr)
{
	struct bufferevent *bev = x->evcon ? evhttp_connection_get_bufferevent(x->evcon) : NULL;
	const struct http_conn *c = bev ? http_conn_of(x->evcon) : NULL;
	struct net_addr addr = { .len = sizeof(addr.ss) };

	if (c && c->peer) {
		*ret_addr = *c->peer;
		return true;
	}
	if (!bev || getpeername(bufferevent_getfd(bev), (struct sockaddr *) &addr.ss, &addr.len) < 0)
		return false;
	net_addr_unmap(&addr);
	*ret_addr = addr;
	return true;
}

const struct log *http_log(const struct http_exchange *x)
{
	return &x->log;
}

/* ---- while it waits ---- */

void http_drop_request(struct http_exchange *x)
{
	struct evkeyvalq *in;
	struct evbuffer *body;
	bool close;

	if (!x->rq)
		return;
	in = evhttp_request_get_input_headers(x->rq);
	close = evhttp_find_header(in, "Connection") &&
	        strcasecmp(evhttp_find_header(in, "Connection"), "close") == 0;
	evhttp_clear_headers(in);
	if (close) /* evhttp looks for it when the answer is out */
		(void) evhttp_add_header(in, "Connection", "close");
	body = evhttp_request_get_input_buffer(x->rq);
	(void) evbuffer_drain(body, evbuffer_get_length(body));
	http_conn_settle(http_conn_of(x->evcon));
}

static void on_ahead(struct bufferevent *bev, void *arg)
{
	/* It stays in the buffer until the answer is out. */
}

static void on_watched_end(struct bufferevent *bev, short what, void *arg)
{
	struct http_exchange *x = arg;

	evhttp_connection_free(x->evcon); /* which calls on_close */
}

/*
 * evhttp stops reading until a request is answered, and so would not see the client go. Its callbacks are put
 * back by evhttp itself when it writes the answer.
 */
static void watch(struct http_exchange *x)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(x->evcon);
	struct timeval write = { (time_t) x->http->idle_timeout_s, 0 };

	bufferevent_setwatermark(bev, EV_READ, 0, WATCHED_INPUT_MAX);
	(void) bufferevent_set_timeouts(bev, NULL, &write);
	bufferevent_setcb(bev, on_ahead, NULL, on_watched_end, x);
	(void) bufferevent_enable(bev, EV_READ);
	x->watched = true;
}

static void unwatch(struct http_exchange *x)
{
	struct bufferevent *bev = evhttp_connection_get_bufferevent(x->evcon);
	struct timeval both = { (time_t) x->http->idle_timeout_s, 0 };

	bufferevent_setwatermark(bev, EV_READ, 0, 0);
	(void) bufferevent_set_timeouts(bev, &both, &both);
	x->watched = false;
}

void http_watch_client(struct http_exchange *x, void (*fn)(void *arg), void *arg)
{
	x->on_gone = fn;
	x->arg = arg;
	if (fn && x->rq && !x->watched)
		watch(x);
}

bool http_is_gone(const struct http_exchange *x)
{
	return !x->rq;
}

/* ---- the answer ---- */

void http_add_header(struct http_exchange *x, const char *name, const char *value)
{
	if (x->rq) /* it refuses what has a line end in it; such an answer goes without */
		(void) evhttp_add_header(evhttp_request_get_output_headers(x->rq), name, value);
}

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 302, "Found" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 413, "Payload Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 429, "Too Many Requests" },
		{ 449, "Retry After Provisioning" },
		{ 451, "Redirect" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
		{ 507, "Insufficient Storage" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

/* What does not get smaller any more is not tried. */
static bool is_text(const char *type)
{
	return strncasecmp(type, "text/", 5) == 0 || strncasecmp(type, "application/vnd.ms-sync", 23) == 0 ||
	       strncasecmp(type, "application/json", 16) == 0 ||
	       strncasecmp(type, "application/xml", 15) == 0;
}

static void compress_body(struct http_exchange *x, const char *type, struct evbuffer *body)
{
	if (x->gzip && type && is_text(type) && evbuffer_get_length(body) >= GZIP_MIN && http_gzip(body))
		http_add_header(x, "Content-Encoding", "gzip");
}

/* HEAD has the headers of GET, and no body (RFC 9110 9.3.2). */
static struct evbuffer *leave_out(struct http_exchange *x, struct evbuffer *body)
{
	char length[24];

	(void) snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
	http_add_header(x, "Content-Length", length);
	return NULL;
}

/* Everything is with the kernel: the exchange is over, the connection waits for the next request. */
static void on_sent(struct evhttp_request *rq, void *arg)
{
	struct http_exchange *x = arg;

	evhttp_connection_set_closecb(x->evcon, NULL, NULL);
	http_conn_rest(http_conn_of(x->evcon));
	exchange_free(x);
}

void http_reply(struct http_exchange *x, int status, const char *type, struct evbuffer *body)
{
	x->on_gone = NULL;
	x->answered = true;
	if (!x->rq) {
		exchange_free(x);
		return;
	}
	if (x->watched)
		unwatch(x);
	if (body && http_method(x) == HTTP_HEAD)
		body = leave_out(x, body);
	else if (body)
		compress_body(x, type, body);
	if (type)
		http_add_header(x, "Content-Type", type);
	http_add_header(x, "Strict-Transport-Security", "max-age=31536000");
	if (x->http->draining)
		http_add_header(x, "Connection", "close");
	evhttp_request_set_on_complete_cb(x->rq, on_sent, x);
	evhttp_send_reply(x->rq, status, reason_of(status), body);
}

void http_reply_text(struct http_exchange *x, int status, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	if (body)
		(void) evbuffer_add_printf(body, "%s\n", text);
	http_reply(x, status, "text/plain; charset=utf-8", body);
	if (body)
		evbuffer_free(body);
}

void http_abandon(struct http_exchange *x)
{
	http_add_header(x, "Connection", "close");
	http_reply(x, 503, NULL, NULL);
}
