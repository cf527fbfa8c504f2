#include "device/device.h"

#include <string.h>

#define PREFIX SPAN_LIT("eas/")
#define SUFFIX SPAN_LIT("/device")

char *device_state_prefix(struct arena *a, const char *id)
{
	return arena_printf(a, "eas/%s/", id);
}

char *device_state_name(struct arena *a, const char *id)
{
	return arena_printf(a, "eas/%s/device", id);
}

struct span device_id_of(struct span name)
{
	struct span id;

	if (name.len <= PREFIX.len + SUFFIX.len || !span_eq(span_head(name, PREFIX.len), PREFIX) ||
	    !span_eq(span_skip(name, name.len - SUFFIX.len), SUFFIX))
		return SPAN_NONE;
	id = span_head(span_skip(name, PREFIX.len), name.len - PREFIX.len - SUFFIX.len);
	return memchr(id.p, '/', id.len) ? SPAN_NONE : id;
}

static void *allocate(void *arg, size_t size)
{
	return arena_alloc(arg, size);
}

static void release(void *arg, void *p)
{
}

int device_unpack(struct arena *a, struct span value, Device__Device **ret_device, struct err *err)
{
	ProtobufCAllocator allocator = { allocate, release, a };

	*ret_device = device__device__unpack(&allocator, value.len, value.p);
	return *ret_device ? 0 : err_set(err, POD_E_CORRUPT, "the record of a device");
}

struct span device_pack(struct arena *a, const Device__Device *device)
{
	size_t len = device__device__get_packed_size(device);
	uint8_t *p = arena_alloc(a, len + 1);

	return p ? span_make(p, device__device__pack(device, p)) : SPAN_NONE;
}

int device_wipe(Device__Device *device, Device__WipeKind kind, int64_t now_s, struct err *err)
{
	if (kind == DEVICE__WIPE_KIND__WIPE_ACCOUNT && strcmp(device->version, "16.1") != 0)
		return err_set(err, POD_E_UNSUPPORTED,
		               "the device speaks version %.16s: only 16.1 can remove the account alone",
		               device->version);
	device->wipe = kind;
	device->wipe_state = DEVICE__WIPE_STATE__WIPE_STATE_PENDING;
	device->wipe_ordered = now_s;
	device->wipe_told = device->wipe_answered = 0;
	return 0;
}

void device_wipe_cancel(Device__Device *device)
{
	device->wipe = DEVICE__WIPE_KIND__WIPE_NONE;
	device->wipe_state = DEVICE__WIPE_STATE__WIPE_STATE_NONE;
	device->wipe_ordered = device->wipe_told = device->wipe_answered = 0;
}

void device_allow(Device__Device *device, bool allow, int64_t now_s)
{
	device->access = allow ? DEVICE__ACCESS__ACCESS_ALLOWED : DEVICE__ACCESS__ACCESS_BLOCKED;
	device->access_changed = now_s;
}

/* One that was wiped and comes again has been set up anew by whoever holds it: it is wiped again. */
bool device_must_wipe(const Device__Device *device)
{
	return device->wipe != DEVICE__WIPE_KIND__WIPE_NONE;
}

void device_wipe_told(Device__Device *device, int64_t now_s)
{
	device->wipe_state = DEVICE__WIPE_STATE__WIPE_STATE_REQUESTED;
	device->wipe_told = now_s;
	device->policy_key = device->pending_key = 0; /* what it knew is void */
}

void device_wipe_answered(Device__Device *device, unsigned int status, int64_t now_s)
{
	device->wipe_state =
		status == 1 ? DEVICE__WIPE_STATE__WIPE_STATE_DONE : DEVICE__WIPE_STATE__WIPE_STATE_FAILED;
	device->wipe_answered = now_s;
}

const char *device_access_text(Device__Access access)
{
	static const char *const texts[] = { "open", "quarantined", "allowed", "blocked" };

	return (size_t) access < sizeof(texts) / sizeof(texts[0]) ? texts[access] : "unknown";
}

const char *device_wipe_text(Device__WipeState state)
{
	static const char *const texts[] = { "", "ordered", "told", "wiped", "failed" };

	return (size_t) state < sizeof(texts) / sizeof(texts[0]) ? texts[state] : "unknown";
}
