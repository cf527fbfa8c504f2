/* Devices of users: what they are, what an admin orders. */
#include <stddef.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mime/utf8.h"
#include "podctl/podd/devices.h"

static const char *address_of(const struct api_call *call)
{
	const char *address;
	struct err err;

	return api_address(call, call->params[0], &address, &err) == 0 ? address : call->params[0];
}

/* What a device says of itself. */
static const struct {
	const char *key;
	size_t offset; /* of a string in the record */
} said[] = {
	{ "type", offsetof(Device__Device, type) },
	{ "user_agent", offsetof(Device__Device, user_agent) },
	{ "model", offsetof(Device__Device, model) },
	{ "imei", offsetof(Device__Device, imei) },
	{ "name", offsetof(Device__Device, friendly_name) },
	{ "os", offsetof(Device__Device, os) },
	{ "os_language", offsetof(Device__Device, os_language) },
	{ "phone_number", offsetof(Device__Device, phone_number) },
	{ "operator", offsetof(Device__Device, mobile_operator) },
};

/* JSON is UTF-8: bytes that are none become "?". One bad text would else hide all devices of its user. */
static json_t *text_json(const struct api_call *call, const char *text)
{
	char *copy = arena_str(call->arena, span_of(text));

	for (char *p = copy; p && *p;) {
		size_t len = utf8_char_len(span_of(p));

		if (!len)
			*p = '?';
		p += len ? len : 1;
	}
	return copy ? json_string(copy) : NULL;
}

static const char *wipe_kind_text(Device__WipeKind kind)
{
	switch (kind) {
	case DEVICE__WIPE_KIND__WIPE_ACCOUNT: return "account";
	case DEVICE__WIPE_KIND__WIPE_DEVICE: return "device";
	default: return "";
	}
}

json_t *devices_json(const struct api_call *call, const Device__Device *d, bool secrets)
{
	json_t *json = json_pack(
		"{ss, ss, ss, sI, sI, ss, sI, sb, si, sI, ss, ss, sI, sI, sI}", "address", address_of(call),
		"id", d->id, "version", d->version, "first_seen", (json_int_t) d->first_seen, "last_seen",
		(json_int_t) d->last_seen, "access", device_access_text(d->access), "access_changed",
		(json_int_t) d->access_changed, "provisioned", d->policy_key != 0, "policy_status",
		(int) d->policy_status, "provisioned_at", (json_int_t) d->provisioned, "wipe",
		device_wipe_text(d->wipe_state), "wipe_kind", wipe_kind_text(d->wipe), "wipe_ordered",
		(json_int_t) d->wipe_ordered, "wipe_told", (json_int_t) d->wipe_told, "wipe_answered",
		(json_int_t) d->wipe_answered);
	bool ok = json != NULL;

	for (size_t i = 0; ok && i < ARRAY_SIZE(said); i++) {
		const char *text = *(char *const *) (const void *) ((const char *) d + said[i].offset);

		ok = json_object_set_new(json, said[i].key, text_json(call, text)) == 0;
	}
	if (ok && secrets && *d->recovery_password)
		ok = json_object_set_new(json, "recovery_password", text_json(call, d->recovery_password)) ==
		     0;
	if (ok)
		return json;
	json_decref(json);
	return NULL;
}

static json_t *all_json(struct api_call *call, Device__Device *const *devices, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++)
		if (json_array_append_new(list, devices_json(call, devices[i], false)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list ? json_pack("{so, sb}", "devices", list, "more", 0) : NULL;
}

static json_t *one_json(struct api_call *call, Device__Device *const *devices, size_t n)
{
	return devices_json(call, devices[0], true);
}

void api_device_list(struct api_call *call)
{
	devices_read(call, NULL, all_json);
}

void api_device_get(struct api_call *call)
{
	devices_read(call, call->params[1], one_json);
}

void api_device_remove(struct api_call *call)
{
	devices_remove(call);
}

/* ---- orders ---- */

static int order(Device__Device *d, void *arg, struct err *err)
{
	const char *what = arg;

	if (strcmp(what, "device") == 0)
		return device_wipe(d, DEVICE__WIPE_KIND__WIPE_DEVICE, clock_wall_s(), err);
	if (strcmp(what, "account") == 0)
		return device_wipe(d, DEVICE__WIPE_KIND__WIPE_ACCOUNT, clock_wall_s(), err);
	if (strcmp(what, "cancel") == 0)
		device_wipe_cancel(d);
	else
		device_allow(d, strcmp(what, "allow") == 0, clock_wall_s());
	return 0;
}

/* The body's one field, which has to be one of words. */
static void do_order(struct api_call *call, const char *field, const char *const *words, size_t n)
{
	struct err err = { 0 };
	const char *word;
	int r = api_only(call, &field, 1, &err);

	if (r == 0)
		r = api_string_required(call, field, &word, &err);
	for (size_t i = 0; r == 0 && i < n; i++)
		if (strcmp(word, words[i]) == 0) {
			devices_change(call, order, (char *) (uintptr_t) words[i]);
			return;
		}
	if (r == 0)
		(void) err_set(&err, POD_E_SYNTAX, "%s is none of what can be said", field);
	api_fail(call, &err);
}

void api_device_wipe(struct api_call *call)
{
	static const char *const words[] = { "device", "account", "cancel" };

	do_order(call, "wipe", words, ARRAY_SIZE(words));
}

void api_device_access(struct api_call *call)
{
	static const char *const words[] = { "allow", "block" };

	do_order(call, "access", words, ARRAY_SIZE(words));
}
