/* The mta's queue: asked there, answered here. */
#include <event2/keyvalq_struct.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/queue_link.h"

/* The queue says {"error": "words"} with a status of HTTP. */
static int code_of_status(int status)
{
	switch (status) {
	case 404: return POD_E_NOTFOUND;
	case 405: return POD_E_UNSUPPORTED;
	case 409: return POD_E_BUSY;
	case 400: return POD_E_SYNTAX;
	default: return POD_E_INTERNAL;
	}
}

static void queue_refused(struct api_call *call, int status, const json_t *answer)
{
	const char *text = json_string_value(json_object_get(answer, "error"));
	struct err err = { 0 };

	(void) err_set(&err, (enum pod_error) code_of_status(status), "%s",
	               text ? text : "the mta gave no reason");
	api_fail(call, &err);
}

int api_mta_json(struct api_call *call, int status, struct span body, json_t **ret_json)
{
	struct err err = { 0 };
	json_t *json;

	if (status < 0) {
		(void) err_set(&err, (enum pod_error) - status, SPAN_FMT, SPAN_ARG(body));
		api_fail(call, &err);
		return status;
	}
	json = json_loadb((const char *) body.p, body.len, 0, NULL);
	if (json && status < 300) {
		*ret_json = json;
		return 0;
	}
	if (json) {
		queue_refused(call, status, json);
	} else {
		(void) err_set(&err, POD_E_PROTOCOL, "the mta's answer is no JSON");
		api_fail(call, &err);
	}
	json_decref(json);
	return -POD_E_PROTOCOL;
}

static void queue_on_answer(void *arg, int status, struct span body)
{
	json_t *json;

	if (api_mta_json(arg, status, body, &json) == 0)
		api_reply(arg, status, json);
}

static void queue_call(struct api_call *call, const char *method, const char *target)
{
	api_mta_ask(call, QUEUE_SOCKET_NAME, method, target);
}

void api_mta_ask(struct api_call *call, const char *socket_name, const char *method, const char *target)
{
	char path[PATH_MAX];
	struct err err = { 0 };

	if (!target) {
		(void) err_set(&err, POD_E_NOMEM, "queue");
		api_fail(call, &err);
		return;
	}
	(void) snprintf(path, sizeof(path), "%s/%s", call->podd->conf->pod.run_dir, socket_name);
	if (queue_ask(call->podd->base, path, method, target, queue_on_answer, call, &err) < 0)
		api_fail(call, &err);
}

/* With what the caller's query says, under the same names: NULL behind the last. NULL: memory is out. */
static const char *with_query(struct api_call *call, const char *target, const char *const *names)
{
	const char *joint = "?";

	for (; *names && target; names++) {
		const char *value = evhttp_find_header(&call->query, *names);
		char *encoded = value && *value ? evhttp_uriencode(value, -1, 0) : NULL;

		if (!encoded)
			continue;
		target = arena_printf(call->arena, "%s%s%s=%s", target, joint, *names, encoded);
		joint = "&";
		free(encoded);
	}
	return target;
}

/* With an id of the queue in it: letters and digits only, so nothing needs encoding. */
static void queue_call_id(struct api_call *call, const char *method, const char *what, const char *const *names)
{
	static const char *const none[] = { NULL };
	const char *id = call->params[0];
	struct err err = { 0 };

	if (strspn(id, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != strlen(id) ||
	    strlen(id) > 64) {
		(void) err_set(&err, POD_E_SYNTAX, "%.64s is no id of the queue", id);
		api_fail(call, &err);
		return;
	}
	queue_call(call, method,
	           with_query(call, arena_printf(call->arena, "/queue/%s%s", id, what), names ? names : none));
}

void api_queue_list(struct api_call *call)
{
	static const char *const names[] = { "after", "limit", "from", "to", "domain", "login", "state", "hold", NULL };

	queue_call(call, "GET", with_query(call, "/queue", names));
}

void api_queue_lanes(struct api_call *call)
{
	queue_call(call, "GET", "/queue/lanes");
}

void api_queue_safetynet(struct api_call *call)
{
	queue_call(call, "GET", "/queue/safetynet");
}

void api_queue_get(struct api_call *call)
{
	queue_call_id(call, "GET", "", NULL);
}

void api_queue_message(struct api_call *call)
{
	queue_call_id(call, "GET", "/message", NULL);
}

void api_queue_retry_all(struct api_call *call)
{
	queue_call(call, "POST", "/queue/retry");
}

void api_queue_flush(struct api_call *call)
{
	static const char *const names[] = { "domain", NULL };

	queue_call(call, "POST", with_query(call, "/queue/flush", names));
}

void api_queue_retry(struct api_call *call)
{
	queue_call_id(call, "POST", "/retry", NULL);
}

void api_queue_hold(struct api_call *call)
{
	static const char *const names[] = { "text", "until", NULL };

	queue_call_id(call, "POST", "/hold", names);
}

void api_queue_release(struct api_call *call)
{
	queue_call_id(call, "POST", "/release", NULL);
}

void api_queue_remove(struct api_call *call)
{
	queue_call_id(call, "DELETE", "", NULL);
}
