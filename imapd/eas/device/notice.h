/*
 * Devices that wait hear of what the directory says of them: policies that changed, a user who was suspended
 * or removed. The kernel tells of each commit of the directory, and the accounts in use are looked at a
 * moment after it.
 */
#ifndef POD_IMAPD_EAS_DEVICE_NOTICE_H
#define POD_IMAPD_EAS_DEVICE_NOTICE_H

#include "imapd/eas/eas.h"

struct device_notice;

/* -POD_E_*: nobody would hear; devices learn of it with their next request all the same. */
int device_notice_create(const struct eas_parts *parts, struct device_notice **ret_notice, struct err *err);
/* NULL is fine; returns NULL. */
struct device_notice *device_notice_free(struct device_notice *n);

#endif
