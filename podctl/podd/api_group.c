/* Groups: an address that reaches all its members. */
#include "podctl/podd/api.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define MEMBERS_MAX      10000
#define MEMBERS_PER_CALL 500

static int group_json(const struct api_call *call, const char *name, const ProtobufCMessage *record,
                      json_t **ret)
{
	const Directory__Group *g = (const Directory__Group *) record;

	*ret = json_pack("{ss, ss, so, sb, sb, so}", "address", name, "display_name", g->display_name, "members",
	                 api_strings_json(g->members, g->n_members), "members_only", (int) g->members_only,
	                 "members_send_as", (int) g->members_send_as, "send_as",
	                 api_strings_json(g->send_as, g->n_send_as));
	return *ret ? 0 : -POD_E_NOMEM;
}

void api_group_list(struct api_call *call)
{
	api_reply_list(call, DIRECTORY_GROUP, "groups", group_json);
}

void api_group_get(struct api_call *call)
{
	api_reply_object(call, 200, DIRECTORY_GROUP, call->params[0], group_json);
}

void api_group_remove(struct api_call *call)
{
	api_delete_object(call, DIRECTORY_GROUP, call->params[0]);
}

static size_t member_find(char *const *members, size_t n, const char *member)
{
	for (size_t i = 0; i < n; i++)
		if (strcasecmp(members[i], member) == 0)
			return i;
	return SIZE_MAX;
}

/* Adds the body's members to those that g has, each once. */
static int members_add(struct api_call *call, Directory__Group *g, struct err *err)
{
	const char **more;
	char **all;
	size_t n;
	int r = api_strings(call, "members", MEMBERS_PER_CALL, &more, &n, err);

	if (r < 0)
		return r;
	if (g->n_members + n > MEMBERS_MAX)
		return err_set(err, POD_E_LIMIT, "a group has at most %d members; make groups of groups",
		               MEMBERS_MAX);
	all = arena_array(call->arena, g->n_members + n + 1, sizeof(*all));
	if (!all)
		return err_set(err, POD_E_NOMEM, "group");
	for (size_t i = 0; i < g->n_members; i++)
		all[i] = g->members[i];
	g->members = all;
	for (size_t i = 0; i < n; i++) {
		const char *member;

		r = api_address(call, more[i], &member, err);
		if (r < 0)
			return r;
		if (member_find(all, g->n_members, member) == SIZE_MAX)
			all[g->n_members++] = arena_str(call->arena, span_of(member));
		if (!all[g->n_members - 1])
			return err_set(err, POD_E_NOMEM, "group");
	}
	return 0;
}

static int group_add(struct api_call *call, const char **ret_name, struct err *err)
{
	static const char *const fields[] = { "address", "display_name", "members", "members_only", "members_send_as" };
	Directory__Group g = DIRECTORY__GROUP__INIT;
	const char *text, *display_name;
	bool there, members_only = false, members_send_as = false;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string_required(call, "address", &text, err)) < 0 ||
	    (r = api_address(call, text, ret_name, err)) < 0 ||
	    (r = api_string(call, "display_name", &display_name, err)) < 0 ||
	    (r = api_bool(call, "members_only", &there, &members_only, err)) < 0 ||
	    (r = api_bool(call, "members_send_as", &there, &members_send_as, err)) < 0 ||
	    (r = members_add(call, &g, err)) < 0)
		return r;
	g.display_name = arena_str(call->arena, span_of(display_name ? display_name : ""));
	g.members_only = members_only;
	g.members_send_as = members_send_as;
	if (!g.display_name)
		return err_set(err, POD_E_NOMEM, "group");
	return directory_create(call->podd->dir, DIRECTORY_GROUP, span_of(*ret_name), &g.base, err);
}

void api_group_add(struct api_call *call)
{
	struct err err = { 0 };
	const char *name = NULL;

	if (group_add(call, &name, &err) < 0)
		api_fail(call, &err);
	else
		api_reply_object(call, 201, DIRECTORY_GROUP, name, group_json);
}

/* The group as it is, to be changed and put back: podd is the directory's only writer and has one thread. */
static int group_get(struct api_call *call, Directory__Group *ret_group, struct err *err)
{
	const ProtobufCMessage *record;
	int r = directory_get(call->podd->dir, call->arena, DIRECTORY_GROUP, span_of(call->params[0]),
	                      &record, err);

	if (r < 0)
		return r == -POD_E_NOTFOUND
		               ? err_set(err, POD_E_NOTFOUND, "there is no group %.128s", call->params[0])
		               : r;
	*ret_group = *(const Directory__Group *) record;
	return 0;
}

static void group_put(struct api_call *call, const Directory__Group *g)
{
	struct err err = { 0 };

	if (directory_replace(call->podd->dir, DIRECTORY_GROUP, span_of(call->params[0]), &g->base, &err) < 0)
		api_fail(call, &err);
	else
		api_reply_object(call, 200, DIRECTORY_GROUP, call->params[0], group_json);
}

void api_group_member_add(struct api_call *call)
{
	static const char *const fields[] = { "members" };
	struct err err = { 0 };
	Directory__Group g;

	if (api_only(call, fields, ARRAY_SIZE(fields), &err) < 0 || group_get(call, &g, &err) < 0 ||
	    members_add(call, &g, &err) < 0)
		api_fail(call, &err);
	else
		group_put(call, &g);
}

void api_group_member_remove(struct api_call *call)
{
	struct err err = { 0 };
	Directory__Group g;
	size_t i;

	if (group_get(call, &g, &err) < 0) {
		api_fail(call, &err);
		return;
	}
	i = member_find(g.members, g.n_members, call->params[1]);
	if (i == SIZE_MAX) {
		(void) err_set(&err, POD_E_NOTFOUND, "%.128s is not a member of %.128s", call->params[1],
		               call->params[0]);
		api_fail(call, &err);
		return;
	}
	memmove(&g.members[i], &g.members[i + 1], (g.n_members - i - 1) * sizeof(*g.members));
	g.n_members--;
	group_put(call, &g);
}
