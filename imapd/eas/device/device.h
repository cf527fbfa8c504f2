/* The device that a request comes from, and whether it may do what it asks for. */
#ifndef POD_IMAPD_EAS_DEVICE_DEVICE_H
#define POD_IMAPD_EAS_DEVICE_DEVICE_H

#include "imapd/eas/eas.h"

struct eas_device {
	const char *id, *type; /* as the request says them */
};

/* Fills rq->device. False: the request was answered, the device may not do that. May suspend. */
bool eas_device_admit(struct eas_request *rq);

#endif
