#include "podctl/podd/replica_link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "podctl/podd/control_stream.h"

#define CONNECT_FIRST_MS 10
#define CONNECT_MAX_MS   250
#define HELLO_TIMEOUT_MS 10000

struct request {
	struct replica_link *link;
	replica_answer_fn *answer;
	void *arg;
	struct event *timer; /* NULL: no limit */
	TAILQ_ENTRY(request) next;
};
TAILQ_HEAD(requests, request);

struct replica_link {
	struct event_base *base;
	const struct replica_link_ops *ops;
	void *arg;
	char *path;
	struct control_stream *asking, *watching;
	struct requests requests; /* in the order they were sent */
	struct event *again;
	unsigned int wait_ms;
	bool up, watched;
};

static int code_of_name(const char *name)
{
	for (int code = 1; name && code < POD_E_END; code++)
		if (strcmp(err_code_name(code), name) == 0)
			return -code;
	return -POD_E_PROTOCOL;
}

int replica_answer_code(const json_t *answer, const char **ret_text)
{
	const json_t *ok = json_object_get(answer, "ok");
	const char *text = json_string_value(json_object_get(answer, "text"));
	int r = 0;

	if (!json_is_boolean(ok))
		r = -POD_E_PROTOCOL;
	else if (json_is_false(ok))
		r = code_of_name(json_string_value(json_object_get(answer, "error")));
	*ret_text = r == 0 ? "" : text ? text : err_code_text(r);
	return r;
}

/* ---- requests ---- */

static void request_free(struct request *q)
{
	if (q->timer)
		event_free(q->timer);
	free(q);
}

static void request_end(struct request *q, int r, const json_t *answer, const char *text)
{
	replica_answer_fn *fn = q->answer;
	void *arg = q->arg;

	TAILQ_REMOVE(&q->link->requests, q, next);
	request_free(q);
	fn(arg, r, answer, text);
}

/* ---- down, and up again ---- */

static void look_later(struct replica_link *l)
{
	const struct timeval tv = { .tv_usec = (suseconds_t) l->wait_ms * 1000 };

	(void) event_add(l->again, &tv);
	l->wait_ms = l->wait_ms * 2 < CONNECT_MAX_MS ? l->wait_ms * 2 : CONNECT_MAX_MS;
}

static void link_down(struct replica_link *l, const char *why)
{
	bool was_up = l->up;
	struct request *q;

	l->up = l->watched = false;
	l->asking = control_stream_free(l->asking);
	l->watching = control_stream_free(l->watching);
	if (was_up)
		l->wait_ms = CONNECT_FIRST_MS;
	look_later(l);
	while ((q = TAILQ_FIRST(&l->requests)))
		request_end(q, -POD_E_UNAVAILABLE, NULL, why);
	if (was_up)
		l->ops->on_down(l->arg);
}

static void request_on_time(evutil_socket_t fd, short events, void *arg)
{
	struct request *q = arg;
	struct replica_link *l = q->link;

	request_end(q, -POD_E_TIMEOUT, NULL, "the replica does not answer");
	link_down(l, "the replica does not answer");
}

static int request_send(struct replica_link *l, json_t *request, unsigned int timeout_ms,
                        replica_answer_fn *answer, void *arg, struct err *err)
{
	const struct timeval limit = { timeout_ms / 1000, (suseconds_t) (timeout_ms % 1000) * 1000 };
	struct request *q = request ? calloc(1, sizeof(*q)) : NULL;
	int r = q ? control_stream_send(l->asking, request, err)
	          : err_set(err, POD_E_NOMEM, "request to a replica");

	json_decref(request);
	if (r < 0) {
		free(q);
		return r;
	}
	*q = (struct request){ .link = l, .answer = answer, .arg = arg };
	TAILQ_INSERT_TAIL(&l->requests, q, next);
	if (timeout_ms) {
		q->timer = evtimer_new(l->base, request_on_time, q);
		if (q->timer)
			(void) event_add(q->timer, &limit);
	}
	return 0;
}

static void link_on_hello(void *arg, int r, const json_t *answer, const char *text)
{
	struct replica_link *l = arg;

	if (r < 0) {
		if (l->asking) /* else it is down already */
			link_down(l, text);
		return;
	}
	l->up = true;
	l->wait_ms = CONNECT_FIRST_MS;
	l->ops->on_up(l->arg, answer);
}

static void asking_on_line(void *arg, const json_t *object)
{
	struct replica_link *l = arg;
	struct request *q = TAILQ_FIRST(&l->requests);
	const char *text;
	int r = replica_answer_code(object, &text);

	if (q)
		request_end(q, r, object, text);
	else
		link_down(l, "it answers what nobody asked");
}

static void stream_on_end(void *arg)
{
	link_down(arg, "the replica is gone");
}

/* The first line answers `watch`; from then on the connection has events only. */
static void watching_on_line(void *arg, const json_t *object)
{
	struct replica_link *l = arg;
	const char *text;

	if (l->watched) {
		if (l->up)
			l->ops->on_event(l->arg, object);
		return;
	}
	l->watched = true;
	if (replica_answer_code(object, &text) < 0 ||
	    request_send(l, json_pack("{ss}", "do", "status"), HELLO_TIMEOUT_MS, link_on_hello, l, NULL) < 0)
		link_down(l, "it lets nobody watch");
}

static const struct control_stream_ops asking_ops = { .on_line = asking_on_line, .on_end = stream_on_end };
static const struct control_stream_ops watching_ops = { .on_line = watching_on_line,
	                                                .on_end = stream_on_end };

static int look(struct replica_link *l, struct err *err)
{
	json_t *watch = json_pack("{ss}", "do", "watch");
	int r = watch ? control_stream_open(l->base, l->path, &watching_ops, l, &l->watching, err)
	              : err_set(err, POD_E_NOMEM, "control socket");

	if (r == 0)
		r = control_stream_open(l->base, l->path, &asking_ops, l, &l->asking, err);
	if (r == 0)
		r = control_stream_send(l->watching, watch, err);
	json_decref(watch);
	return r;
}

static void link_on_again(evutil_socket_t fd, short events, void *arg)
{
	struct replica_link *l = arg;

	if (!l->asking && look(l, NULL) < 0)
		link_down(l, "nobody answers");
}

/* ---- the door ---- */

int replica_link_create(struct event_base *base, const char *path, const struct replica_link_ops *ops,
                        void *arg, struct replica_link **ret_link, struct err *err)
{
	struct replica_link *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(err, POD_E_NOMEM, "control socket");
	*l = (struct replica_link){ .base = base, .ops = ops, .arg = arg, .wait_ms = CONNECT_FIRST_MS };
	TAILQ_INIT(&l->requests);
	l->path = strdup(path);
	l->again = evtimer_new(base, link_on_again, l);
	if (!l->path || !l->again) {
		(void) replica_link_free(l);
		return err_set(err, POD_E_NOMEM, "control socket");
	}
	look_later(l);
	*ret_link = l;
	return 0;
}

struct replica_link *replica_link_free(struct replica_link *l)
{
	struct request *q;

	if (!l)
		return NULL;
	while ((q = TAILQ_FIRST(&l->requests))) {
		TAILQ_REMOVE(&l->requests, q, next);
		request_free(q);
	}
	(void) control_stream_free(l->asking);
	(void) control_stream_free(l->watching);
	if (l->again)
		event_free(l->again);
	free(l->path);
	free(l);
	return NULL;
}

bool replica_link_is_up(const struct replica_link *l)
{
	return l && l->up;
}

void replica_link_hurry(struct replica_link *l)
{
	if (l->asking)
		return;
	l->wait_ms = CONNECT_FIRST_MS;
	look_later(l);
}

int replica_link_ask(struct replica_link *l, json_t *request, unsigned int timeout_ms,
                     replica_answer_fn *answer, void *arg, struct err *err)
{
	if (!replica_link_is_up(l)) {
		json_decref(request);
		return err_set(err, POD_E_UNAVAILABLE, "the replica does not answer");
	}
	return request_send(l, request, timeout_ms, answer, arg, err);
}

/* ---- aside ---- */

struct aside {
	struct control_stream *stream;
	struct event *timer;
	replica_answer_fn *answer;
	void *arg;
};

static void aside_end(struct aside *a, int r, const json_t *answer, const char *text)
{
	replica_answer_fn *fn = a->answer;
	void *arg = a->arg;

	(void) control_stream_free(a->stream);
	if (a->timer)
		event_free(a->timer);
	free(a);
	fn(arg, r, answer, text);
}

static void aside_on_line(void *arg, const json_t *object)
{
	const char *text;
	int r = replica_answer_code(object, &text);

	aside_end(arg, r, object, text);
}

static void aside_on_end(void *arg)
{
	aside_end(arg, -POD_E_UNAVAILABLE, NULL, "the replica is gone");
}

static void aside_on_time(evutil_socket_t fd, short events, void *arg)
{
	aside_end(arg, -POD_E_TIMEOUT, NULL, "the replica does not answer");
}

int replica_ask_aside(struct event_base *base, const char *path, json_t *request, unsigned int timeout_ms,
                      replica_answer_fn *answer, void *arg, struct err *err)
{
	static const struct control_stream_ops ops = { .on_line = aside_on_line, .on_end = aside_on_end };
	const struct timeval limit = { timeout_ms / 1000, (suseconds_t) (timeout_ms % 1000) * 1000 };
	struct aside *a = request ? calloc(1, sizeof(*a)) : NULL;
	int r;

	if (!a) {
		json_decref(request);
		return err_set(err, POD_E_NOMEM, "request to a replica");
	}
	*a = (struct aside){ .answer = answer, .arg = arg };
	r = control_stream_open(base, path, &ops, a, &a->stream, err);
	if (r == 0)
		r = control_stream_send(a->stream, request, err);
	json_decref(request);
	if (r == 0 && timeout_ms) {
		a->timer = evtimer_new(base, aside_on_time, a);
		if (!a->timer || event_add(a->timer, &limit) < 0)
			r = err_set(err, POD_E_NOMEM, "request to a replica");
	}
	if (r < 0) {
		(void) control_stream_free(a->stream);
		if (a->timer)
			event_free(a->timer);
		free(a);
	}
	return r;
}
