/* Policies for devices, of a domain or of a user. */
#include <string.h>

#include "base/cleanup.h"
#include "device/device.h"
#include "podctl/podd/api.h"

/* Whose they are: a record that is put back. */
struct owner {
	enum directory_kind kind;
	const char *name;
	ProtobufCMessage *record;
	char ***settings;
	size_t *n;
	char **new_devices; /* of a domain; else NULL */
};

static int owner_find(struct api_call *call, enum directory_kind kind, struct owner *ret, struct err *err)
{
	const ProtobufCMessage *record;
	const char *name = call->params[0];
	int r = kind == DIRECTORY_USER ? api_address(call, name, &name, err) : 0;
	Directory__Domain *d = arena_new(call->arena, Directory__Domain);
	Directory__User *u = arena_new(call->arena, Directory__User);

	if (!d || !u)
		return err_set(err, POD_E_NOMEM, "policies");
	if (r < 0 || (r = directory_get(call->podd->dir, call->arena, kind, span_of(name), &record, err)) < 0)
		return r;
	if (kind == DIRECTORY_USER) {
		*u = *(const Directory__User *) record;
		*ret = (struct owner){
			kind, name, &u->base, &u->device_policies, &u->n_device_policies, NULL
		};
	} else {
		*d = *(const Directory__Domain *) record;
		*ret = (struct owner){
			kind, name, &d->base, &d->device_policies, &d->n_device_policies, &d->new_devices
		};
	}
	return 0;
}

/* Where a setting is in the record; n where it is not. */
static size_t find(const struct owner *o, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < *o->n; i++)
		if (strncmp((*o->settings)[i], name, len) == 0 && (*o->settings)[i][len] == '=')
			return i;
	return *o->n;
}

/* Sets one, or takes it away where value is empty. */
static int set(struct api_call *call, struct owner *o, const char *name, const char *value, struct err *err)
{
	int at = device_policy_find(span_of(name));
	size_t i;

	if (at < 0)
		return err_set(err, POD_E_SYNTAX, "there is no policy %.64s", name);
	i = find(o, device_policies[at].name);
	if (!*value) {
		if (i < *o->n)
			(*o->settings)[i] = (*o->settings)[--*o->n];
		return 0;
	}
	if (device_policy_check(&device_policies[at], span_of(value), err) < 0)
		return -err->code;
	(*o->settings)[i] = arena_printf(call->arena, "%s=%s", device_policies[at].name, value);
	if (i == *o->n)
		++*o->n;
	return (*o->settings)[i] ? 0 : err_set(err, POD_E_NOMEM, "policies");
}

static int set_all(struct api_call *call, struct owner *o, struct err *err)
{
	json_t *settings = json_object_get(call->body, "settings"), *value;
	char **room = arena_array(call->arena, *o->n + json_object_size(settings) + 1, sizeof(*room));
	const char *name;
	int r = 0;

	if (!room)
		return err_set(err, POD_E_NOMEM, "policies");
	for (size_t i = 0; i < *o->n; i++)
		room[i] = (*o->settings)[i];
	*o->settings = room;
	json_object_foreach(settings, name, value)
	{
		if (r == 0)
			r = json_is_string(value) ? set(call, o, name, json_string_value(value), err)
			                          : err_set(err, POD_E_SYNTAX, "%.64s is not a string", name);
	}
	return r;
}

static int set_new_devices(const struct api_call *call, struct owner *o, struct err *err)
{
	const char *word;
	int r = api_string(call, "new_devices", &word, err);

	if (r < 0 || !word)
		return r;
	if (!o->new_devices)
		return err_set(err, POD_E_SYNTAX, "how new devices are received is a domain's to say");
	if (strcmp(word, "allow") != 0 && strcmp(word, "quarantine") != 0 && strcmp(word, "block") != 0)
		return err_set(err, POD_E_SYNTAX, "new devices: allow, quarantine or block");
	*o->new_devices = (char *) (uintptr_t) word;
	return 0;
}

/* What a policy says and what stands where nobody sets it. */
static json_t *policy_json(const struct owner *o, const struct device_policy *policy)
{
	size_t i = find(o, policy->name);
	const char *value = i < *o->n ? (*o->settings)[i] + strlen(policy->name) + 1 : NULL;

	return json_pack("{ss, ss?, ss?, ss}", "name", policy->name, "value", value, "otherwise",
	                 policy->otherwise, "help", policy->help);
}

static void answer(struct api_call *call, const struct owner *o)
{
	json_t *list = json_array();

	for (size_t i = 0; i < device_policies_n; i++)
		(void) json_array_append_new(list, policy_json(o, &device_policies[i]));
	api_reply(call, 200,
	          json_pack("{ss, ss*, so}", "name", o->name, "new_devices",
	                    !o->new_devices    ? NULL
	                    : **o->new_devices ? *o->new_devices
	                                       : "allow",
	                    "policies", list));
}

static void show(struct api_call *call, enum directory_kind kind)
{
	struct err err = { 0 };
	struct owner o;

	if (owner_find(call, kind, &o, &err) < 0)
		api_fail(call, &err);
	else
		answer(call, &o);
}

static void change(struct api_call *call, enum directory_kind kind)
{
	static const char *const fields[] = { "settings", "new_devices" };
	struct err err = { 0 };
	struct owner o;

	if (api_only(call, fields, ARRAY_SIZE(fields), &err) < 0 || owner_find(call, kind, &o, &err) < 0 ||
	    set_all(call, &o, &err) < 0 || set_new_devices(call, &o, &err) < 0 ||
	    directory_replace(call->podd->dir, kind, span_of(o.name), o.record, &err) < 0)
		api_fail(call, &err);
	else
		answer(call, &o);
}

void api_user_policies_get(struct api_call *call)
{
	show(call, DIRECTORY_USER);
}

void api_user_policies_set(struct api_call *call)
{
	change(call, DIRECTORY_USER);
}

void api_domain_policies_get(struct api_call *call)
{
	show(call, DIRECTORY_DOMAIN);
}

void api_domain_policies_set(struct api_call *call)
{
	change(call, DIRECTORY_DOMAIN);
}
