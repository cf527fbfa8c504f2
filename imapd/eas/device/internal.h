/* Inside imapd/eas/device. */
#ifndef POD_IMAPD_EAS_DEVICE_INTERNAL_H
#define POD_IMAPD_EAS_DEVICE_INTERNAL_H

#include "imapd/eas/device/device.h"

/* Reads the record into rq->device; where there is none, an empty one with version 0. */
int eas_device_read(struct eas_request *rq, struct err *err);
/* How many devices the user has. */
int eas_device_count(struct eas_request *rq, size_t *ret_n, struct err *err);
/* The policies that hold for the user, and how his domain receives new devices. */
int eas_device_rules(struct eas_request *rq, Device__Access *ret_new_access, struct err *err);

#endif
