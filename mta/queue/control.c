/*
 * What podd asks of the queue: HTTP with JSON on a unix socket that only the admin's and our own user reach.
 *
 *   GET    /queue              all messages      GET  /queue/ID         one
 *   POST   /queue/ID/retry     try it now        POST /queue/retry      try all that wait
 *   DELETE /queue/ID           drop it, telling nobody
 */
#include <event2/buffer.h>
#include <event2/http.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "mta/queue/internal.h"

struct queue_control {
	struct queue *q;
	struct evhttp *http;
};

static const char *state_name(Queue__State s)
{
	return s == QUEUE__STATE__OUTBOUND ? "outbound" : "waiting";
}

static json_t *recipient_json(const Queue__Recipient *r)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "address", r->address, "original", r->original, "state",
	                 state_name(r->state), "text", r->text);
}

/* The words of the first recipient that has any: they mostly wait for the same thing. */
static const char *reason(const Queue__Item *item)
{
	for (size_t i = 0; i < item->n_recipients; i++)
		if (*item->recipients[i]->text)
			return item->recipients[i]->text;
	return "";
}

static void add_recipients(json_t *json, const Queue__Item *item)
{
	json_t *addresses = json_array(), *details = json_array();

	for (size_t i = 0; i < item->n_recipients; i++) {
		(void) json_array_append_new(addresses, json_string(item->recipients[i]->address));
		(void) json_array_append_new(details, recipient_json(item->recipients[i]));
	}
	(void) json_object_set_new(json, "recipients", addresses);
	(void) json_object_set_new(json, "details", details);
}

/* Times are seconds since 1970. A message that only waits for the outbound part has no next attempt. */
static json_t *item_json(const struct queued *it)
{
	const Queue__Item *item = it->record;
	bool waiting = queue_has_state(item, QUEUE__STATE__WAITING);
	int64_t next_ms = item->next_ms ? item->next_ms : clock_wall_ms();
	char id[ID_TEXT_SIZE];
	json_t *json;

	guid_format(&it->id, id);
	json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:i, s:s, s:s}", "id", id, "trace", item->trace, "sender",
	                 item->sender, "size", (json_int_t) item->size, "created", (json_int_t) item->arrived_s, "attempts",
	                 (int) item->attempts, "state", waiting ? (it->busy ? "active" : "waiting") : "outbound", "reason",
	                 reason(item));
	if (json && waiting)
		(void) json_object_set_new(json, "next_attempt", json_integer(next_ms / 1000));
	if (json)
		add_recipients(json, item);
	return json;
}

static void reply_json(struct evhttp_request *rq, int code, json_t *json)
{
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

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

static void reply_error(struct evhttp_request *rq, int code, const char *text)
{
	reply_json(rq, code, json_pack("{s:s}", "error", text));
}

static void list(struct queue *q, struct evhttp_request *rq)
{
	json_t *messages = json_array();
	struct queued *it;

	TAILQ_FOREACH(it, &q->items, link)
		(void) json_array_append_new(messages, item_json(it));
	reply_json(rq, HTTP_OK, json_pack("{s:I, s:o}", "total", (json_int_t) q->n, "messages", messages));
}

static void show(struct queue *q, struct queued *it, struct evhttp_request *rq)
{
	reply_json(rq, HTTP_OK, item_json(it));
}

static void retry(struct queue *q, struct queued *it, struct evhttp_request *rq)
{
	queue_hurry(q, it);
	log_event(NULL, LOGL_NOTICE, "queue.retry_asked", F_STR("trace", it->record->trace));
	reply_json(rq, HTTP_OK, item_json(it));
}

static void retry_all(struct queue *q, struct evhttp_request *rq)
{
	struct queued *it;
	json_int_t n = 0;

	TAILQ_FOREACH(it, &q->items, link)
		if (queue_has_state(it->record, QUEUE__STATE__WAITING)) {
			queue_hurry(q, it);
			n++;
		}
	reply_json(rq, HTTP_OK, json_pack("{s:I}", "retried", n));
}

struct removal {
	struct queue *q;
	struct queued *it;
	struct evhttp_request *rq;
};

static void on_removed(void *arg, struct shelf_change *change, int r, const struct err *err)
{
	struct removal *rm = arg;

	queue_end(rm->q, rm->it);
	if (r == 0) {
		log_event(NULL, LOGL_NOTICE, "queue.removed", F_STR("trace", rm->it->record->trace));
		queue_drop(rm->q, rm->it);
	}
	if (r == 0)
		reply_json(rm->rq, HTTP_OK, json_pack("{s:b}", "removed", 1));
	else
		reply_error(rm->rq, HTTP_INTERNAL, err_text(err));
	free(rm);
}

static void remove_item(struct queue *q, struct queued *it, struct evhttp_request *rq)
{
	struct shelf_change *change = it->busy ? NULL : shelf_change_new();
	struct removal *rm = change ? calloc(1, sizeof(*rm)) : NULL;

	if (!rm) {
		shelf_change_free(change);
		reply_error(rq, it->busy ? 409 : HTTP_INTERNAL,
		            it->busy ? "an attempt is under way; try again" : "out of memory");
		return;
	}
	*rm = (struct removal){ q, it, rq };
	queue_begin(q, it);
	change->remove = true;
	change->removed = it->id;
	change->done = on_removed;
	change->arg = rm;
	shelf_commit(q->shelf, change);
}

static const struct route {
	enum evhttp_cmd_type method;
	const char *action; /* behind the id */
	void (*run)(struct queue *q, struct queued *it, struct evhttp_request *rq);
} routes[] = {
	{ EVHTTP_REQ_GET, "", show },
	{ EVHTTP_REQ_POST, "retry", retry },
	{ EVHTTP_REQ_DELETE, "", remove_item },
};

/* An id, or a trace id, which is what people have in their hands. */
static struct queued *find(struct queue *q, struct span name)
{
	struct queued *it;
	struct guid id;

	if (guid_parse(name, &id) == 0)
		return queue_find(q, &id);
	TAILQ_FOREACH(it, &q->items, link)
		if (span_eq(span_of(it->record->trace), name))
			return it;
	return NULL;
}

static void on_request(struct evhttp_request *rq, void *control)
{
	struct queue *q = ((struct queue_control *) control)->q;
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(rq));
	enum evhttp_cmd_type method = evhttp_request_get_command(rq);
	struct span rest = span_of(path), action, name;
	struct queued *it;

	if (!span_starts_nocase(rest, SPAN_LIT("/queue"))) {
		reply_error(rq, HTTP_NOTFOUND, "no such resource");
		return;
	}
	rest = span_skip(rest, rest.len > 6 ? 7 : 6);
	if (!rest.len && method == EVHTTP_REQ_GET) {
		list(q, rq);
		return;
	}
	if (span_eq(rest, SPAN_LIT("retry")) && method == EVHTTP_REQ_POST) {
		retry_all(q, rq);
		return;
	}
	name = span_split(rest, '/', &action);
	it = find(q, name);
	if (!it) {
		reply_error(rq, HTTP_NOTFOUND, "no such message in the queue");
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (routes[i].method == method && span_eq(action, span_of(routes[i].action))) {
			routes[i].run(q, it, rq);
			return;
		}
	reply_error(rq, HTTP_BADMETHOD, "not something one can do with a message in the queue");
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
