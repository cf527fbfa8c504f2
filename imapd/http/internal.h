/* What server.c and exchange.c share. */
#ifndef POD_IMAPD_HTTP_INTERNAL_H
#define POD_IMAPD_HTTP_INTERNAL_H

#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>

#include "imapd/http/http.h"

struct http {
	struct evhttp *server;
	struct evhttp_bound_socket *bound; /* NULL: draining */
	struct tls_context *tls;
	const struct http_route *routes;
	struct http_exchange *all;
	unsigned int exchanges, connections, max_connections;
	uint32_t last_conn;
	unsigned int idle_timeout_s, request_timeout_s;
	const struct net_set *proxy_from;
	size_t incoming, incoming_max; /* bytes of requests that are not answered yet */
	bool draining, ended;          /* ended: its last connection frees it */
	void (*on_drained)(void *arg);
	void *arg;
};

/* server.c: after its last connection, when it was freed before. */
void http_let_go(struct http *h);

/* ---- conn.c ---- */

/* A connection, as long as its SSL object is there. */
struct http_conn {
	struct http *http;
	struct bufferevent *bev; /* whose input is counted */
	size_t incoming;         /* its part of the server's */
	struct event *clock; /* of a request that is coming in, or of the handshake before the first one; else
	                        NULL */
	uint64_t began_ms;   /* the clock */
	bool busy;           /* with a request that is there: what comes meanwhile is of the next */
	bool ending;
	uint32_t id;
	struct net_addr *peer; /* whom a proxy speaks for; NULL: itself */
};

/* Once for the process. -POD_E_NOMEM. */
int http_conn_prepare(void);
/* For evhttp_set_bevcb. */
struct bufferevent *http_conn_create(struct event_base *base, void *http);
/* NULL: not one of TLS. */
struct http_conn *http_conn_of(struct evhttp_connection *evcon);
/* A request is there. */
void http_conn_busy(struct http_conn *c);
/* The bytes of its request are not held any more. */
void http_conn_settle(struct http_conn *c);
/* It was answered: the next may come, or is there in part. */
void http_conn_rest(struct http_conn *c);

/* exchange.c: a request has come. NULL: it was answered already, memory is out. */
struct http_exchange *http_exchange_create(struct http *h, struct evhttp_request *rq);
/* Its client is gone. */
void http_exchange_lose(struct http_exchange *x);

/*
 * framing.c: whether whoever reads a request finds the end of its body in the same place (RFC 9112 6.3): not
 * where its length is said twice, in two ways, or so that some would not see it. is_1_0: an HTTP/1.0 request,
 * which knows no chunks.
 */
bool http_framing_is_clear(const struct evkeyvalq *headers, bool is_1_0);
/* Whether its bytes are what they stand for: nothing is decompressed here. */
bool http_body_is_plain(const struct evkeyvalq *headers);

/* gzip.c: whether the client takes it; and the bytes of buf compressed. Where that fails, buf is as it was.
 */
bool http_takes_gzip(const char *accept_encoding);
bool http_gzip(struct evbuffer *buf);

#endif
