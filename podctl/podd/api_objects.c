/* What listings, single objects and deletions have in common, whatever the kind. */
#include <event2/keyvalq_struct.h>

#include "podctl/podd/api.h"

#define LIST_LIMIT 1000

struct listing {
	struct api_call *call;
	api_to_json_fn *to_json;
	json_t *entries;
	size_t left;
	bool more;
	char last[512]; /* where the next page begins */
};

static int list_one(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct listing *l = arg;
	json_t *entry = NULL;
	int r;

	if (l->left == 0) {
		l->more = true;
		return 1;
	}
	r = l->to_json(l->call, name, record, &entry);
	if (r < 0 || !entry)
		return r;
	l->left--;
	(void) snprintf(l->last, sizeof(l->last), "%s", name);
	return json_array_append_new(l->entries, entry) < 0 ? -POD_E_NOMEM : 0;
}

static int list_limit(const struct api_call *call, size_t *ret_limit, struct err *err)
{
	const char *text = evhttp_find_header(&call->query, "limit");
	uint32_t limit = LIST_LIMIT;

	if (text && (span_to_u32(span_of(text), &limit) < 0 || limit == 0 || limit > LIST_LIMIT))
		return err_set(err, POD_E_SYNTAX, "limit is 1 to %d", LIST_LIMIT);
	*ret_limit = limit;
	return 0;
}

void api_reply_list(struct api_call *call, enum directory_kind kind, const char *key, api_to_json_fn *to_json)
{
	struct listing l = { .call = call, .to_json = to_json };
	const char *after = evhttp_find_header(&call->query, "after");
	struct err err = { 0 };
	int r = list_limit(call, &l.left, &err);
	json_t *answer;

	l.entries = json_array();
	if (r == 0)
		r = l.entries ? directory_each(call->podd->dir, kind, span_of(after), list_one, &l, &err)
		              : -POD_E_NOMEM;
	if (r < 0) {
		json_decref(l.entries);
		if (!err.code)
			(void) err_set(&err, (enum pod_error) - r, "listing");
		api_fail(call, &err);
		return;
	}
	answer = json_pack("{so, sb}", key, l.entries, "more", l.more);
	if (answer && l.more && json_object_set_new(answer, "after", json_string(l.last)) < 0) {
		json_decref(answer);
		answer = NULL;
	}
	api_reply(call, 200, answer);
}

void api_reply_object(struct api_call *call, int status, enum directory_kind kind, const char *name,
                      api_to_json_fn *to_json)
{
	const ProtobufCMessage *record;
	struct err err = { 0 };
	json_t *answer = NULL;
	int r = directory_get(call->podd->dir, call->arena, kind, span_of(name), &record, &err);

	if (r == 0)
		r = to_json(call, name, record, &answer);
	if (r == 0) {
		api_reply(call, status, answer);
		return;
	}
	if (r == -POD_E_NOTFOUND)
		(void) err_set(&err, POD_E_NOTFOUND, "there is no %s %.128s", directory_kind_name(kind),
		               name);
	else if (!err.code)
		(void) err_set(&err, (enum pod_error) - r, "%s", name);
	api_fail(call, &err);
}

void api_delete_object(struct api_call *call, enum directory_kind kind, const char *name)
{
	struct err err = { 0 };

	if (directory_delete(call->podd->dir, kind, span_of(name), &err) < 0)
		api_fail_hint(call, &err, api_hint_delete(err.code));
	else
		api_reply(call, 200, json_pack("{ss}", "removed", name));
}
