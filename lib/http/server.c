#include "http/server.h"

#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"

#define REQUEST_MAX 16384

struct http_server {
	const struct http_route *routes;
	void *arg;
	struct evhttp *http;
};

void http_serve_reply(struct evhttp_request *rq, int status, json_t *json)
{
	_cleanup_(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);

	json_decref(json);
	if (!text || evbuffer_add(out, text, strlen(text)) < 0) {
		evhttp_send_error(rq, HTTP_INTERNAL, NULL);
		return;
	}
	(void) evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type", "application/json");
	evhttp_send_reply(rq, status, NULL, NULL);
}

void http_serve_refuse(struct evhttp_request *rq, int status, const char *why)
{
	http_serve_reply(rq, status, json_pack("{s:s}", "error", why));
}

static const struct http_route *find(const struct http_server *s, struct evhttp_request *rq)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(rq));

	for (const struct http_route *r = s->routes; path && r->path; r++)
		if (r->method == evhttp_request_get_command(rq) && strcmp(path, r->path) == 0)
			return r;
	return NULL;
}

static void server_on_request(struct evhttp_request *rq, void *arg)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(rq));
	struct http_server *s = arg;
	const struct http_route *r = find(s, rq);
	struct evkeyvalq params;

	TAILQ_INIT(&params);
	if (!r)
		http_serve_refuse(rq, HTTP_NOTFOUND, "no such resource");
	else if (query && evhttp_parse_query_str(query, &params) < 0)
		http_serve_refuse(rq, HTTP_BADREQUEST, "a malformed query");
	else
		r->fn(s->arg, rq, &params);
	evhttp_clear_headers(&params);
}

int http_server_start(struct event_base *base, int fd, const struct http_route *routes, void *arg,
                      struct http_server **ret_server, struct err *err)
{
	struct http_server *s = calloc(1, sizeof(*s));
	_cleanup_(closep) int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (s)
		*s = (struct http_server){ .routes = routes, .arg = arg, .http = evhttp_new(base) };
	if (!s || !s->http || own < 0 || evhttp_accept_socket(s->http, own) < 0) {
		(void) http_server_stop(s);
		return err_set(err, POD_E_NOMEM, "serving a control socket");
	}
	(void) take_fd(&own);
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
	evhttp_set_max_headers_size(s->http, REQUEST_MAX);
	evhttp_set_max_body_size(s->http, REQUEST_MAX);
	evhttp_set_gencb(s->http, server_on_request, s);
	*ret_server = s;
	return 0;
}

struct http_server *http_server_stop(struct http_server *s)
{
	if (!s)
		return NULL;
	if (s->http)
		evhttp_free(s->http);
	free(s);
	return NULL;
}
