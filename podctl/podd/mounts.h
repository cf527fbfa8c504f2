/*
 * Snapshots of replicated volumes mounted on this host: for a restore while it runs, or by hand.
 *
 *   replicator's export VOLUME@SNAPSHOT
 *     nbdkit with its cow filter     what is written goes to a scratch file of its own
 *       volattach                    device and mount; the file system's journal is replayed into the scratch
 * file DIR/snapshots/VOLUME@SNAPSHOT.SITE, read-only from then on
 *
 * So a snapshot is whole whether the file system was held still for it or not, and stays as it is. Each mount
 * is counted by its users, and goes with the last of them. One thread.
 */
#ifndef PODCTL_PODD_MOUNTS_H
#define PODCTL_PODD_MOUNTS_H

#include <jansson.h>

#include "podctl/podd/podd.h"

struct mounts;
struct mount;

/* Which snapshot. site NULL: the one where the volume is written, or one that answers. */
struct mount_place {
	const char *volume, *snapshot, *site;
};

/* What a podd that died left mounted is unmounted first. */
int mounts_create(struct podd *p, struct mounts **ret_mounts, struct err *err);
/* podd stops: all end, whoever uses them. Whoever waits for one is told so. */
void mounts_stop(struct mounts *ms);
/* NULL is fine; returns NULL. */
struct mounts *mounts_free(struct mounts *ms);

/*
 * r 0: it is mounted, and m stays until it is given back. Else -POD_E_* with words: NOTFOUND (no such volume,
 * site or snapshot), UNSUPPORTED (no replicated volume), UNAVAILABLE (its replica does not answer), LIMIT
 * (too many), IO.
 */
typedef void mount_done_fn(void *arg, int r, struct mount *m, const char *text);
/* Calls done once, later or at once. */
void mounts_take(struct mounts *ms, const struct mount_place *place, mount_done_fn *done, void *arg);
void mounts_give_back(struct mount *m);
const char *mount_path(const struct mount *m);

/* By hand: one more user, however often it is asked for, until mounts_let_go. */
void mounts_hold(struct mounts *ms, const struct mount_place *place, mount_done_fn *done, void *arg);
/*
 * Calls gone once, later or at once: when nothing of ours reads the snapshot any more, when others use the
 * mount still, or when podd stops. -POD_E_NOTFOUND: it is not mounted by hand; gone is not called where this
 * fails.
 */
typedef void mount_gone_fn(void *arg);
int mounts_let_go(struct mounts *ms, const struct mount_place *place, mount_gone_fn *gone, void *arg,
                  struct err *err);

json_t *mount_json(const struct mount *m);
json_t *mounts_json(const struct mounts *ms);

#endif
