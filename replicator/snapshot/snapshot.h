/*
 * Snapshots of a replica's image, copy-on-write. A snapshot is the image as it was at one LSN. Two ways
 * behind one door: a reflink of the image where the file system can do that (xfs, btrfs), else copies of 64
 * KiB chunks made before the image is overwritten, kept in a sparse file beside it with the same offsets.
 *
 *   snapshots/NAME.json   what it is: lsn, epoch, time, hold, kind, size
 *   snapshots/NAME.map    which chunks it has: two bits each, with checksums (chunk_map.h); not for a reflink
 *   snapshots/NAME.data   the chunks, at their own offsets (or the reflink)
 *
 * A chunk not copied in a snapshot is found in the next newer one that has it, else in the image. The newest
 * snapshot gets the copies; chunks of zeros cost nothing. A deleted snapshot is gone at once for everybody;
 * its .json is now NAME.deleted, and a thread hands the chunks that the next older one needs down to it, a
 * piece at a time, before its files go. At each moment the older one's content can be found. The oldest has
 * nobody to hand down to.
 *
 * At open a snapshot whose files are damaged is set aside (NAME.damaged, for a human), with the older ones
 * that lean on it: on_dropped tells. The volume is served without them. One that has lost its .json only is
 * gone itself, as if deleted; the older ones still find their chunks in it.
 *
 * Threads: any thread may call; changes wait for each other, and a write for no more than one piece of
 * handing down. Between snapshots_preserve and the overwriting no snapshot may be cut: that order is the
 * caller's. A read is shut out only for the moment in which copies are published, so it never sees what was
 * written after the snapshot. Nothing on the way of a write or a read allocates.
 */
#ifndef REPLICATOR_SNAPSHOT_SNAPSHOT_H
#define REPLICATOR_SNAPSHOT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "replicator/core/step.h"

#define SNAPSHOT_CHUNK     65536u
#define SNAPSHOT_NAME_SIZE 64
#define SNAPSHOTS_MAX      64

struct snapshots;

struct snapshot_info {
	char name[SNAPSHOT_NAME_SIZE];
	uint64_t lsn, epoch;
	int64_t time_ms;       /* wall clock of the primary when it was cut */
	uint64_t size_bytes;   /* of the volume then */
	uint64_t copied_bytes; /* what it costs; of a reflink: 0 */
	bool held;             /* never dropped or pruned */
	bool reflink;
};

struct snapshots_options {
	const char *folder;
	int image_fd; /* open O_DIRECT for reading and writing; stays the caller's */
	uint64_t reserve_bytes;
	/* On the thread that needed the room, or our own; must not call back. May be NULL. */
	void (*on_dropped)(void *arg, const char *name);
	/* Fault tests: may end the process, or return an errno for the step to fail with. NULL in service. */
	int (*on_step)(void *arg, enum disk_step step);
	void *arg;
};

/* Finishes or undoes what a crash left half done. */
int snapshots_open(const struct snapshots_options *o, struct snapshots **ret_s, struct err *err);
struct snapshots *snapshots_close(struct snapshots *s);

/* ---- the applier's ---- */

/* Flushes the image, then cuts. Durable when it returns 0. -POD_E_EXISTS is fine for the caller where lsn is
 * the same: a replay after a crash. The most that there can be is SNAPSHOTS_MAX: the oldest is dropped as for
 * want of room. */
int snapshots_cut(struct snapshots *s, const char *name, uint64_t lsn, uint64_t epoch, int64_t time_ms,
                  uint64_t volume_size, struct err *err);
/* -POD_E_BUSY: held, or open by a reader. -POD_E_NOTFOUND. */
int snapshots_delete(struct snapshots *s, const char *name, struct err *err);
/*
 * The image is about to be overwritten at these extents (ascending, disjoint): copies what the newest
 * snapshot has not yet got, durably. Running out of reserve drops the oldest snapshot that is not held (then
 * the oldest at all), with on_dropped, and never fails for that. Other failures: the caller must not
 * overwrite.
 */
struct snapshot_extent {
	uint64_t offset, length;
};
int snapshots_preserve(struct snapshots *s, const struct snapshot_extent *extents, size_t n, struct err *err);
/* Drops one as above, because the image itself found no space. -POD_E_NOTFOUND: there is none. */
int snapshots_make_room(struct snapshots *s, struct err *err);
/* Snapshots keep their size. -POD_E_LIMIT: one is larger than the image would be. */
int snapshots_image_resized(struct snapshots *s, uint64_t size_bytes, struct err *err);

/* ---- anybody's ---- */

int snapshots_hold(struct snapshots *s, const char *name, bool hold, struct err *err);
/* Oldest first; at most max are copied; returns how many there are. */
size_t snapshots_list(struct snapshots *s, struct snapshot_info *ret, size_t max);
int snapshots_find(struct snapshots *s, const char *name, struct snapshot_info *ret, struct err *err);
/* Keeps it from being deleted while it is read; one that is dropped for reserve ends reads with
 * -POD_E_NOTFOUND. */
int snapshots_read_begin(struct snapshots *s, const char *name, struct err *err);
void snapshots_read_end(struct snapshots *s, const char *name);
/* Waits until nobody reads it, or it is gone, timeout_ms at most: who was just told to end may need a moment to hang up. */
void snapshots_wait_unread(struct snapshots *s, const char *name, unsigned int timeout_ms);
/* offset and size multiples of 4096 within its size. */
int snapshots_read(struct snapshots *s, const char *name, uint64_t offset, void *bytes, size_t size,
                   struct err *err);
/*
 * What a snapshot has in [offset, offset + length), which is within its size: runs in order, without gaps;
 * neighbours may be of one kind. hole: nothing but zeros, for which nothing is kept. As the content never
 * changes, what was told stays true whatever is copied or handed down meanwhile. fn is called without the
 * lock; non-zero ends it and is returned.
 */
typedef int snapshot_run_fn(void *arg, uint64_t offset, uint64_t length, bool hole);
int snapshots_extents(struct snapshots *s, const char *name, uint64_t offset, uint64_t length,
                      snapshot_run_fn *fn, void *arg, struct err *err);
/*
 * The next piece of a snapshot, at or behind offset, that may not be what the image has now: what was copied since it was
 * cut, in whole chunks, the last one up to its end. Of a reflink that is all of it. *ret_length 0: nothing more.
 */
int snapshots_changed_next(struct snapshots *s, const char *name, uint64_t offset, uint64_t *ret_offset,
                           uint64_t *ret_length, struct err *err);
/* XXH3-64 over the whole content, to compare sites; calls progress (may be NULL) now and then, non-zero stops
 * it. */
int snapshots_checksum(struct snapshots *s, const char *name, int (*progress)(void *arg, uint64_t done),
                       void *arg, uint64_t *ret_hash, struct err *err);
uint64_t snapshots_copied_bytes(struct snapshots *s);

#endif
