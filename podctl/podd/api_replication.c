/* Replicated volumes: how they are, and what an admin may tell their primary. */
#include <string.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/api_stack.h"
#include "podctl/podd/replication_json.h"

#define ASK_TIMEOUT_MS 30000

struct stack *api_stack_find(struct api_call *call, const Directory__Volume **ret_v)
{
	struct err err = { 0 };
	const char *name = call->params[0];
	struct stack *s = NULL;
	int r = volume_record_get(call->podd, call->arena, name, ret_v, &err);

	if (r == 0 && !volume_record_is_replicated(*ret_v))
		r = err_set(&err, POD_E_UNSUPPORTED, "the volume %.64s is a directory, not replicated", name);
	if (r == 0 && !(s = stack_find(call->podd, name)))
		r = err_set(&err, POD_E_UNAVAILABLE, "the volume %.64s could not be opened; the log says why",
		            name);
	if (r < 0)
		api_fail(call, &err);
	return s;
}

/* ---- how they are ---- */

static int volume_replication_json(const struct api_call *call, const char *name,
                                   const ProtobufCMessage *record, json_t **ret_entry)
{
	const Directory__Volume *v = (const Directory__Volume *) record;
	const struct stack *s = volume_record_is_replicated(v) ? stack_find(call->podd, name) : NULL;

	if (!s)
		return 0;
	*ret_entry = replication_json(s, v);
	return *ret_entry ? 0 : -POD_E_NOMEM;
}

void api_replication_list(struct api_call *call)
{
	api_reply_list(call, DIRECTORY_VOLUME, "volumes", volume_replication_json);
}

void api_replication_get(struct api_call *call)
{
	const Directory__Volume *v;
	const struct stack *s = api_stack_find(call, &v);

	if (s)
		api_reply(call, 200, replication_json(s, v));
}

/* ---- telling the primary ---- */

static void primary_on_answer(void *arg, int r, const json_t *answer, const char *text)
{
	struct api_call *call = arg;
	struct err err = { 0 };

	if (r < 0) {
		(void) err_set(&err, (enum pod_error) - r, "%s", text);
		api_fail(call, &err);
		return;
	}
	api_reply(call, 200, json_deep_copy(answer));
}

static void ask_primary(struct api_call *call, struct stack *s, json_t *request)
{
	struct err err = { 0 };

	if (replica_link_ask(stack_primary(s)->link, request, ASK_TIMEOUT_MS, primary_on_answer, call, &err) <
	    0)
		api_fail(call, &err);
}

/* The site that is meant: the one named, or the only other one. */
static int read_peer(const struct api_call *call, const struct stack *s, size_t *ret_index, struct err *err)
{
	const char *site;
	int r = api_string(call, "site", &site, err);
	size_t index = s->core.primary == 0 ? 1 : 0;

	if (r < 0)
		return r;
	if (site)
		index = stack_site_find(s, site);
	else if (s->core.n != 2)
		return err_set(err, POD_E_SYNTAX, "which site? the volume %s has %zu replicas", s->name,
		               s->core.n);
	if (index >= s->core.n)
		return err_set(err, POD_E_NOTFOUND, "the volume %s has no replica at %.64s", s->name,
		               site ? site : "another site");
	if (index == s->core.primary)
		return err_set(err, POD_E_SYNTAX, "%s is the primary", s->sites[index].name);
	*ret_index = index;
	return 0;
}

static const char *const doings[] = { "pause", "resume", "resync", "verify" };

static int read_doing(const struct api_call *call, const struct stack *s, size_t *ret_index, bool *ret_repair,
                      struct err *err)
{
	static const char *const fields[] = { "site", "repair" };
	bool there, verify = strcmp(call->params[1], "verify") == 0;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	for (size_t i = 0; i < ARRAY_SIZE(doings) && strcmp(call->params[1], doings[i]) != 0; i++)
		if (i + 1 == ARRAY_SIZE(doings))
			return err_set(err, POD_E_NOTFOUND, "pause, resume, resync or verify is expected");
	if (r < 0 || (r = api_bool(call, "repair", &there, ret_repair, err)) < 0)
		return r;
	if (there && !verify)
		return err_set(err, POD_E_SYNTAX, "repair goes with verify");
	return read_peer(call, s, ret_index, err);
}

/* A verification ends as an event; until then its last result is not to be mistaken for this one's. */
void api_replication_do(struct api_call *call)
{
	const Directory__Volume *v;
	struct stack *s = api_stack_find(call, &v);
	struct err err = { 0 };
	bool repair = false;
	size_t index;
	json_t *request;

	if (!s)
		return;
	if (read_doing(call, s, &index, &repair, &err) < 0) {
		api_fail(call, &err);
		return;
	}
	request = json_pack("{ss, ss}", "do", call->params[1], "peer", s->sites[index].name);
	if (strcmp(call->params[1], "verify") == 0) {
		json_decref(s->sites[index].verified);
		s->sites[index].verified = NULL;
		(void) json_object_set_new(request, "repair", json_boolean(repair));
	}
	ask_primary(call, s, request);
}

/* ---- orders ---- */

static void reply_operation(struct api_call *call, const struct stack *s, int r, const struct err *err)
{
	if (r < 0)
		api_fail(call, err);
	else
		api_reply(call, 202, operation_json(s));
}

void api_operation_get(struct api_call *call)
{
	const Directory__Volume *v;
	const struct stack *s = api_stack_find(call, &v);

	if (s)
		api_reply(call, 200,
		          json_pack("{ss, so}", "volume", s->name, "operation", operation_json(s)));
}

void api_switchover(struct api_call *call)
{
	static const char *const fields[] = { "site" };
	const Directory__Volume *v;
	struct stack *s = api_stack_find(call, &v);
	struct err err = { 0 };
	size_t to;
	int r;

	if (!s)
		return;
	r = api_only(call, fields, ARRAY_SIZE(fields), &err);
	if (r == 0)
		r = read_peer(call, s, &to, &err);
	if (r == 0)
		r = stack_order_switchover(s, to, &err);
	reply_operation(call, s, r, &err);
}

/* max_loss: bytes, or "any"; not given: 0. */
static int read_max_loss(const struct api_call *call, uint64_t *ret_bytes, struct err *err)
{
	const json_t *value = json_object_get(call->body, "max_loss");
	const char *text = json_string_value(value);
	bool there;

	*ret_bytes = 0;
	if (text && strcmp(text, "any") == 0) {
		*ret_bytes = STACK_LOSS_ANY;
		return 0;
	}
	if (text)
		return err_set(err, POD_E_SYNTAX, "max_loss is a number of bytes, or \"any\"");
	return api_size(call, "max_loss", &there, ret_bytes, err);
}

void api_failover(struct api_call *call)
{
	static const char *const fields[] = { "site", "max_loss" };
	const Directory__Volume *v;
	struct stack *s = api_stack_find(call, &v);
	struct err err = { 0 };
	uint64_t max_loss;
	size_t to;
	int r;

	if (!s)
		return;
	r = api_only(call, fields, ARRAY_SIZE(fields), &err);
	if (r == 0)
		r = read_max_loss(call, &max_loss, &err);
	if (r == 0)
		r = read_peer(call, s, &to, &err);
	if (r == 0)
		r = stack_order_failover(s, to, max_loss, &err);
	if (r == -POD_E_LIMIT)
		api_fail_hint(call, &err,
		              "bring the primary back, or accept the loss: --max-loss SIZE, or any");
	else
		reply_operation(call, s, r, &err);
}

void api_failback(struct api_call *call)
{
	const Directory__Volume *v;
	struct stack *s = api_stack_find(call, &v);
	struct err err = { 0 };
	int r;

	if (!s)
		return;
	r = api_only(call, NULL, 0, &err);
	if (r == 0)
		r = stack_order_failback(s, &err);
	reply_operation(call, s, r, &err);
}
