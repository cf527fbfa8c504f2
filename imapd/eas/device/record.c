/* The record in the store. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "imapd/eas/device/internal.h"

#define TRIES 8 /* against others that write the same record */

static int get(struct eas_request *rq, char *name, const Podstore__StateEntry **ret_entry, struct err *err)
{
	Podstore__StateGet request = PODSTORE__STATE_GET__INIT;
	const ProtobufCMessage *message;
	const Podstore__StateGetReply *reply;
	int r;

	request.names = &name;
	request.n_names = 1;
	r = account_call(rq->account, rq->a, STORE_STATE_GET, &request.base, &message, err);
	if (r < 0)
		return r;
	reply = (const Podstore__StateGetReply *) message;
	*ret_entry = reply->n_entries > 0 ? reply->entries[0] : NULL;
	return 0;
}

int eas_device_read(struct eas_request *rq, struct err *err)
{
	char *name = device_state_name(rq->a, rq->device_id);
	const Podstore__StateEntry *entry = NULL;
	int r = name ? get(rq, name, &entry, err) : err_set(err, POD_E_NOMEM, "device");

	if (r < 0)
		return r;
	rq->device->version = entry ? entry->version : 0;
	if (entry)
		return device_unpack(rq->a, span_make(entry->value.data, entry->value.len),
		                     &rq->device->record, err);
	rq->device->record = arena_new(rq->a, Device__Device);
	if (!rq->device->record)
		return err_set(err, POD_E_NOMEM, "device");
	device__device__init(rq->device->record);
	return 0;
}

static int put(struct eas_request *rq, struct err *err)
{
	Podstore__StateChange change = PODSTORE__STATE_CHANGE__INIT, *changes = &change;
	Podstore__StatePut request = PODSTORE__STATE_PUT__INIT;
	struct span value = device_pack(rq->a, rq->device->record);
	const ProtobufCMessage *message;
	int r;

	change.name = device_state_name(rq->a, rq->device_id);
	if (!value.p || !change.name)
		return err_set(err, POD_E_NOMEM, "device");
	change.value = (ProtobufCBinaryData){ value.len, (uint8_t *) (uintptr_t) value.p };
	change.expects = true;
	change.version = rq->device->version;
	request.changes = &changes;
	request.n_changes = 1;
	r = account_call(rq->account, rq->a, STORE_STATE_PUT, &request.base, &message, err);
	if (r == 0)
		rq->device->version = ((const Podstore__StatePutReply *) message)->versions[0];
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
