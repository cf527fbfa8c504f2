#include "imapd/eas/device/device.h"

bool eas_device_admit(struct eas_request *rq)
{
	rq->device = arena_new(rq->a, struct eas_device);
	if (!rq->device) {
		eas_answer_http(rq, 503);
		return false;
	}
	*rq->device = (struct eas_device){ rq->device_id, rq->device_type };
	return true;
}
