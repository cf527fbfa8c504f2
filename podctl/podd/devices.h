/* What podd asks the stores about users' devices: their records are states of the user's account
 * (device/device.h). */
#ifndef PODCTL_PODD_DEVICES_H
#define PODCTL_PODD_DEVICES_H

#include "device/device.h"
#include "podctl/podd/api.h"

/* Makes an answer out of the user's records; nothing is left out and n may be 0. */
typedef json_t *devices_answer_fn(struct api_call *call, Device__Device *const *devices, size_t n);

/* Reads all records of the user that the path names (its first parameter), or that of one device, id. Answers
 * the call. */
void devices_read(struct api_call *call, const char *id, devices_answer_fn *answer);
/*
 * Changes the record of a device (the second parameter of the path), again where the gateway has written it
 * meanwhile, and answers with it. A change that fails leaves it as it was.
 */
typedef int devices_change_fn(Device__Device *device, void *arg, struct err *err);
void devices_change(struct api_call *call, devices_change_fn *change, void *arg);
/* Forgets a device and all that it has synchronised. Answers the call. */
void devices_remove(struct api_call *call);

/* A record for people and programs; with secrets the recovery password, too. */
json_t *devices_json(const struct api_call *call, const Device__Device *device, bool secrets);

#endif
