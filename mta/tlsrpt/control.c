/* What podd asks of the reports: see reports.h. */
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>

#include "base/clock.h"
#include "mta/tlsrpt/internal.h"

struct asked;

struct reports_control {
	struct reports *reports;
	struct evhttp *http;
	LIST_HEAD(, asked) asked;
};

/* A round by hand, and who waits for its end: request NULL once he was told that it goes on. */
struct asked {
	LIST_ENTRY(asked) entry;
	struct reports_control *control;
	struct evhttp_request *request;
	struct round *round;
	struct event *late;
	uint32_t day;
};

#define PATIENCE_S 8 /* podd's is 10 */

static void reply(struct evhttp_request *rq, int code, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	(void) evhttp_add_header(evhttp_request_get_output_headers(rq), "Content-Type", "application/json");
	if (!text || evbuffer_add(evhttp_request_get_output_buffer(rq), text, strlen(text)) < 0)
		code = HTTP_INTERNAL;
	free(text);
	evhttp_send_reply(rq, code, NULL, NULL);
}

static void refuse(struct evhttp_request *rq, int code, const char *text)
{
	reply(rq, code, json_pack("{s:s}", "error", text));
}

static json_t *day_json(uint32_t day)
{
	char text[REPORTS_DAY_SIZE];

	return json_string(reports_day_format(day, text));
}

/* ---- show ---- */

struct showing {
	json_t *domains, *policies; /* policies: of the last domain */
	char last[256];
};

static int show_row(void *arg, uint32_t day, const char *domain, const Tlspolicy__Sessions *row)
{
	struct showing *s = arg;

	(void) day;
	if (strcmp(s->last, domain) != 0) {
		(void) snprintf(s->last, sizeof(s->last), "%s", domain);
		s->policies = json_array();
		(void) json_array_append_new(
			s->domains, json_pack("{s:s, s:o}", "domain", domain, "policies", s->policies));
	}
	return tlsrpt_policy_add(s->policies, domain, row);
}

static void show(struct reports_control *c, struct evhttp_request *rq, uint32_t day)
{
	struct showing s = { .domains = json_array() };
	struct err err = { 0 };

	if (tls_sessions_each(c->reports->sessions, day, day, show_row, &s, &err) < 0) {
		json_decref(s.domains);
		refuse(rq, HTTP_INTERNAL, err_text(&err));
		return;
	}
	reply(rq, HTTP_OK,
	      json_pack("{s:o, s:b, s:o}", "day", day_json(day), "finished",
	                state_is_finished(c->reports, day), "domains", s.domains));
}

/* ---- send ---- */

static void asked_free(struct asked *a)
{
	LIST_REMOVE(a, entry);
	(void) round_free(a->round);
	if (a->late)
		event_free(a->late);
	free(a);
}

static json_t *result_json(const struct asked *a, const struct round_result *result, bool running)
{
	return json_pack("{s:o, s:b, s:i, s:i, s:i, s:i}", "day", day_json(a->day), "running", running,
	                 "domains", (int) result->domains, "asked", (int) result->asked, "sent",
	                 (int) result->sent, "failed", (int) result->failed);
}

static void asked_on_late(evutil_socket_t fd, short what, void *arg)
{
	struct asked *a = arg;

	(void) fd;
	(void) what;
	reply(a->request, HTTP_OK, result_json(a, round_result_so_far(a->round), true));
	a->request = NULL;
}

static void asked_on_done(void *arg, const struct round_result *result)
{
	struct asked *a = arg;

	a->round = NULL;
	if (a->request)
		reply(a->request, HTTP_OK, result_json(a, result, false));
	asked_free(a);
}

static void send_now(struct reports_control *c, struct evhttp_request *rq, uint32_t day)
{
	static const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct asked *a = calloc(1, sizeof(*a));
	struct err err = { 0 };

	if (!a) {
		refuse(rq, HTTP_INTERNAL, "out of memory");
		return;
	}
	*a = (struct asked){ .control = c, .request = rq, .day = day };
	LIST_INSERT_HEAD(&c->asked, a, entry);
	a->late = evtimer_new(c->reports->base, asked_on_late, a);
	if (a->late && evtimer_add(a->late, &patience) == 0)
		a->round = round_start(c->reports, day, true, asked_on_done, a, &err);
	if (!a->round) {
		refuse(rq, HTTP_INTERNAL, err.code ? err_text(&err) : "out of memory");
		asked_free(a);
	}
}

/* ---- requests ---- */

static const struct {
	enum evhttp_cmd_type method;
	const char *path;
	void (*run)(struct reports_control *c, struct evhttp_request *rq, uint32_t day);
	uint32_t days_back; /* the day that is meant where none is said */
} routes[] = {
	{ EVHTTP_REQ_GET, "/tlsrpt", show, 0 },
	{ EVHTTP_REQ_POST, "/tlsrpt/send", send_now, 1 },
};

/* 0, or a status of HTTP. */
static int day_of(struct evhttp_request *rq, uint32_t *day)
{
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(rq)), *text = NULL;
	struct evkeyvalq params;
	int code = 0;

	TAILQ_INIT(&params);
	if (query && evhttp_parse_query_str(query, &params) < 0)
		return HTTP_BADREQUEST;
	text = evhttp_find_header(&params, "day");
	if (text && *text && reports_day_parse(text, day) < 0)
		code = HTTP_BADREQUEST;
	evhttp_clear_headers(&params);
	return code;
}

static void on_request(struct evhttp_request *rq, void *arg)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(rq));
	struct reports_control *c = arg;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		uint32_t day = (uint32_t) (clock_wall_s() / DAY_S) - routes[i].days_back;

		if (!path || strcmp(path, routes[i].path) != 0 ||
		    evhttp_request_get_command(rq) != routes[i].method)
			continue;
		if (day_of(rq, &day) != 0)
			refuse(rq, HTTP_BADREQUEST, "a day is written as in 2026-11-25");
		else
			routes[i].run(c, rq, day);
		return;
	}
	refuse(rq, HTTP_NOTFOUND, "no such resource");
}

int reports_control_serve(struct reports *r, int fd, struct reports_control **ret_control, struct err *err)
{
	struct reports_control *c = calloc(1, sizeof(*c));

	if (c)
		c->http = evhttp_new(r->base);
	if (!c || !c->http) {
		free(c);
		return err_set(err, POD_E_NOMEM, "serving the reports' control socket");
	}
	c->reports = r;
	LIST_INIT(&c->asked);
	evhttp_set_allowed_methods(c->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST);
	evhttp_set_max_headers_size(c->http, 16384);
	evhttp_set_max_body_size(c->http, 16384);
	evhttp_set_gencb(c->http, on_request, c);
	if (evhttp_accept_socket(c->http, fd) < 0) {
		evhttp_free(c->http);
		free(c);
		return err_set(err, POD_E_INTERNAL, "serving the reports' control socket");
	}
	*ret_control = c;
	return 0;
}

struct reports_control *reports_control_stop(struct reports_control *c)
{
	if (!c)
		return NULL;
	while (!LIST_EMPTY(&c->asked))
		asked_free(LIST_FIRST(&c->asked));
	evhttp_free(c->http);
	free(c);
	return NULL;
}
