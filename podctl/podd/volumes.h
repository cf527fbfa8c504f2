/* Volumes of this host: their folders, and their processes. */
#ifndef PODCTL_PODD_VOLUMES_H
#define PODCTL_PODD_VOLUMES_H

#include "podctl/podd/podd.h"

#define VOLUME_STATE_ACTIVE "active"

/* Starts the process of each volume that the directory puts on this host. */
int volumes_start(struct podd *p, struct err *err);
/* The process of a volume, or NULL where it has none here. */
const struct child *volume_child(const struct podd *p, const char *name);
bool volume_is_ready(const struct podd *p, const char *name);
/* "vol01" of "stored:vol01", NULL for other children. */
const char *volume_of_child(const char *child_name);

/*
 * Makes a volume, enters it in the directory and starts its process; calls done once, when that is ready
 * or has failed, or after a while of waiting for it (r 0 all the same: it goes on starting).
 * A folder of that name that holds a volume already is taken as it is: an earlier try that was cut short.
 */
typedef void volume_add_fn(void *arg, int r, const char *text);
void volume_add(struct podd *p, const char *name, volume_add_fn *done, void *arg);

/* A process became ready: tells those who wait for it. */
void volumes_on_ready(struct podd *p, const struct child *child);
/* podd stops: whoever waits for a volume is told so. */
void volumes_stop_waiting(struct podd *p);

#endif
