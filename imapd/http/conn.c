/* Connections of the HTTPS server: how many, what they make us hold, how long a request may take to come in.
 */
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <stdlib.h>

#include "base/clock.h"
#include "imapd/http/internal.h"
#include "imapd/metrics.h"
#include "net/tls_proxied.h"

#define INCOMING_FREE (1u << 20) /* bytes of a request that are always taken */
#define RATE_MIN      1024       /* bytes of a request for which a second more is given */

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

static void stop_clock(struct http_conn *c)
{
	if (c->clock)
		event_free(c->clock);
	c->clock = NULL;
}

static void on_ssl_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int index, long argl, void *argp)
{
	struct http_conn *c = ptr;

	if (!c)
		return;
	http_conn_settle(c);
	stop_clock(c);
	c->http->connections--;
	metric_add(IMAPD_HTTP_CONNECTIONS_OPEN, -1);
	listen_or_not(c->http);
	http_let_go(c->http);
	free(c->peer);
	free(c);
}

int http_conn_prepare(void)
{
	if (conn_index < 0)
		conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_ssl_free);
	return conn_index < 0 ? -POD_E_NOMEM : 0;
}

struct http_conn *http_conn_of(struct evhttp_connection *evcon)
{
	SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));

	return ssl ? SSL_get_ex_data(ssl, conn_index) : NULL;
}

/* From the loop, by way of evhttp. */
static void end_conn(struct http_conn *c)
{
	c->ending = true;
	bufferevent_trigger_event(c->bev, BEV_EVENT_ERROR | BEV_EVENT_READING, BEV_OPT_DEFER_CALLBACKS);
}

/* ---- how long ---- */

static void set_clock(struct http_conn *c, uint64_t ms)
{
	const struct timeval tv = { (time_t) (ms / 1000), (suseconds_t) (ms % 1000 * 1000) };

	(void) evtimer_add(c->clock, &tv);
}

/*
 * evhttp ends who is silent. Who sends a byte now and then is given so long for all of a request, and longer
 * only for as much as has come: a large message over a slow line is no attack.
 */
static void on_clock(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *c = arg;
	uint64_t took = clock_mono_ms() - c->began_ms;
	uint64_t given = c->http->request_timeout_s * 1000ull + c->incoming * 1000ull / RATE_MIN;

	if (took < given) {
		set_clock(c, given - took);
		return;
	}
	log_event(NULL, LOGL_NOTICE, "http.too_slow", F_UINT("http", c->id), F_UINT("bytes", c->incoming),
	          F_UINT("took_ms", took));
	metric_add(IMAPD_HTTP_TOO_SLOW, 1);
	stop_clock(c);
	end_conn(c);
}

/* Without memory for it there is none. */
static void start_clock(struct http_conn *c)
{
	if (c->clock)
		return;
	c->began_ms = clock_mono_ms();
	c->clock = evtimer_new(bufferevent_get_base(c->bev), on_clock, c);
	if (c->clock)
		set_clock(c, c->http->request_timeout_s * 1000ull);
}

void http_conn_busy(struct http_conn *c)
{
	c->busy = true;
	stop_clock(c);
}

void http_conn_rest(struct http_conn *c)
{
	http_conn_settle(c);
	c->busy = false;
	if (evbuffer_get_length(bufferevent_get_input(c->bev)) > 0)
		start_clock(c);
}

/* ---- how much ---- */

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
	if (info->n_added > 0 && !c->busy)
		start_clock(c);
	if (h->incoming <= h->incoming_max || c->incoming <= INCOMING_FREE || c->ending)
		return;
	log_event(NULL, LOGL_WARNING, "http.too_much_incoming", F_UINT("http", c->id),
	          F_UINT("bytes", h->incoming));
	end_conn(c);
}

/* ---- a new one ---- */

static void on_proxied(void *arg, int r, const struct net_addr *peer)
{
	struct http_conn *c = arg;

	if (r < 0)
		log_event(NULL, LOGL_NOTICE, "http.proxy_header", F_UINT("http", c->id), F_CODE(r));
	else if (peer && (c->peer = malloc(sizeof(*peer))))
		*c->peer = *peer;
}

static struct http_conn *attach(struct http *h, SSL *ssl)
{
	struct http_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct http_conn){ .http = h, .id = ++h->last_conn };
	if (SSL_set_ex_data(ssl, conn_index, c) != 1) {
		free(c);
		return NULL;
	}
	h->connections++;
	metric_add(IMAPD_HTTP_CONNECTIONS_OPEN, 1);
	listen_or_not(h);
	/* Without memory for it his header is taken for TLS, and that is the end of it. */
	if (h->proxy_from)
		(void) tls_expect_proxy(ssl, h->proxy_from, on_proxied, c);
	return c;
}

/* Where this returns NULL libevent goes on in clear; on_request sees to it that nothing is said then. */
struct bufferevent *http_conn_create(struct event_base *base, void *http)
{
	struct http *h = http;
	SSL *ssl = tls_accept_ssl(h->tls);
	struct http_conn *c = ssl ? attach(h, ssl) : NULL;
	struct bufferevent *bev = c ? bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
	                                                             BEV_OPT_CLOSE_ON_FREE)
	                            : NULL;

	if (!bev) {
		SSL_free(ssl);
		return NULL;
	}
	c->bev = bev;
	if (!evbuffer_add_cb(bufferevent_get_input(bev), on_incoming, c)) {
		bufferevent_free(bev);
		return NULL;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	start_clock(c);
	return bev;
}
