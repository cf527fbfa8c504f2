#include "podctl/podd/sending.h"

#include "base/cleanup.h"

static const struct {
	const char *name;
	size_t offset;
	uint32_t highest;
	bool may_be_unlimited;
} fields[SENDING_FIELDS_N] = {
	{ "messages_per_hour", offsetof(Directory__User, messages_per_hour), INT32_MAX, true },
	{ "messages_per_day", offsetof(Directory__User, messages_per_day), INT32_MAX, true },
	{ "recipients_per_hour", offsetof(Directory__User, recipients_per_hour), INT32_MAX, true },
	{ "recipients_per_day", offsetof(Directory__User, recipients_per_day), INT32_MAX, true },
	{ "undo_send_s", offsetof(Directory__User, undo_send_s), SENDING_UNDO_MAX_S, false },
};

static int read_one(const struct api_call *call, size_t i, struct sending_changes *c, struct err *err)
{
	const json_t *value = json_object_get(call->body, fields[i].name);
	json_int_t n = json_integer_value(value);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || n > fields[i].highest || n < (fields[i].may_be_unlimited ? -1 : 0))
		return err_set(err, POD_E_SYNTAX, "%s is a number from %d to %u", fields[i].name,
		               fields[i].may_be_unlimited ? -1 : 0, fields[i].highest);
	c->any = c->fields[i].set = true;
	c->fields[i].value = n < 0 ? DIRECTORY_UNLIMITED : (uint32_t) n;
	return 0;
}

int sending_read(const struct api_call *call, struct sending_changes *ret_changes, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < SENDING_FIELDS_N; i++)
		r = read_one(call, i, ret_changes, err);
	return r;
}

void sending_apply(const struct sending_changes *changes, Directory__User *user)
{
	for (size_t i = 0; i < SENDING_FIELDS_N; i++)
		if (changes->fields[i].set)
			memcpy((char *) user + fields[i].offset, &changes->fields[i].value, sizeof(uint32_t));
}

int sending_json(const Directory__User *user, json_t *json)
{
	if (json_object_set_new(json, "send_as", api_strings_json(user->send_as, user->n_send_as)) < 0)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < SENDING_FIELDS_N; i++) {
		uint32_t v;

		memcpy(&v, (const char *) user + fields[i].offset, sizeof(v));
		if (json_object_set_new(json, fields[i].name,
		                        json_integer(v == DIRECTORY_UNLIMITED ? -1 : (json_int_t) v)) < 0)
			return -POD_E_NOMEM;
	}
	return 0;
}
