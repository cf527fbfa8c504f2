/* keys.json. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/keys/keys_internal.h"

#define LIST_FILE "keys.json"

static const char *const state_names[] = {
	[KEY_NEW] = "new", [KEY_ACTIVE] = "active", [KEY_RETIRED] = "retired"
};
static const char *const type_names[] = { [KEY_RSA] = "rsa", [KEY_ED25519] = "ed25519" };

const char *key_state_name(enum key_state state)
{
	return state_names[state];
}

const char *key_type_name(enum key_type type)
{
	return type_names[type];
}

static int name_find(const char *const *names, size_t n, struct span name)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(name, span_of(names[i])))
			return (int) i;
	return -1;
}

int key_type_parse(struct span name, enum key_type *ret_type)
{
	int i = name_find(type_names, ARRAY_SIZE(type_names), name);

	if (i < 0)
		return -POD_E_SYNTAX;
	*ret_type = (enum key_type) i;
	return 0;
}

const struct key_info *keys_find(const struct key_list *list, const char *selector)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->keys[i].selector, selector) == 0)
			return &list->keys[i];
	return NULL;
}

static int key_of_json(struct arena *a, json_t *json, struct key_info *ret)
{
	const char *selector, *type, *state;
	json_int_t created, activated = 0, retired = 0;
	int bits = 0, t, s;

	if (json_unpack(json, "{s:s, s:s, s:s, s:I, s?i, s?I, s?I}", "selector", &selector, "type", &type,
	                "state", &state, "created", &created, "bits", &bits, "activated", &activated,
	                "retired", &retired) < 0)
		return -POD_E_CORRUPT;
	t = name_find(type_names, ARRAY_SIZE(type_names), span_of(type));
	s = name_find(state_names, ARRAY_SIZE(state_names), span_of(state));
	if (t < 0 || s < 0 || bits < 0 || strlen(selector) > KEYS_SELECTOR_MAX || strchr(selector, '/'))
		return -POD_E_CORRUPT;
	*ret = (struct key_info){ .selector = arena_str(a, span_of(selector)),
		                  .type = (enum key_type) t,
		                  .state = (enum key_state) s,
		                  .bits = (unsigned int) bits,
		                  .created_s = created,
		                  .activated_s = activated,
		                  .retired_s = retired };
	return ret->selector ? 0 : -POD_E_NOMEM;
}

static int list_of_json(struct arena *a, json_t *json, struct key_list *list)
{
	json_t *array = NULL, *item;
	int days = 0, r = 0;
	size_t i;

	if (!json || json_unpack(json, "{s?i, s:o}", "rotate_days", &days, "keys", &array) < 0 || days < 0 ||
	    json_array_size(array) > KEYS_MAX)
		return -POD_E_CORRUPT;
	list->rotate_days = (unsigned int) days;
	json_array_foreach(array, i, item) if (r == 0 && (r = key_of_json(a, item, &list->keys[list->n])) ==
	                                                         0) list->n++;
	return r;
}

int keys_read(struct keys *keys, struct arena *a, const char *domain, struct key_list *ret_list,
              struct err *err)
{
	struct key_list list = { 0 };
	const char *path = NULL;
	struct span text;
	json_t *json;
	int r = keys_domain(a, domain, &list.domain, err);

	if (r == 0 && !(path = keys_path(keys, a, list.domain, LIST_FILE)))
		r = err_set(err, POD_E_NOMEM, "keys");
	if (r == 0) {
		r = keys_read_file(path, a, &text, err);
		if (r == -POD_E_NOTFOUND) {
			*ret_list = list;
			return 0;
		}
	}
	if (r < 0)
		return r;
	json = json_loadb((const char *) text.p, text.len, 0, NULL);
	r = list_of_json(a, json, &list);
	json_decref(json);
	if (r < 0)
		return err_set(err, (enum pod_error) - r, "%s", path);
	*ret_list = list;
	return 0;
}

static json_t *json_of_list(const struct key_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++) {
		const struct key_info *k = &list->keys[i];

		(void) json_array_append_new(
			array,
			json_pack("{s:s, s:s, s:s, s:i, s:I, s:I, s:I}", "selector", k->selector, "type",
		                  key_type_name(k->type), "state", key_state_name(k->state), "bits",
		                  (int) k->bits, "created", (json_int_t) k->created_s, "activated",
		                  (json_int_t) k->activated_s, "retired", (json_int_t) k->retired_s));
	}
	return json_pack("{s:i, s:o}", "rotate_days", (int) list->rotate_days, "keys", array);
}

int keys_write_list(const struct keys *keys, struct arena *a, const struct key_list *list, struct err *err)
{
	json_t *json = json_of_list(list);
	_cleanup_(freep) char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
	bool whole = text && json_array_size(json_object_get(json, "keys")) == list->n;

	json_decref(json);
	if (!whole)
		return err_set(err, POD_E_NOMEM, "keys");
	return keys_write_file(keys, a, list->domain, LIST_FILE, span_of(text), err);
}
