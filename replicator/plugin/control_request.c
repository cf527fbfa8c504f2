#include "replicator/plugin/control_internal.h"

#include <stddef.h>

#include "base/cleanup.h"

/* What a field is called, what it must be, and where it goes. */
enum field_type { FIELD_TEXT, FIELD_NUMBER, FIELD_BOOL };

#define AT(member) offsetof(struct control_request, member)
static const struct {
	const char *name;
	enum field_type type;
	size_t offset;
} fields[CONTROL_FIELDS] = {
	[CF_NAME] = { "name", FIELD_TEXT, AT(name) },
	[CF_PEER] = { "peer", FIELD_TEXT, AT(peer) },
	[CF_ADDRESS] = { "address", FIELD_TEXT, AT(address) },
	[CF_MODE] = { "mode", FIELD_TEXT, AT(mode) },
	[CF_IDENTITY] = { "identity", FIELD_TEXT, AT(identity) },
	[CF_COMPRESS] = { "compress", FIELD_TEXT, AT(compress) },
	[CF_TOKEN] = { "token", FIELD_NUMBER, AT(token) },
	[CF_WAIT_MS] = { "wait_ms", FIELD_NUMBER, AT(wait_ms) },
	[CF_SERIAL] = { "serial", FIELD_NUMBER, AT(serial) },
	[CF_SIZE] = { "size", FIELD_NUMBER, AT(size) },
	[CF_FOR_MS] = { "for_ms", FIELD_NUMBER, AT(for_ms) },
	[CF_FORCE] = { "force", FIELD_BOOL, AT(force) },
	[CF_HOLD] = { "hold", FIELD_BOOL, AT(hold) },
	[CF_IN_SYNC] = { "in_sync", FIELD_BOOL, AT(in_sync) },
	[CF_REPAIR] = { "repair", FIELD_BOOL, AT(repair) },
};

static int wrong_type(const char *name, const char *expected, struct err *err)
{
	return err_set(err, POD_E_SYNTAX, "%s: %s is expected", name, expected);
}

static int field_set(struct control_request *q, size_t field, const json_t *value, struct err *err)
{
	void *at = (char *) q + fields[field].offset;

	switch (fields[field].type) {
	case FIELD_TEXT:
		if (!json_is_string(value))
			return wrong_type(fields[field].name, "a text", err);
		*(const char **) at = json_string_value(value);
		return 0;
	case FIELD_NUMBER:
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return wrong_type(fields[field].name, "a whole number from 0 on", err);
		*(uint64_t *) at = (uint64_t) json_integer_value(value);
		return 0;
	case FIELD_BOOL:
		if (!json_is_boolean(value))
			return wrong_type(fields[field].name, "true or false", err);
		*(bool *) at = json_is_true(value);
		return 0;
	}
	return 0;
}

static size_t field_find(const char *name)
{
	size_t i = 0;

	while (i < CONTROL_FIELDS && strcmp(fields[i].name, name) != 0)
		i++;
	return i;
}

/* The request's texts stay the JSON's. */
static int read_fields(const struct control_command *command, json_t *json, struct control_request *ret,
                       struct err *err)
{
	uint32_t seen = 0, may = command->needs | command->takes;
	const char *key;
	json_t *value;

	json_object_foreach(json, key, value)
	{
		size_t field = field_find(key);
		int r;

		if (strcmp(key, "do") == 0)
			continue;
		if (field == CONTROL_FIELDS || !(may & 1u << field))
			return err_set(err, POD_E_SYNTAX, "%s does not take the field %.60s", command->name,
			               key);
		r = field_set(ret, field, value, err);
		if (r < 0)
			return r;
		seen |= 1u << field;
	}
	for (size_t i = 0; i < CONTROL_FIELDS; i++)
		if (command->needs & ~seen & 1u << i)
			return err_set(err, POD_E_SYNTAX, "%s needs the field %s", command->name,
			               fields[i].name);
	return 0;
}

static const struct control_command *command_find(const char *name)
{
	for (size_t i = 0; i < control_commands_n; i++)
		if (strcmp(control_commands[i].name, name) == 0)
			return &control_commands[i];
	return NULL;
}

static int parse(struct span line, json_t **ret_json, struct err *err)
{
	json_error_t error;
	json_t *json = json_loadb((const char *) line.p, line.len, JSON_REJECT_DUPLICATES, &error);

	if (!json)
		return err_set(err, POD_E_SYNTAX, "not a line of JSON: %s", error.text);
	*ret_json = json;
	return 0;
}

static int read_command(const json_t *json, const struct control_command **ret_command, struct err *err)
{
	const char *name = json_string_value(json_object_get(json, "do"));
	const struct control_command *command = name ? command_find(name) : NULL;

	if (!name)
		return err_set(err, POD_E_SYNTAX, "an object with the text field \"do\" is expected");
	if (!command)
		return err_set(err, POD_E_UNSUPPORTED, "there is no command %.60s", name);
	*ret_command = command;
	return 0;
}

int control_request_read(struct span line, json_t **ret_json, const struct control_command **ret_command,
                         struct control_request *ret, struct err *err)
{
	const struct control_command *command = NULL;
	struct control_request q = { 0 };
	json_t *json = NULL;
	int r = parse(line, &json, err);

	if (r == 0)
		r = read_command(json, &command, err);
	if (r == 0)
		r = read_fields(command, json, &q, err);
	if (r < 0) {
		json_decref(json);
		return r;
	}
	*ret_json = json;
	*ret_command = command;
	*ret = q;
	return 0;
}

json_t *control_request_refused(int r, const struct err *err)
{
	json_t *json = json_pack("{sb, ss, ss}", "ok", 0, "error", err_code_name(r), "text", err_text(err));

	/* A text cut in the middle of a character is no JSON: then the code's own words have to do. */
	return json ? json
	            : json_pack("{sb, ss, ss}", "ok", 0, "error", err_code_name(r), "text", err_code_text(r));
}

json_t *control_request_run(struct control_call *c, struct span line)
{
	const struct control_command *command;
	struct err err = { 0 };
	json_t *json = NULL;
	int r = control_request_read(line, &json, &command, &c->request, &err);

	c->answer = json_pack("{sb}", "ok", 1);
	if (r == 0)
		r = command->run(c, &err);
	json_decref(json);
	if (r == 0)
		return c->answer;
	json_decref(c->answer);
	return control_request_refused(r, &err);
}
