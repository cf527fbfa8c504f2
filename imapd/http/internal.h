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
	unsigned int idle_timeout_s;
	size_t incoming, incoming_max; /* bytes of requests that are not answered yet */
	bool draining, ended;          /* ended: its last connection frees it */
	void (*on_drained)(void *arg);
	void *arg;
};

/* A connection, as long as its SSL object is there. */
struct http_conn {
	struct http *http;
	struct bufferevent *bev; /* whose input is counted */
	size_t incoming;         /* its part of the server's */
	bool ending;
	uint32_t id;
};
/* NULL: not one of TLS. */
struct http_conn *http_conn_of(struct evhttp_connection *evcon);
/* The bytes of its request are not held any more. */
void http_conn_settle(struct http_conn *c);

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
