/* Aliases: an address that stands for others, "@domain" for all that a domain does not have. */
#include "podctl/podd/api.h"

#include "base/cleanup.h"

#define TARGETS_MAX 1000

static int alias_json(const struct api_call *call, const char *name, const ProtobufCMessage *record,
                      json_t **ret)
{
	const Directory__Alias *alias = (const Directory__Alias *) record;

	*ret = json_pack("{ss, so}", "address", name, "targets",
	                 api_strings_json(alias->targets, alias->n_targets));
	return *ret ? 0 : -POD_E_NOMEM;
}

void api_alias_list(struct api_call *call)
{
	api_reply_list(call, DIRECTORY_ALIAS, "aliases", alias_json);
}

void api_alias_get(struct api_call *call)
{
	api_reply_object(call, 200, DIRECTORY_ALIAS, call->params[0], alias_json);
}

/* "local@domain", or "@domain". */
static int alias_name(const struct api_call *call, const char *text, const char **ret_name, struct err *err)
{
	char *probe;
	int r;

	if (text[0] != '@')
		return api_address(call, text, ret_name, err);
	probe = arena_printf(call->arena, "x%s", text);
	if (!probe)
		return err_set(err, POD_E_NOMEM, "alias");
	r = api_address(call, probe, ret_name, err);
	if (r == 0)
		(*ret_name)++;
	return r;
}

static int alias_add(struct api_call *call, const char **ret_name, struct err *err)
{
	static const char *const fields[] = { "address", "targets" };
	Directory__Alias alias = DIRECTORY__ALIAS__INIT;
	const char *text, **targets;
	size_t n;
	int r = api_only(call, fields, ARRAY_SIZE(fields), err);

	if (r < 0 || (r = api_string_required(call, "address", &text, err)) < 0 ||
	    (r = alias_name(call, text, ret_name, err)) < 0 ||
	    (r = api_strings(call, "targets", TARGETS_MAX, &targets, &n, err)) < 0)
		return r;
	if (n == 0)
		return err_set(err, POD_E_SYNTAX, "an alias needs at least one target");
	for (size_t i = 0; i < n; i++) {
		r = api_address(call, targets[i], &targets[i], err);
		if (r < 0)
			return r;
	}
	alias.targets = (char **) (uintptr_t) targets; /* packed, not changed */
	alias.n_targets = n;
	return directory_create(call->podd->dir, DIRECTORY_ALIAS, span_of(*ret_name), &alias.base, err);
}

void api_alias_add(struct api_call *call)
{
	struct err err = { 0 };
	const char *name = NULL;

	if (alias_add(call, &name, &err) < 0)
		api_fail(call, &err);
	else
		api_reply_object(call, 201, DIRECTORY_ALIAS, name, alias_json);
}

void api_alias_remove(struct api_call *call)
{
	api_delete_object(call, DIRECTORY_ALIAS, call->params[0]);
}
