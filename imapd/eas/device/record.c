/* The record in the store. */
#include "imapd/eas/device/internal.h"

#define TRIES 8 /* against others that write the same record */

int eas_device_read(struct eas_request *rq, struct err *err)
{
	struct account_state s = { .name = device_state_name(rq->a, rq->device_id) };
	int r = account_state_get(rq->account, rq->a, &s, err);

	if (r < 0)
		return r;
	rq->device->version = s.version;
	if (s.version)
		return device_unpack(rq->a, s.value, &rq->device->record, err);
	rq->device->record = arena_new(rq->a, Device__Device);
	if (!rq->device->record)
		return err_set(err, POD_E_NOMEM, "device");
	device__device__init(rq->device->record);
	return 0;
}

static int put(struct eas_request *rq, struct err *err)
{
	struct account_state s = { .name = device_state_name(rq->a, rq->device_id),
		                   .version = rq->device->version };
	int r = account_state_put(rq->account, rq->a, &s, device_pack(rq->a, rq->device->record), err);

	rq->device->version = s.version;
	return r;
}

int eas_device_update(struct eas_request *rq, eas_device_change *change, const void *arg, struct err *err)
{
	int r = -POD_E_CONFLICT;

	for (int i = 0; i < TRIES && r == -POD_E_CONFLICT; i++) {
		r = i > 0 ? eas_device_read(rq, err) : 0;
		if (r < 0)
			return r;
		change(rq->device->record, arg);
		r = put(rq, err);
	}
	return r;
}
