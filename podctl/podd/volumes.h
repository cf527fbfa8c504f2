/* Volumes of this host: their folders, and their processes. */
#ifndef PODCTL_PODD_VOLUMES_H
#define PODCTL_PODD_VOLUMES_H

#include "podctl/podd/podd.h"

/* Starts what serves each volume that the directory puts on this host. */
int volumes_start(struct podd *p, struct err *err);
/* The store of a volume as a child: known, not started; and started. */
int podd_add_volume(struct podd *p, const char *name, struct err *err);
/* Its name, "stored:vol01", in buf. */
const char *volume_child_name(const char *name, char *buf, size_t size);
/* That process, or NULL where the volume has none here. */
const struct child *volume_child(const struct podd *p, const char *name);
bool volume_is_ready(const struct podd *p, const char *name);
/* "vol01" of "stored:vol01", NULL for other children. */
const char *volume_of_child(const char *child_name);

/* What a volume is to be. */
enum volume_kind { VOLUME_AS_CONFIGURED, VOLUME_REPLICATED, VOLUME_DIRECTORY };

struct volume_wish {
	const char *name;
	enum volume_kind kind;
	uint64_t size_bytes, log_bytes; /* 0: as configured; of a replicated one */
	const char *mode;               /* of its standby, NULL: as configured */
};

/*
 * Makes a volume, enters it in the directory and starts what serves it; calls done once, when its store is
 * ready or it has failed, or after a while of waiting for it (r 0 all the same: it goes on starting). A
 * folder of that name that holds a directory volume already is taken as it is: an earlier try that was cut
 * short. -POD_E_UNSUPPORTED, -POD_E_DENIED: it is to be replicated, and this host cannot.
 */
typedef void volume_add_fn(void *arg, int r, const char *text);
void volume_add(struct podd *p, const struct volume_wish *wish, volume_add_fn *done, void *arg);
/* The id in a volume's volume.json. */
int volume_id_read(const char *path, char *buf, size_t size, struct err *err);

/* A process became ready: tells those who wait for it. */
void volumes_on_ready(struct podd *p, const struct child *child);
/* podd stops: whoever waits for a volume is told so. */
void volumes_stop_waiting(struct podd *p);

#endif
