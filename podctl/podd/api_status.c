/* How the pod is: for podctl status, for Prometheus, and for who only wants to know whether it is well. */
#include <event2/buffer.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "podctl/podd/api.h"
#include "podctl/podd/metrics.h"

static json_t *child_json(const struct child *c, uint64_t now)
{
	json_t *json = json_pack("{ss, ss, si, sI, si}", "name", c->name, "state", child_state_name(c->state),
	                         "pid", (int) c->pid, "since_s", (json_int_t) ((now - c->since_ms) / 1000),
	                         "restarts", (int) c->restarts);

	if (json && c->restarts > 0) {
		json_t *end = WIFSIGNALED(c->last_status)
		                      ? json_sprintf("signal %d", WTERMSIG(c->last_status))
		                      : json_sprintf("status %d", WEXITSTATUS(c->last_status));

		if (json_object_set_new(json, "last_end", end) < 0) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}

static json_t *children_json(const struct podd *p)
{
	json_t *array = json_array();
	const struct child *c;
	uint64_t now = clock_mono_ms();

	for (size_t i = 0; array && (c = children_get(p->children, i)); i++) {
		if (json_array_append_new(array, child_json(c, now)) < 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

static json_t *endpoints_json(const struct conf *conf)
{
	json_t *object = json_object();

	for (int i = 0; object && i < CONF_LISTENERS; i++) {
		const struct conf_endpoint *e = conf_listen(conf, (enum conf_listener) i);

		if (e &&
		    json_object_set_new(object, e->name,
		                        json_pack("{ss, si}", "host", e->host, "port", (int) e->port)) < 0) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

void api_status_get(struct api_call *call)
{
	const struct podd *p = call->podd;

	api_reply(call, 200,
	          json_pack("{ss, ss, ss, ss, si, sI, sb, so, so}", "dir", p->conf->pod.dir, "pod",
	                    p->conf->pod.name, "host", p->conf->pod.host, "domain", p->conf->pod.domain,
	                    "pid", (int) getpid(), "uptime_s",
	                    (json_int_t) ((clock_mono_ms() - p->started_ms) / 1000), "ready",
	                    (int) podd_is_ready(p), "processes", children_json(p), "endpoints",
	                    endpoints_json(p->conf)));
}

static void send_text(struct evhttp_request *http, int status, const char *type, struct span text)
{
	struct evbuffer *out = evbuffer_new();

	if (!out || evbuffer_add(out, text.p, text.len) < 0) {
		evhttp_send_error(http, 500, "out of memory");
	} else {
		(void) evhttp_add_header(evhttp_request_get_output_headers(http), "Content-Type", type);
		evhttp_send_reply(http, status, NULL, out);
	}
	if (out)
		evbuffer_free(out);
}

void status_metrics(struct podd *p, struct evhttp_request *http)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct err err = { 0 };

	if (metrics_print(p, &text, &err) < 0)
		send_text(http, 500, "text/plain; charset=utf-8", span_of(err_text(&err)));
	else
		send_text(http, 200, "text/plain; version=0.0.4; charset=utf-8", buf_span(&text));
}

void status_health(struct podd *p, struct evhttp_request *http)
{
	bool well = podd_is_ready(p) && !p->stopping;

	send_text(http, well ? 200 : 503, "text/plain; charset=utf-8",
	          well ? SPAN_LIT("ok\n") : SPAN_LIT("not all processes are ready\n"));
}
