/*
 * The device that a request comes from: its record in the store (lib/device/device.h), the policies that hold
 * for it, and whether it may do what it asks. In a request's fiber: functions suspend.
 */
#ifndef POD_IMAPD_EAS_DEVICE_H
#define POD_IMAPD_EAS_DEVICE_H

#include "device/device.h"
#include "imapd/eas/eas.h"

struct eas_device {
	Device__Device *record; /* in the request's arena; change it and save it */
	uint64_t version;       /* of the record in the store; 0: it is not there */
	struct device_policy_set policies;
	uint64_t print; /* of the policies that hold now */
};

/*
 * Finds the request's device, makes it where it is new, and judges it: rq->device is set. false: the request
 * has been answered: blocked, quarantined, to be wiped, too many devices; and, where the command's row says
 * EAS_NEEDS_POLICY, one that has not acknowledged the policies that hold now. Suspends.
 */
bool eas_device_admit(struct eas_request *rq);

/*
 * Writes the record. Where somebody else did so meanwhile (an admin, another request of the device) it is
 * read again and change is made to that: 0, or what the store said.
 */
typedef void eas_device_change(Device__Device *record, const void *arg);
int eas_device_update(struct eas_request *rq, eas_device_change *change, const void *arg, struct err *err);

/* What a DeviceInformation's Set says; a string of more than 1,024 bytes is cut. Suspends. */
int eas_device_information(struct eas_request *rq, const struct wbxml_node *set, struct err *err);

#endif
