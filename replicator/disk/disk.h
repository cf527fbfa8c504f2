/*
 * One replica of a volume on its own disk: image, log, metadata and snapshots in a folder, behind one door. It knows no
 * network and no NBD. The plugin writes, reads and commits here on the primary; the link appends what the primary
 * sent on a secondary; both read the log to ship it.
 *
 * The folder (created by disk_create):
 *   meta       two superblocks (core/superblock.h) at 0 and 4096, then the peers' bitmaps
 *   log        the ring of log bytes (core/record.h), fully allocated
 *   image      the volume, sparse; or a symbolic link to a block device
 *   snapshots/ snapshot/snapshot.h
 *
 * The stage is a file on tmpfs with the newest part of the log in memory, in the ring's own format, mapped by whoever
 * serves the replica. A write is acknowledged when its record is in the stage: that survives the death of the process
 * (the next one takes the stage over), not of the machine. A commit writes the stage's bytes to the log with direct I/O
 * and one flush. The applier moves committed epochs to the image behind it, copying to snapshots what they still need,
 * then lets go of the log. So after power loss image + log are exactly a state at a commit, and after a kill -9 nothing
 * acknowledged is missing at all.
 *
 * Long writes of a primary go to the image once and not to the log as well, where nothing stands in the way
 * (place.c): the log holds their headers, and the COMMIT once the image is flushed; the superblock says meanwhile what may be
 * torn. Peers get the payload from the stage, or from the image as long as that still has it.
 *
 * Threads. Any thread may call; no call but disk_create, disk_open and disk_close allocates. One mutex guards the
 * log's head, the extent map and the cursors; the bytes of a write are copied under it (256 KiB at most). Whoever waits
 * for a commit first writes the log for all who wait behind him. One applier thread.
 */
#ifndef REPLICATOR_DISK_DISK_H
#define REPLICATOR_DISK_DISK_H

#include "base/err.h"
#include "base/span.h"
#include "replicator/core/step.h"
#include "replicator/core/superblock.h"

struct disk;
struct snapshots;

#define PLACE_BYTES_DEFAULT (UINT64_C(1) << 20)

struct disk_format {
	uint8_t volume_id[16];
	uint64_t size_bytes; /* multiple of 64 KiB */
	uint64_t log_bytes;  /* multiple of 1 MiB, at least 16 MiB */
	const char *image_device; /* block device for the image; NULL: a sparse file */
};

struct disk_options {
	const char *folder;
	const char *stage_path;      /* on tmpfs; made where it is missing */
	uint64_t stage_bytes;        /* power of two, 8 MiB or more */
	uint64_t snapshot_reserve_bytes; /* all snapshots together; beyond it the oldest that is not held goes */
	/* An epoch with at least so much of long writes puts those straight into the image. 0: PLACE_BYTES_DEFAULT;
	 * UINT64_MAX: none does. */
	uint64_t place_bytes;
	/*
	 * The cursors below moved (all but staged at once; staged at most once a millisecond), or something has to be
	 * looked at. On any thread: must only wake someone. May be NULL.
	 */
	void (*on_progress)(void *arg);
	/* The oldest snapshot was dropped for room: an alarm. On the applier's thread. May be NULL. */
	void (*on_snapshot_dropped)(void *arg, const char *name);
	/* Fault tests; NULL in service. May end the process, or return an errno for the step to fail with. */
	int (*on_step)(void *arg, enum disk_step step);
	void *arg;
};

int disk_create(const char *folder, const struct disk_format *f, struct err *err);
/*
 * Recovers: reads superblocks, log and stage. As primary everything that is whole counts, also what was not committed;
 * as secondary the log ends at its last commit. -POD_E_BUSY: another process has it. -POD_E_CORRUPT: the log ends
 * before an epoch that was durable (damage, not a crash), or metadata is unreadable; err says what to do.
 */
int disk_open(const struct disk_options *o, struct disk **ret_disk, struct err *err);
/* Commits, applies everything, saves. */
struct disk *disk_close(struct disk *d);

/* ---- state ---- */

struct disk_cursors { /* LSNs; tail <= applied <= durable <= staged */
	uint64_t staged;    /* end of the log: all records before are in the stage or beyond */
	uint64_t committed; /* end of the last COMMIT in the stage */
	uint64_t durable;   /* end of the last COMMIT on stable storage */
	uint64_t applied;   /* the image has everything before */
	uint64_t tail;      /* the log reaches back to here, and a record begins here */
	uint64_t epoch;     /* of the last commit that is durable */
	uint64_t staged_epoch;
	int64_t durable_time_ms; /* wall clock in the COMMIT record at durable */
	bool stage_was_whole; /* at open: the stage was there, so nothing acknowledged to anybody was lost */
	bool broken;  /* see disk_broken */
	bool direct; /* log and image do direct I/O; else their file system can not (tmpfs), and flushes say nothing */
};
void disk_cursors(struct disk *d, struct disk_cursors *ret);
/* staged alone. Takes no lock: for each write and each flush. */
uint64_t disk_staged(const struct disk *d);
uint64_t disk_size(struct disk *d);
uint64_t disk_stage_bytes(const struct disk *d); /* the newest of the log is in memory up to so much */
/* NULL, or why nothing can be written any more (an I/O error of log, image or metadata). Reads go on. */
const char *disk_broken(struct disk *d);
/* Whether the image's disk is full: why. Nothing is lost, the log keeps it and it is tried again; when the log is full
 * too, writes fail with -POD_E_NOSPACE. */
bool disk_stalled(struct disk *d, char *ret_why, size_t size);

/* A copy of the superblock; and change of it by fn, durable when it returns 0. fn runs under a lock: no calls here. */
void disk_superblock(struct disk *d, struct superblock *ret);
int disk_superblock_change(struct disk *d, void (*fn)(struct superblock *s, void *arg), void *arg, struct err *err);

/* ---- the volume's user (primary) ---- */

#define DISK_TRIM 1u /* disk_zero: space may be given back */
/* offset and size: multiples of RECORD_BLOCK, within the volume (the caller has checked). 0 when it is in the stage.
 * Waits where stage, log or extent map are full. -POD_E_NOSPACE: the image's disk is full; what has its place there
 * can still be overwritten, trimmed and read. */
int disk_write(struct disk *d, uint64_t offset, const void *bytes, size_t size, struct err *err);
int disk_zero(struct disk *d, uint64_t offset, uint64_t length, unsigned int flags, struct err *err);
int disk_read(struct disk *d, uint64_t offset, void *bytes, size_t size, struct err *err);
/* Calls fn for runs of data and holes in order. kind of a hole: EXTENT_TRIM; allocated zeros: EXTENT_ZERO. */
typedef int disk_extent_fn(void *arg, uint64_t offset, uint64_t length, int kind);
int disk_extents(struct disk *d, uint64_t offset, uint64_t length, disk_extent_fn *fn, void *arg, struct err *err);

/*
 * Ends the epoch: *ret_lsn is what durable must reach for everything written before this call to be durable (an epoch
 * without writes adds no record). Does not wait.
 */
int disk_commit(struct disk *d, uint64_t *ret_lsn, struct err *err);
/* Makes the log durable up to lsn (or waits for who does). */
int disk_wait_durable(struct disk *d, uint64_t lsn, struct err *err);
/* The same by who need not wait here: 1, at once, where somebody writes the log already. It is durable up to lsn later
 * without the caller, and on_progress tells; also that the disk broke. */
int disk_make_durable(struct disk *d, uint64_t lsn, struct err *err);
/* Commits and appends a SNAPSHOT, SNAPSHOT_DELETE or RESIZE record, commits again, waits until it is applied here. */
int disk_snapshot_take(struct disk *d, const char *name, uint64_t *ret_lsn, struct err *err);
int disk_snapshot_delete(struct disk *d, const char *name, struct err *err);
int disk_resize(struct disk *d, uint64_t size_bytes, struct err *err);

/* ---- the log, to be shipped ---- */

/*
 * Copies log bytes from lsn on, whole records and the gaps behind commits, at most max, up to the staged end.
 * *ret_size 0: nothing there yet. -POD_E_STALE: older than tail; or a long write that went straight to the image, where
 * it was overwritten since: disk_peer_to_bitmap serves who still needs it.
 */
int disk_log_read(struct disk *d, uint64_t lsn, void *bytes, size_t max, size_t *ret_size, struct err *err);
/*
 * The log is kept from needs_lsn on for the peer (superblock's peers; a new one gets a place there), until the ring is
 * full: then its extents go to its bitmap, durably, before the tail passes them, needs_lsn becomes 0 and base_lsn what
 * it was (on_progress tells). A bitmap with marks goes on counting beside the log (a resync); an empty one ends to.
 * Cheap where needs_lsn only moves on: that is saved with the tail. -POD_E_STALE: older than tail. -POD_E_LIMIT.
 */
int disk_peer_set(struct disk *d, const char *peer, uint64_t needs_lsn, struct err *err);
/* Marks what the log holds from lsn on in the peer's bitmap, durably, and keeps marking: it is served from there;
 * needs_lsn becomes 0, base_lsn becomes lsn where no bitmap counted before. -POD_E_STALE: older than tail. */
int disk_peer_to_bitmap(struct disk *d, const char *peer, uint64_t lsn, struct err *err);
/*
 * Nobody waits for the peer: long writes go straight to the image also where it is far behind, and what it then finds
 * overwritten there comes from its bitmap. Forgotten with a restart; false where the peer is unknown, or new.
 */
void disk_peer_may_lag(struct disk *d, const char *peer, bool may);
/* What is remembered of it now (the superblock's copy may be behind). -POD_E_NOTFOUND. */
int disk_peer_get(struct disk *d, const char *peer, struct peer_record *ret, struct err *err);
/* Says from where its marks count (superblock.h: base_lsn), durably. -POD_E_NOTFOUND. */
int disk_peer_set_base(struct disk *d, const char *peer, uint64_t base_lsn, struct err *err);
/* Its place, its bitmap and its hold on the log go. 0 also where it was unknown. */
int disk_peer_forget(struct disk *d, const char *peer, struct err *err);
/*
 * Runs of the peer's bitmap (0 chunks: none), and clearing of what the peer has made durable: -POD_E_STALE where
 * needs_lsn is 0, or is about to be, because marks that are made now may be newer than what the peer got. Setting is
 * durable on return.
 */
bool disk_peer_dirty_next(struct disk *d, const char *peer, uint64_t offset, uint64_t *ret_offset, uint64_t *ret_length);
int disk_peer_dirty_clear(struct disk *d, const char *peer, uint64_t offset, uint64_t length, struct err *err);
int disk_peer_dirty_set(struct disk *d, const char *peer, uint64_t offset, uint64_t length, struct err *err);
int disk_peer_dirty_all(struct disk *d, const char *peer, struct err *err);
uint64_t disk_peer_dirty_bytes(struct disk *d, const char *peer);
/* Calls fn with each extent that records from lsn to the end of the log touch, in order (for a rewind). */
int disk_log_extents(struct disk *d, uint64_t lsn, disk_extent_fn *fn, void *arg, struct err *err);

/* ---- the log, as it arrives (secondary) ---- */

/*
 * Appends bytes received, which start at lsn = the staged end and hold whole records (checked here: chain, checksums,
 * ranges; -POD_E_PROTOCOL). A COMMIT among them is applied once disk_wait_durable has made it durable.
 */
int disk_log_append(struct disk *d, uint64_t lsn, const void *bytes, size_t size, struct err *err);
/* Forgets records behind the last commit. */
int disk_log_cut(struct disk *d, struct err *err);
/* Applies everything, then starts a new log at lsn, epoch and chain as given: a resync begins here. */
int disk_log_restart(struct disk *d, uint64_t lsn, uint64_t epoch, uint32_t previous_crc, struct err *err);
/* The volume grew by a record that never came here (a resync begins behind it): as if it had been applied, durable. */
int disk_grow_local(struct disk *d, uint64_t size_bytes, struct err *err);
/* What a follower needs to know to continue the log behind lsn, a commit's end (for the primary's side of the above). */
int disk_log_position(struct disk *d, uint64_t lsn, uint64_t *ret_epoch, uint32_t *ret_previous_crc, struct err *err);
/* Resync and repair: straight to the image, with copies for snapshots first. Not durable before disk_image_flush. */
int disk_image_write(struct disk *d, uint64_t offset, const void *bytes, size_t size, struct err *err);
int disk_image_zero(struct disk *d, uint64_t offset, uint64_t length, struct err *err);
int disk_image_flush(struct disk *d, struct err *err);
/* XXH3-64 of each 4 KiB block of [offset, offset+length) as the volume stands (log over image). */
int disk_hashes(struct disk *d, uint64_t offset, uint64_t length, uint64_t *ret_hashes, struct err *err);

/*
 * A snapshot of this replica alone, not in the log: applies everything, then the applier cuts it there; *ret_lsn: where
 * that is (what is behind the last commit is not in it). And its deletion, -POD_E_NOTFOUND where there is none. On a
 * secondary, before it takes part in a resync ("resync-LSN", "orphan-LSN").
 */
int disk_snapshot_local(struct disk *d, const char *name, uint64_t *ret_lsn, struct err *err);
int disk_snapshot_local_delete(struct disk *d, const char *name, struct err *err);

/* Waits until the image has everything before lsn. */
int disk_wait_applied(struct disk *d, uint64_t lsn, struct err *err);
/* Its snapshots: reading and listing are theirs; taking and deleting go through the log, above. */
struct snapshots *disk_snapshots(struct disk *d);

#endif
