#include "podctl/podd/devices.h"

#include <string.h>

#include "podctl/podd/users.h"

#define TRIES 8 /* against a gateway that writes the same record */

/* A call under way: what the store is asked next follows from what it has answered. */
struct asking {
	struct api_call *call;
	const Directory__User *user;
	char *id; /* NULL: all */
	devices_answer_fn *answer;
	devices_change_fn *change;
	void *arg;
	Device__Device *device; /* as it is being written */
	unsigned int tries;
};

static void read_records(struct asking *as, char **names, size_t n);

static void fail(const struct asking *as, int code, const char *text)
{
	struct err err = { 0 };

	(void) err_set(&err, (enum pod_error) - code, "volume %s: %s", as->user->volume,
	               *text ? text : err_code_text(code));
	api_fail(as->call, &err);
}

static void no_memory(const struct asking *as)
{
	struct err err = { 0 };

	(void) err_set(&err, POD_E_NOMEM, "devices");
	api_fail(as->call, &err);
}

static struct asking *start(struct api_call *call, const char *id)
{
	struct asking *as = arena_new(call->arena, struct asking);
	const ProtobufCMessage *record;
	struct err err = { 0 };
	const char *address;
	int r = as ? api_address(call, call->params[0], &address, &err)
	           : err_set(&err, POD_E_NOMEM, "devices");

	if (r == 0)
		r = directory_get(call->podd->dir, call->arena, DIRECTORY_USER, span_of(address), &record,
		                  &err);
	if (r == -POD_E_NOTFOUND)
		(void) err_set(&err, POD_E_NOTFOUND, "there is no user %.128s", address);
	if (r < 0) {
		api_fail(call, &err);
		return NULL;
	}
	*as = (struct asking){ .call = call,
		               .user = (const Directory__User *) record,
		               .id = (char *) (uintptr_t) id };
	return as;
}

static void ask(struct asking *as, enum store_method method, const ProtobufCMessage *request,
                store_reply_fn *fn)
{
	struct err err = { 0 };
	struct store_client *store = store_pool_get(as->call->podd->stores, as->user->volume, &err);

	if (store && store_call(store, method, request, SPAN_NONE, -1, USERS_STORE_TIMEOUT_MS, fn, as))
		return;
	if (!err.code)
		(void) err_set(&err, POD_E_NOMEM, "devices");
	api_fail(as->call, &err);
}

/* ---- reading ---- */

static void on_names(void *arg, const struct store_reply *reply)
{
	const Podstore__StateListReply *list = (const Podstore__StateListReply *) reply->message;
	struct asking *as = arg;
	char **names;
	size_t n = 0;

	if (reply->code < 0) {
		fail(as, reply->code, reply->text);
		return;
	}
	names = arena_array(as->call->arena, list->n_entries + 1, sizeof(*names));
	for (size_t i = 0; names && i < list->n_entries; i++)
		if (device_id_of(span_of(list->entries[i]->name)).len > 0) {
			names[n] = arena_str(as->call->arena, span_of(list->entries[i]->name));
			if (!names[n++])
				names = NULL;
		}
	if (names)
		read_records(as, names, n);
	else
		no_memory(as);
}

static int unpack(struct asking *as, const Podstore__StateGetReply *got, Device__Device **ret_devices,
                  struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < got->n_entries; i++) {
		ProtobufCBinaryData *value = &got->entries[i]->value;

		r = device_unpack(as->call->arena, span_make(value->data, value->len), &ret_devices[i], err);
	}
	return r;
}

static void answer_records(struct asking *as, const Podstore__StateGetReply *got)
{
	Device__Device **devices = arena_array(as->call->arena, got->n_entries + 1, sizeof(*devices));
	struct err err = { 0 };

	if (!devices)
		no_memory(as);
	else if (unpack(as, got, devices, &err) < 0)
		api_fail(as->call, &err);
	else
		api_reply(as->call, 200, as->answer(as->call, devices, got->n_entries));
}

static void not_there(const struct asking *as)
{
	struct err err = { 0 };

	(void) err_set(&err, POD_E_NOTFOUND, "%.128s has no device %.64s", as->call->params[0], as->id);
	api_fail_hint(as->call, &err, "podctl device list shows the devices");
}

static void write_record(struct asking *as, const Podstore__StateEntry *entry);

static void on_records(void *arg, const struct store_reply *reply)
{
	const Podstore__StateGetReply *got = (const Podstore__StateGetReply *) reply->message;
	struct asking *as = arg;

	if (reply->code < 0)
		fail(as, reply->code, reply->text);
	else if (as->id && got->n_entries == 0)
		not_there(as);
	else if (as->change)
		write_record(as, got->entries[0]);
	else
		answer_records(as, got);
}

static void read_records(struct asking *as, char **names, size_t n)
{
	Podstore__StateGet request = PODSTORE__STATE_GET__INIT;

	request.user_id = as->user->user_id;
	request.names = names;
	request.n_names = n;
	ask(as, STORE_STATE_GET, &request.base, on_records);
}

static void read_one(struct asking *as)
{
	char *name = device_state_name(as->call->arena, as->id);

	if (name)
		read_records(as, &name, 1);
	else
		no_memory(as);
}

void devices_read(struct api_call *call, const char *id, devices_answer_fn *answer)
{
	Podstore__StateList request = PODSTORE__STATE_LIST__INIT;
	struct asking *as = start(call, id);

	if (!as)
		return;
	as->answer = answer;
	request.user_id = as->user->user_id;
	request.prefix = (char *) (uintptr_t) "eas/";
	if (id)
		read_one(as);
	else
		ask(as, STORE_STATE_LIST, &request.base, on_names);
}

/* ---- changing ---- */

static void on_written(void *arg, const struct store_reply *reply)
{
	struct asking *as = arg;

	if (reply->code == -POD_E_CONFLICT && ++as->tries < TRIES)
		read_one(as);
	else if (reply->code < 0)
		fail(as, reply->code, reply->text);
	else
		api_reply(as->call, 200, devices_json(as->call, as->device, false));
}

static void write_record(struct asking *as, const Podstore__StateEntry *entry)
{
	Podstore__StateChange change = PODSTORE__STATE_CHANGE__INIT, *changes = &change;
	Podstore__StatePut request = PODSTORE__STATE_PUT__INIT;
	struct err err = { 0 };
	struct span value;

	if (device_unpack(as->call->arena, span_make(entry->value.data, entry->value.len), &as->device,
	                  &err) < 0 ||
	    as->change(as->device, as->arg, &err) < 0) {
		api_fail(as->call, &err);
		return;
	}
	value = device_pack(as->call->arena, as->device);
	if (!value.p) {
		no_memory(as);
		return;
	}
	change.name = entry->name;
	change.value = (ProtobufCBinaryData){ value.len, (uint8_t *) (uintptr_t) value.p };
	change.expects = true;
	change.version = entry->version;
	request.user_id = as->user->user_id;
	request.changes = &changes;
	request.n_changes = 1;
	ask(as, STORE_STATE_PUT, &request.base, on_written);
}

void devices_change(struct api_call *call, devices_change_fn *change, void *arg)
{
	struct asking *as = start(call, call->params[1]);

	if (!as)
		return;
	as->change = change;
	as->arg = arg;
	read_one(as);
}

/* ---- removing ---- */

static void on_removed(void *arg, const struct store_reply *reply)
{
	struct asking *as = arg;

	if (reply->code < 0)
		fail(as, reply->code, reply->text);
	else if (((const Podstore__StateDeleteReply *) reply->message)->removed == 0)
		not_there(as);
	else
		api_reply(as->call, 200, json_pack("{ss}", "removed", as->id));
}

void devices_remove(struct api_call *call)
{
	Podstore__StateDelete request = PODSTORE__STATE_DELETE__INIT;
	struct asking *as = start(call, call->params[1]);

	if (!as)
		return;
	request.user_id = as->user->user_id;
	request.prefix = device_state_prefix(call->arena, as->id);
	if (request.prefix)
		ask(as, STORE_STATE_DELETE, &request.base, on_removed);
	else
		no_memory(as);
}
