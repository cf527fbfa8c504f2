/*
 * What podd asks of the queue: HTTP with JSON on a unix socket that only the admin's and our own user reach.
 *
 *   GET    /queue?PARAMS       a page of the messages: after=ID, limit=N, from= to= domain= login= state=
 * hold= GET    /queue/lanes        destinations and how they do GET    /queue/ID           one message GET
 * /queue/ID/message    the start of its text POST   /queue/ID/retry     try it now             POST
 * /queue/retry         try all that wait POST   /queue/ID/hold      hold it (text=, until=) POST
 * /queue/ID/release    end a hold POST   /queue/flush        try a destination now: domain= DELETE /queue/ID
 * drop it, telling nobody
 */
#include <event2/buffer.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "mta/queue/control_internal.h"

struct queue_control {
	struct queue *q;
	struct evhttp *http;
};

const char *control_param(const struct control_call *c, const char *name)
{
	const char *value = evhttp_find_header(&c->params, name);

	return value ? value : "";
}

void control_reply(struct evhttp_request *rq, int code, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);

	json_decref(json);
	if (!text) {
		evhttp_send_error(rq, HTTP_INTERNAL, "out of memory");
		return;
	}
	(void) evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type", "application/json");
	(void) evbuffer_add_printf(out, "%s\n", text);
	free(text);
	evhttp_send_reply(rq, code, code < 300 ? "OK" : "Error", NULL);
}

void control_error(struct evhttp_request *rq, int code, const char *text)
{
	control_reply(rq, code, json_pack("{s:s}", "error", text));
}

struct route {
	enum evhttp_cmd_type method;
	const char *action; /* behind the id, or of the whole queue */
	void (*run)(struct control_call *c);
};

static const struct route of_queue[] = {
	{ EVHTTP_REQ_GET, "", control_list },
	{ EVHTTP_REQ_GET, "lanes", control_lanes },
	{ EVHTTP_REQ_GET, "safetynet", control_safetynet },
	{ EVHTTP_REQ_POST, "retry", control_retry_all },
	{ EVHTTP_REQ_POST, "flush", control_flush },
};

static const struct route of_message[] = {
	{ EVHTTP_REQ_GET, "", control_show },
	{ EVHTTP_REQ_GET, "message", control_message },
	{ EVHTTP_REQ_POST, "retry", control_retry },
	{ EVHTTP_REQ_POST, "hold", control_hold },
	{ EVHTTP_REQ_POST, "release", control_release },
	{ EVHTTP_REQ_DELETE, "", control_remove },
};

static const struct route *route_find(const struct route *routes, size_t n, enum evhttp_cmd_type method,
                                      struct span action)
{
	for (size_t i = 0; i < n; i++)
		if (routes[i].method == method && span_eq(action, span_of(routes[i].action)))
			return &routes[i];
	return NULL;
}

/* An id, or a trace id, which is what people have in their hands. */
static struct queued *find(struct queue *q, struct span name)
{
	struct guid id;

	return guid_parse(name, &id) == 0 ? queue_find(q, &id) : queue_find_trace(q, name);
}

static void dispatch(struct control_call *c, struct span rest)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(c->rq);
	const struct route *route = route_find(of_queue, ARRAY_SIZE(of_queue), method, rest);
	struct span action, name;

	if (route) {
		route->run(c);
		return;
	}
	name = span_split(rest, '/', &action);
	c->it = find(c->q, name);
	if (!c->it) {
		control_error(c->rq, HTTP_NOTFOUND, "no such message in the queue");
		return;
	}
	route = route_find(of_message, ARRAY_SIZE(of_message), method, action);
	if (route)
		route->run(c);
	else
		control_error(c->rq, HTTP_BADMETHOD, "not something one can do with a message in the queue");
}

static void on_request(struct evhttp_request *rq, void *control)
{
	struct control_call c = { .q = ((struct queue_control *) control)->q, .rq = rq };
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(rq);
	struct span path = span_of(evhttp_uri_get_path(uri));
	const char *query = evhttp_uri_get_query(uri);

	TAILQ_INIT(&c.params);
	if (!span_starts_nocase(path, SPAN_LIT("/queue")) || (path.len > 6 && path.p[6] != '/'))
		control_error(rq, HTTP_NOTFOUND, "no such resource");
	else if (query && evhttp_parse_query_str(query, &c.params) < 0)
		control_error(rq, HTTP_BADREQUEST, "the parameters cannot be read");
	else
		dispatch(&c, span_skip(path, path.len > 6 ? 7 : 6));
	evhttp_clear_headers(&c.params);
}

int queue_control_serve(struct queue *q, int fd, struct queue_control **ret_control, struct err *err)
{
	struct queue_control *c = calloc(1, sizeof(*c));

	if (c)
		c->http = evhttp_new(q->base);
	if (!c || !c->http) {
		free(c);
		return err_set(err, POD_E_NOMEM, "no memory for the queue's control socket");
	}
	c->q = q;
	evhttp_set_allowed_methods(c->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_DELETE);
	evhttp_set_max_headers_size(c->http, 16384);
	evhttp_set_max_body_size(c->http, 16384);
	evhttp_set_gencb(c->http, on_request, c);
	if (evhttp_accept_socket(c->http, fd) < 0) {
		evhttp_free(c->http);
		free(c);
		return err_set(err, POD_E_INTERNAL, "serving the queue's control socket");
	}
	*ret_control = c;
	return 0;
}

struct queue_control *queue_control_stop(struct queue_control *c)
{
	if (c) {
		evhttp_free(c->http);
		free(c);
	}
	return NULL;
}
