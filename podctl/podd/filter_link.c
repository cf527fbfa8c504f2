#include "podctl/podd/filter_link.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/peer_link.h"

#define FILTER_SOCKET_NAME "podfilter-control.sock" /* in run_dir */
#define FILTER_TIMEOUT_S   50 /* it may have to wait for the DNS; podctl waits for longer */

struct filter_call {
	struct api_call *call;
	const char *busy_hint;
};

static int code_of_name(const char *name)
{
	for (int code = 1; code < POD_E_END; code++)
		if (strcmp(err_code_name(code), name) == 0)
			return code;
	return POD_E_INTERNAL;
}

static void filter_failed(const struct filter_call *f, int code, const char *text)
{
	struct err err = { 0 };

	(void) err_set(&err, (enum pod_error) code, "%s", text);
	if (code == POD_E_BUSY && f->busy_hint)
		api_fail_hint(f->call, &err, f->busy_hint);
	else
		api_fail(f->call, &err);
}

static void filter_refused(const struct filter_call *f, const json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "error"));
	const char *code = json_string_value(json_object_get(answer, "code"));

	filter_failed(f, code_of_name(code ? code : ""), text ? text : "podfilter gave no reason");
}

static void filter_on_answer(void *arg, int status, struct span body)
{
	_cleanup_(freep) struct filter_call *f = arg;
	json_t *json = status < 0 ? NULL : json_loadb((const char *) body.p, body.len, 0, NULL);
	char text[128];

	if (status < 0) {
		(void) snprintf(text, sizeof(text), SPAN_FMT, SPAN_ARG(body));
		filter_failed(f, -status, text);
	} else if (!json) {
		filter_failed(f, POD_E_PROTOCOL, "podfilter's answer is no JSON");
	} else if (status < 300) {
		api_reply(f->call, status, json);
		return;
	} else {
		filter_refused(f, json);
	}
	json_decref(json);
}

static int ask(struct api_call *call, const char *method, const char *body, struct filter_call *f,
               struct err *err)
{
	char path[PATH_MAX], target[64];
	const struct peer_request rq = { .who = "podfilter",
		                         .socket_path = path,
		                         .method = "POST",
		                         .target = target,
		                         .body = span_of(body),
		                         .timeout_s = FILTER_TIMEOUT_S };

	(void) snprintf(path, sizeof(path), "%s/" FILTER_SOCKET_NAME, call->podd->conf->pod.run_dir);
	(void) snprintf(target, sizeof(target), "/%s", method);
	return peer_ask(call->podd->base, &rq, filter_on_answer, f, err);
}

void filter_call(struct api_call *call, const char *method, json_t *in, const char *busy_hint)
{
	_cleanup_(freep) char *body = in ? json_dumps(in, JSON_COMPACT) : NULL;
	struct filter_call *f = malloc(sizeof(*f));
	struct err err = { 0 };
	int r;

	json_decref(in);
	if (f)
		*f = (struct filter_call){ .call = call, .busy_hint = busy_hint };
	r = body && f ? ask(call, method, body, f, &err) : err_set(&err, POD_E_NOMEM, "podfilter");
	if (r < 0) {
		free(f);
		api_fail(call, &err);
	}
}
