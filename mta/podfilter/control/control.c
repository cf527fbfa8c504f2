#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/podfilter/control/control_internal.h"

#define BODY_MAX        (2u << 20) /* a message to be tested, in base64 */
#define METHOD_ARENA    (8u << 20)
#define ROTATION_WAIT_S 600 /* between looks at the schedules: a record may be published at any time */
#define REPORTS_WAIT_S  900 /* between looks whether a day is over, or owes reports */
#define FLUSH_WAIT_S    5   /* what a crash may take of the counts */

static int status_of(int code)
{
	switch (-code) {
	case POD_E_NOTFOUND: return HTTP_NOTFOUND;
	case POD_E_SYNTAX: return HTTP_BADREQUEST;
	case POD_E_EXISTS:
	case POD_E_BUSY: return 409;
	case POD_E_UNAVAILABLE: return HTTP_SERVUNAVAIL;
	default: return HTTP_INTERNAL;
	}
}

static void reply(struct evhttp_request *rq, int status, json_t *json)
{
	_cleanup_(freep) char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	struct evbuffer *out = evhttp_request_get_output_buffer(rq);

	json_decref(json);
	if (!text || evbuffer_add(out, text, strlen(text)) < 0) {
		evhttp_send_error(rq, HTTP_INTERNAL, "out of memory");
		return;
	}
	(void) evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type", "application/json");
	evhttp_send_reply(rq, status, status < 300 ? "OK" : "Error", NULL);
}

static void reply_error(struct evhttp_request *rq, int code, const struct err *err)
{
	reply(rq, status_of(code),
	      json_pack("{s:s, s:s}", "error", err_text(err), "code", err_code_name(code)));
}

static const struct control_method *method_find(const char *uri)
{
	for (const struct control_method *m = control_methods; *uri == '/' && m->name; m++)
		if (strcmp(m->name, uri + 1) == 0)
			return m;
	return NULL;
}

static const struct control_extra *extra_find(const struct control *c, const char *uri)
{
	for (const struct control_extra *x = c->o.extra; *uri == '/' && x && x->name; x++)
		if (strcmp(x->name, uri + 1) == 0)
			return x;
	return NULL;
}

static void control_on_request(struct evhttp_request *rq, void *arg)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(rq);
	const struct control *c = arg;
	const struct control_method *m = method_find(evhttp_request_get_uri(rq));
	const struct control_extra *x = extra_find(c, evhttp_request_get_uri(rq));
	size_t len = evbuffer_get_length(in);
	_cleanup_(arena_freep) struct arena *a = arena_create(METHOD_ARENA);
	json_t *body = len ? json_loadb((const char *) evbuffer_pullup(in, -1), len, 0, NULL) : json_object();
	json_t *answer = NULL;
	struct err err = { 0 };
	int r;

	if (!a)
		r = err_set(&err, POD_E_NOMEM, "control");
	else if (!m && !x)
		r = err_set(&err, POD_E_NOTFOUND, "no such method");
	else if (!json_is_object(body))
		r = err_set(&err, POD_E_SYNTAX, "an object is expected");
	else
		r = m ? m->fn(arg, a, body, &answer, &err) : x->fn(c->o.arg, a, body, &answer, &err);
	json_decref(body);
	if (r < 0)
		reply_error(rq, r, &err);
	else
		reply(rq, HTTP_OK, answer);
}

int control_string(json_t *in, const char *name, const char **ret_text, struct err *err)
{
	const char *text = json_string_value(json_object_get(in, name));

	if (!text)
		return err_set(err, POD_E_SYNTAX, "%s is missing", name);
	*ret_text = text;
	return 0;
}

static int add_clock(struct control *c, struct event **ret_event, event_callback_fn fn, time_t every_s,
                     struct err *err)
{
	struct timeval wait = { .tv_sec = every_s };

	*ret_event = event_new(door_base(c->door), -1, EV_PERSIST, fn, c);
	return *ret_event && event_add(*ret_event, &wait) == 0 ? 0 : err_set(err, POD_E_NOMEM, "control");
}

static int prepare(struct control *c, const char *run_dir, struct err *err)
{
	const struct door_options o = { .run_dir = run_dir,
		                        .name = FILTER_CONTROL_SOCKET_NAME,
		                        .mode = 0600,
		                        .body_max = BODY_MAX,
		                        .on_request = control_on_request,
		                        .arg = c };
	int r = door_open(&o, &c->door, err);

	if (r == 0)
		r = add_clock(c, &c->rotation, control_on_rotation, ROTATION_WAIT_S, err);
	if (r == 0)
		r = add_clock(c, &c->reports, control_on_reports, REPORTS_WAIT_S, err);
	if (r == 0)
		r = add_clock(c, &c->flush, control_on_flush, FLUSH_WAIT_S, err);
	return r;
}

/* What a process that was not there would have done. */
static void control_on_start(void *arg)
{
	control_on_rotation(-1, 0, arg);
}

int control_start(const struct control_options *options, const char *run_dir, struct control **ret_control,
                  struct err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, POD_E_NOMEM, "control");
	c->o = *options;
	r = prepare(c, run_dir, err);
	if (r == 0)
		r = door_start(c->door, control_on_start, err);
	if (r < 0)
		(void) control_stop(c);
	else
		*ret_control = c;
	return r;
}

struct control *control_stop(struct control *c)
{
	struct event *clocks[] = { c ? c->rotation : NULL, c ? c->reports : NULL, c ? c->flush : NULL };

	if (!c)
		return NULL;
	if (c->door)
		door_close(c->door);
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++)
		if (clocks[i])
			event_free(clocks[i]);
	c->door = door_free(c->door);
	free(c);
	return NULL;
}
