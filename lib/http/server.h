/*
 * JSON over HTTP on a unix socket: how podd asks the other programs of the pod. On an event loop, all on
 * base's thread. Who may connect is said by the socket's mode.
 */
#ifndef POD_HTTP_SERVER_H
#define POD_HTTP_SERVER_H

#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>

#include "base/err.h"

struct evkeyvalq;
struct http_server;

/* Answers rq, now or later, by one of the functions below. params: the query, for evhttp_find_header. */
typedef void http_serve_fn(void *arg, struct evhttp_request *rq, const struct evkeyvalq *params);

struct http_route {
	enum evhttp_cmd_type method; /* EVHTTP_REQ_GET or _POST */
	const char *path;            /* "/milters"; NULL behind the last */
	http_serve_fn *fn;
};

/* fd is listening, and stays the caller's; so do routes. */
int http_server_start(struct event_base *base, int fd, const struct http_route *routes, void *arg,
                      struct http_server **ret_server, struct err *err);
/* Requests that were not answered yet are gone. NULL is fine; returns NULL. */
struct http_server *http_server_stop(struct http_server *s);

/* json is taken; NULL: memory is out, which the other end is told. */
void http_serve_reply(struct evhttp_request *rq, int status, json_t *json);
/* {"error": why} */
void http_serve_refuse(struct evhttp_request *rq, int status, const char *why);

#endif
