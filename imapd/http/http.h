/*
 * The HTTPS server of the gateway: libevent's evhttp over TLS, a table of routes in front of it, and one
 * exchange for each request, which may be answered later. On the event loop's thread.
 */
#ifndef POD_IMAPD_HTTP_HTTP_H
#define POD_IMAPD_HTTP_HTTP_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"
#include "base/span.h"
#include "net/listener.h"
#include "net/tls.h"

struct http;
struct http_exchange;

/* ---- the server ---- */

#define HTTP_GET     1u
#define HTTP_HEAD    2u
#define HTTP_POST    4u
#define HTTP_OPTIONS 8u

struct http_route {
	const char *path;     /* compared without regard to case */
	bool below;           /* and everything whose path begins so */
	unsigned int methods; /* others are answered with 405 and Allow */
	size_t body_max;      /* more is answered with 413 */
	/* Gets the exchange, which it answers once with http_reply or lets go with http_abandon, now or
	 * later. */
	void (*handle)(void *arg, struct http_exchange *x);
	void *arg;
};

struct http_options {
	struct event_base *base;
	struct tls_context *tls;
	/* The first that fits is taken; ended by one without a path. Stays. What fits none is answered with
	 * 404. */
	const struct http_route *routes;
	unsigned int max_connections; /* more wait in the kernel's queue */
	unsigned int
		idle_timeout_s; /* a connection that is silent for so long ends; not while it waits for us */
	/* A request, and the handshake before the first, comes in within this time and a second for each KiB
	 * of it. */
	unsigned int request_timeout_s;
	/* Who begins with a PROXY header, and is believed whom he speaks for; NULL: nobody. Stays. */
	const struct net_set *proxy_from;
};

/* Serves a listening socket, which it then owns, also on failure. */
int http_create(const struct http_options *o, int fd, struct http **ret_http, struct err *err);
/* For connections from now on. */
void http_set_tls(struct http *h, struct tls_context *tls);
/* Takes no more connections; those under way end with their answer. on_drained is called when no exchange is
 * left. */
void http_drain(struct http *h, void (*on_drained)(void *arg), void *arg);
unsigned int http_exchanges(const struct http *h); /* under way */
/* When no exchange is open; ends its connections. NULL is fine; returns NULL. */
struct http *http_free(struct http *h);

/* ---- a request ---- */

unsigned int http_method(const struct http_exchange *x); /* one of HTTP_* */
const char *http_path(const struct http_exchange *x);
/* What is behind the question mark, as sent; "" where there is none. */
const char *http_query(const struct http_exchange *x);
/* Without a port, lower case; "" where the request has none. */
const char *http_host(const struct http_exchange *x);
/* NULL: there is no such header. */
const char *http_header(const struct http_exchange *x, const char *name);
/* In one piece; valid until http_drop_request. */
struct span http_body(struct http_exchange *x);
const char *http_peer(const struct http_exchange *x); /* its address, for logs: "192.0.2.1" */
/* The same as an address; false where it cannot be told. */
bool http_peer_address(const struct http_exchange *x, struct net_addr *ret_addr);
/* conn= and peer=, for log lines about the exchange; lives as long as it. */
const struct log *http_log(const struct http_exchange *x);

/* ---- while it waits ---- */

/* Frees the body and the headers, of which nothing can be asked any more: for an exchange that waits long. */
void http_drop_request(struct http_exchange *x);
/*
 * From here to the answer the connection is watched: fn is called once when the client leaves, after which
 * the exchange is still there, to be let go with http_abandon (in fn or later); what is answered to it goes
 * nowhere. At other times nobody looks whether the client is still there. NULL ends it.
 */
void http_watch_client(struct http_exchange *x, void (*fn)(void *arg), void *arg);
bool http_is_gone(const struct http_exchange *x);

/* ---- the answer ---- */

void http_add_header(struct http_exchange *x, const char *name, const char *value);
/*
 * Answers and ends the exchange. body is moved out of (or NULL); type: its Content-Type. It is compressed
 * where the client takes that and it is worth it. The connection stays open for the next request, if the
 * client so wishes.
 */
void http_reply(struct http_exchange *x, int status, const char *type, struct evbuffer *body);
/* The same with a line of plain text for people. */
void http_reply_text(struct http_exchange *x, int status, const char *text);
/* Ends the exchange for want of an answer: who is still there gets 503, and his connection is closed. */
void http_abandon(struct http_exchange *x);

#endif
