/* Inside imapd/eas/device. */
#ifndef POD_IMAPD_EAS_DEVICE_INTERNAL_H
#define POD_IMAPD_EAS_DEVICE_INTERNAL_H

#include "imapd/eas/device/device.h"

/* Reads the record into rq->device; where there is none, an empty one with version 0. */
int eas_device_read(struct eas_request *rq, struct err *err);
/* How many devices the user has. */
int eas_device_count(struct eas_request *rq, size_t *ret_n, struct err *err);
/* What the directory says of a user's devices. */
struct eas_rules {
	Device__Access new_access; /* how his domain receives new ones */
	struct device_policy_set policies;
	uint64_t print; /* of the policies */
};
int eas_rules_of(struct directory *dir, struct arena *a, const char *address, struct eas_rules *ret,
                 struct err *err);

#endif
