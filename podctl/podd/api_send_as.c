/* The right to send mail from the address of a user or a group, granted to others. */
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "podctl/podd/api.h"
#include "podctl/podd/users.h"

/* Those granted so far, in a record that is to be put back: podd is the directory's only writer and has one
 * thread. */
struct grants {
	enum directory_kind kind;
	ProtobufCMessage *record;
	char ***items;
	size_t *n;
};

static int user_grants(struct api_call *call, const ProtobufCMessage *record, struct grants *ret)
{
	Directory__User *u = arena_new(call->arena, Directory__User);

	if (!u)
		return -POD_E_NOMEM;
	*u = *(const Directory__User *) record;
	*ret = (struct grants){ DIRECTORY_USER, &u->base, &u->send_as, &u->n_send_as };
	return 0;
}

static int group_grants(struct api_call *call, const ProtobufCMessage *record, struct grants *ret)
{
	Directory__Group *g = arena_new(call->arena, Directory__Group);

	if (!g)
		return -POD_E_NOMEM;
	*g = *(const Directory__Group *) record;
	*ret = (struct grants){ DIRECTORY_GROUP, &g->base, &g->send_as, &g->n_send_as };
	return 0;
}

static int grants_get(struct api_call *call, enum directory_kind kind, struct grants *ret, struct err *err)
{
	const ProtobufCMessage *record;
	int r = directory_get(call->podd->dir, call->arena, kind, span_of(call->params[0]), &record, err);

	if (r == 0 && kind == DIRECTORY_USER && users_busy(call->podd, call->params[0]))
		return err_set(err, POD_E_BUSY, "%.128s is being changed", call->params[0]);
	if (r == 0)
		r = kind == DIRECTORY_USER ? user_grants(call, record, ret) : group_grants(call, record, ret);
	return r == -POD_E_NOMEM ? err_set(err, POD_E_NOMEM, "send-as") : r;
}

static size_t find(const struct grants *g, const char *address)
{
	for (size_t i = 0; i < *g->n; i++)
		if (strcasecmp((*g->items)[i], address) == 0)
			return i;
	return SIZE_MAX;
}

/* Puts the record back and answers with all that are granted now. */
static void grants_put(struct api_call *call, const struct grants *g)
{
	struct err err = { 0 };

	if (directory_replace(call->podd->dir, g->kind, span_of(call->params[0]), g->record, &err) < 0)
		api_fail(call, &err);
	else
		api_reply(call, 200,
		          json_pack("{ss, so}", "address", call->params[0], "send_as",
		                    api_strings_json(*g->items, *g->n)));
}

/* Only a user can log in, so only a user can be granted anything. */
static int grantee(struct api_call *call, const char **ret_to, struct err *err)
{
	static const char *const fields[] = { "to" };
	const ProtobufCMessage *record;
	const char *text;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string_required(call, "to", &text, err)) < 0 ||
	    (r = api_address(call, text, ret_to, err)) < 0)
		return r;
	r = directory_get(call->podd->dir, call->arena, DIRECTORY_USER, span_of(*ret_to), &record, err);
	return r == -POD_E_NOTFOUND ? err_set(err, POD_E_NOTFOUND, "there is no user %.128s", *ret_to) : r;
}

static int give(struct api_call *call, struct grants *g, struct err *err)
{
	const char *to;
	char **more;
	int r = grantee(call, &to, err);

	if (r < 0 || find(g, to) != SIZE_MAX)
		return r;
	more = arena_array(call->arena, *g->n + 1, sizeof(*more));
	if (!more)
		return err_set(err, POD_E_NOMEM, "send-as");
	for (size_t i = 0; i < *g->n; i++)
		more[i] = (*g->items)[i];
	more[*g->n] = (char *) (uintptr_t) to;
	*g->items = more;
	++*g->n;
	return 0;
}

static int take_back(const struct api_call *call, struct grants *g, struct err *err)
{
	size_t i = find(g, call->params[1]);

	if (i == SIZE_MAX)
		return err_set(err, POD_E_NOTFOUND, "%.128s has no right to send as %.128s", call->params[1],
		               call->params[0]);
	memmove(&(*g->items)[i], &(*g->items)[i + 1], (*g->n - i - 1) * sizeof(**g->items));
	--*g->n;
	return 0;
}

static void change(struct api_call *call, enum directory_kind kind, bool add)
{
	struct err err = { 0 };
	struct grants g = { 0 };

	if (grants_get(call, kind, &g, &err) < 0 ||
	    (add ? give(call, &g, &err) : take_back(call, &g, &err)) < 0)
		api_fail(call, &err);
	else
		grants_put(call, &g);
}

void api_user_send_as_add(struct api_call *call)
{
	change(call, DIRECTORY_USER, true);
}

void api_user_send_as_remove(struct api_call *call)
{
	change(call, DIRECTORY_USER, false);
}

void api_group_send_as_add(struct api_call *call)
{
	change(call, DIRECTORY_GROUP, true);
}

void api_group_send_as_remove(struct api_call *call)
{
	change(call, DIRECTORY_GROUP, false);
}
