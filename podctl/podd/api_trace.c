/*
 * The way of messages through the pod. The book's index finds them, so that an answer costs some reads and no pass over
 * the log; a search by time alone reads the lines of that time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/trace.h"
#include "podctl/podd/trace_story.h"

#define LIMIT_DEFAULT 20
#define LIMIT_MAX     200

static bool has_book(struct api_call *call)
{
	struct err err = { 0 };

	if (call->podd->traces)
		return true;
	(void) err_set(&err, POD_E_NOTFOUND, "log.trace_dir is empty: podd keeps no traces");
	api_fail(call, &err);
	return false;
}

void api_trace_get(struct api_call *call)
{
	struct err err = { 0 };
	json_t *story;

	if (!has_book(call))
		return;
	children_read_lines(call->podd->children);
	if (!trace_id_is_valid(call->params[0]))
		(void) err_set(&err, POD_E_SYNTAX, "a trace id is letters and digits");
	else if (trace_story(call->podd->traces, call->params[0], &story, &err) == 0) {
		api_reply(call, 200, story);
		return;
	}
	api_fail_hint(call, &err, err.code == POD_E_NOTFOUND ? "traces are kept for log.trace_keep" : NULL);
}

/* ---- searching ---- */

/* The messages found so far, in the order of their first line. */
struct finding {
	json_t *order; /* of ids */
	json_t *seen;
	size_t limit;
	bool more, failed;
};

static bool find_message(void *arg, struct span line)
{
	struct finding *f = arg;
	struct span trace;
	char id[65];

	if (!trace_line_field(line, "trace", &trace) || trace.len == 0 || trace.len >= sizeof(id))
		return true;
	memcpy(id, trace.p, trace.len);
	id[trace.len] = '\0';
	if (json_object_get(f->seen, id))
		return true;
	if (json_array_size(f->order) == f->limit) {
		f->more = true;
		return false;
	}
	f->failed = json_object_set_new(f->seen, id, json_true()) < 0 || json_array_append_new(f->order, json_string(id)) < 0;
	return !f->failed;
}

static int number(const struct api_call *call, const char *name, uint64_t *ret_value, struct err *err)
{
	const char *text = evhttp_find_header(&call->query, name);

	if (text && span_to_u64(span_of(text), ret_value) < 0)
		return err_set(err, POD_E_SYNTAX, "%s is a number", name);
	return 0;
}

static int query_read(struct api_call *call, struct tracebook_query *q, size_t *ret_limit, struct err *err)
{
	uint64_t since_ms = 0, until_ms = 0, limit = LIMIT_DEFAULT;
	int r;

	q->from = evhttp_find_header(&call->query, "from");
	q->to = evhttp_find_header(&call->query, "to");
	if ((r = number(call, "since_ms", &since_ms, err)) < 0 || (r = number(call, "until_ms", &until_ms, err)) < 0 ||
	    (r = number(call, "limit", &limit, err)) < 0)
		return r;
	if (limit == 0 || limit > LIMIT_MAX)
		return err_set(err, POD_E_SYNTAX, "limit is a number from 1 to %d", LIMIT_MAX);
	if (!q->from && !q->to && !since_ms)
		return err_set(err, POD_E_SYNTAX, "a search needs from, to or since_ms");
	q->since_ms = (int64_t) since_ms;
	q->until_ms = (int64_t) until_ms;
	*ret_limit = limit;
	return 0;
}

/* Each message whole: what it was searched by is on one of its lines only. */
static int add_stories(struct api_call *call, const struct finding *f, json_t *messages, struct err *err)
{
	json_t *id, *story;
	size_t i;
	int r = 0;

	json_array_foreach(f->order, i, id)
	{
		r = trace_story(call->podd->traces, json_string_value(id), &story, err);
		if (r == -POD_E_NOTFOUND)
			continue;
		if (r < 0)
			return r;
		if (json_array_append_new(messages, story) < 0)
			return err_set(err, POD_E_NOMEM, "trace");
	}
	return 0;
}

void api_trace_search(struct api_call *call)
{
	struct finding f = { .order = json_array(), .seen = json_object() };
	json_t *messages = json_array();
	struct tracebook_query q = { 0 };
	struct err err = { 0 };
	int r = f.order && f.seen && messages ? 0 : err_set(&err, POD_E_NOMEM, "trace");

	if (!call->podd->traces)
		r = err_set(&err, POD_E_NOTFOUND, "log.trace_dir is empty: podd keeps no traces");
	if (r == 0)
		r = query_read(call, &q, &f.limit, &err);
	children_read_lines(call->podd->children);
	if (r == 0)
		r = tracebook_search(call->podd->traces, &q, find_message, &f, &err);
	if (r == 0 && f.failed)
		r = err_set(&err, POD_E_NOMEM, "trace");
	if (r == 0)
		r = add_stories(call, &f, messages, &err);
	json_decref(f.order);
	json_decref(f.seen);
	if (r == 0) {
		api_reply(call, 200, json_pack("{so, sb}", "messages", messages, "more", (int) f.more));
		return;
	}
	json_decref(messages);
	api_fail(call, &err);
}
