/* What a request's body may hold: each field is taken by name, type and size; unknown ones are refused. */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "mime/address.h"
#include "podctl/podd/api.h"
#include "conf/conf.h"

#define FIELD_MAX 1024

json_t *api_strings_json(char *const *items, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < n; i++) {
		if (json_array_append_new(array, json_string(items[i])) < 0) {
			json_decref(array);
			array = NULL;
		}
	}
	return array;
}

int api_only(const struct api_call *call, const char *const *names, size_t n, struct err *err)
{
	const char *key;
	json_t *value;

	json_object_foreach(call->body, key, value)
	{
		size_t i = 0;

		while (i < n && strcmp(names[i], key) != 0)
			i++;
		if (i == n)
			return err_set(err, POD_E_SYNTAX, "unknown field \"%.64s\"", key);
	}
	return 0;
}

int api_string(const struct api_call *call, const char *name, const char **ret_text, struct err *err)
{
	const json_t *value = json_object_get(call->body, name);

	if (!value || json_is_null(value)) {
		*ret_text = NULL;
		return 0;
	}
	/* jansson keeps the length: a NUL inside would cut the string short later. */
	if (!json_is_string(value) || json_string_length(value) != strlen(json_string_value(value)))
		return err_set(err, POD_E_SYNTAX, "%s must be a string", name);
	if (json_string_length(value) > FIELD_MAX)
		return err_set(err, POD_E_LIMIT, "%s is longer than %d bytes", name, FIELD_MAX);
	*ret_text = json_string_value(value);
	return 0;
}

int api_string_required(const struct api_call *call, const char *name, const char **ret_text, struct err *err)
{
	int r = api_string(call, name, ret_text, err);

	if (r == 0 && (!*ret_text || !**ret_text))
		return err_set(err, POD_E_SYNTAX, "%s is missing", name);
	return r;
}

int api_language(const struct api_call *call, const char **ret_language, struct err *err)
{
	int r = api_string(call, "language", ret_language, err);

	if (r < 0 || !*ret_language || !**ret_language)
		return r;
	for (unsigned int i = 0; conf_language_name(i); i++)
		if (strcmp(conf_language_name(i), *ret_language) == 0)
			return 0;
	return err_set(err, POD_E_SYNTAX, "language: there are no words in \"%.16s\"", *ret_language);
}

int api_size(const struct api_call *call, const char *name, bool *ret_there, uint64_t *ret_value,
             struct err *err)
{
	const json_t *value = json_object_get(call->body, name);

	*ret_there = value && !json_is_null(value);
	if (!*ret_there)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return err_set(err, POD_E_SYNTAX, "%s must be a number of bytes", name);
	*ret_value = (uint64_t) json_integer_value(value);
	return 0;
}

int api_bool(const struct api_call *call, const char *name, bool *ret_there, bool *ret_value, struct err *err)
{
	const json_t *value = json_object_get(call->body, name);

	*ret_there = value && !json_is_null(value);
	if (!*ret_there)
		return 0;
	if (!json_is_boolean(value))
		return err_set(err, POD_E_SYNTAX, "%s must be true or false", name);
	*ret_value = json_boolean_value(value);
	return 0;
}

int api_strings(const struct api_call *call, const char *name, size_t max, const char ***ret_items,
                size_t *ret_n, struct err *err)
{
	const json_t *array = json_object_get(call->body, name);
	size_t n = json_array_size(array);
	const char **items;

	if (array && !json_is_array(array))
		return err_set(err, POD_E_SYNTAX, "%s must be an array", name);
	if (n > max)
		return err_set(err, POD_E_LIMIT, "%s: more than %zu entries", name, max);
	items = arena_array(call->arena, n + 1, sizeof(*items));
	if (!items)
		return err_set(err, POD_E_NOMEM, "%s", name);
	for (size_t i = 0; i < n; i++) {
		items[i] = json_string_value(json_array_get(array, i));
		if (!items[i] || strlen(items[i]) > FIELD_MAX)
			return err_set(err, POD_E_SYNTAX, "%s must hold strings of at most %d bytes", name,
			               FIELD_MAX);
	}
	*ret_items = items;
	*ret_n = n;
	return 0;
}

int api_address(const struct api_call *call, const char *text, const char **ret_address, struct err *err)
{
	struct address parsed;
	struct span key;
	int r = address_parse_path(call->arena, span_of(text), true, &parsed, err);

	if (r < 0)
		return err_wrap(err, r, "%.128s", text);
	if (parsed.domain.len == 0)
		return err_set(err, POD_E_SYNTAX, "%.128s: an address is local@domain", text);
	key = address_key(call->arena, &parsed);
	*ret_address = key.p ? arena_str(call->arena, key) : NULL;
	return *ret_address ? 0 : err_set(err, POD_E_NOMEM, "address");
}

int api_check_name(const char *what, const char *name, struct err *err)
{
	size_t len = strlen(name), good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (len == 0 || len > 32 || good != len || name[0] == '-')
		return err_set(
			err, POD_E_SYNTAX,
			"%s: a %s's name is 1 to 32 small letters, digits and hyphens, no hyphen first", name,
			what);
	return 0;
}
