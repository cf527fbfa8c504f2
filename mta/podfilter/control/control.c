#include <errno.h>
#include <event2/buffer.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/podfilter/control/control_internal.h"

#define BODY_MAX        (2u << 20) /* a message to be tested, in base64 */
#define METHOD_ARENA    (8u << 20)
#define ROTATION_WAIT_S 600 /* between looks at the schedules: a record may be published at any time */
#define REPORTS_WAIT_S  900 /* between looks whether a day is over, or owes reports */
#define FLUSH_WAIT_S    5   /* what a crash may take of the counts */
#define BACKLOG         16

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

static int listen_at(struct control *c, const char *run_dir, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int r;

	if ((size_t) snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/" FILTER_CONTROL_SOCKET_NAME,
	                      run_dir) >= sizeof(sun.sun_path))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket in it", run_dir);
	(void) unlink(sun.sun_path);
	mask = umask(0177);
	r = fd < 0 ? -1 : bind(fd, (const struct sockaddr *) &sun, sizeof(sun));
	(void) umask(mask);
	if (r < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(err, errno, "%s", sun.sun_path);
	if (evhttp_accept_socket(c->http, fd) < 0)
		return err_set(err, POD_E_NOMEM, "control");
	(void) take_fd(&fd);
	return 0;
}

static int add_clock(struct control *c, struct event **ret_event, event_callback_fn fn, time_t every_s,
                     struct err *err)
{
	struct timeval wait = { .tv_sec = every_s };

	*ret_event = event_new(c->base, -1, EV_PERSIST, fn, c);
	return *ret_event && event_add(*ret_event, &wait) == 0 ? 0 : err_set(err, POD_E_NOMEM, "control");
}

static int prepare(struct control *c, const char *run_dir, struct err *err)
{
	int r;

	c->base = event_base_new();
	c->http = c->base ? evhttp_new(c->base) : NULL;
	if (!c->http)
		return err_set(err, POD_E_NOMEM, "control");
	r = add_clock(c, &c->rotation, control_on_rotation, ROTATION_WAIT_S, err);
	if (r == 0)
		r = add_clock(c, &c->reports, control_on_reports, REPORTS_WAIT_S, err);
	if (r == 0)
		r = add_clock(c, &c->flush, control_on_flush, FLUSH_WAIT_S, err);
	if (r < 0)
		return r;
	evhttp_set_allowed_methods(c->http, EVHTTP_REQ_POST);
	evhttp_set_max_body_size(c->http, BODY_MAX);
	evhttp_set_gencb(c->http, control_on_request, c);
	return listen_at(c, run_dir, err);
}

static void *control_thread(void *arg)
{
	struct control *c = arg;

	control_on_rotation(-1, 0, c);
	(void) event_base_dispatch(c->base);
	return NULL;
}

/* Signals are the main thread's. */
static int start_thread(struct control *c, struct err *err)
{
	sigset_t all, old;
	int r;

	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_BLOCK, &all, &old);
	r = pthread_create(&c->thread, NULL, control_thread, c);
	(void) pthread_sigmask(SIG_SETMASK, &old, NULL);
	c->running = r == 0;
	return r == 0 ? 0 : err_errno(err, r, "thread of the control socket");
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
		r = start_thread(c, err);
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
	if (c->running) {
		(void) event_base_loopbreak(c->base);
		(void) pthread_join(c->thread, NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++)
		if (clocks[i])
			event_free(clocks[i]);
	if (c->http)
		evhttp_free(c->http);
	if (c->base)
		event_base_free(c->base);
	free(c);
	return NULL;
}
