/*
 * What the files of this room share: struct disk, its locks, and who may do what under which.
 *
 * Locks, in the order in which they may be taken:
 *
 *   op_lock      one snapshot or resize at a time
 *
 *   image_lock   whoever changes the image: the applier for a batch, a resync for a piece; makes it "the
 *                applier's thread" in the snapshots' eyes
 *
 *   place_lock   long writes that go straight to the image, which the applier does not touch then (place.c);
 *                whoever changes the image without a record, or cuts a snapshot that is none of the log's, takes
 *                it as well. Whoever leads a flush tries it, and waits for nobody
 *
 *   meta_lock    the superblock, and its writing; the peers' bitmaps on their way to the disk
 *
 *   lock         everything else below; held for memory only, never over I/O
 *
 * Positions only grow (but for disk_log_cut and disk_log_restart): tail <= applied <= durable <= committed <=
 * head. Bytes of the log from durable on are in the stage and nowhere else; they do not change, so that they
 * may be read without the lock. What is older is in the stage while nothing newer took its place, and in the
 * log.
 */
#ifndef REPLICATOR_DISK_DISK_INTERNAL_H
#define REPLICATOR_DISK_DISK_INTERNAL_H

#include <pthread.h>

#include "replicator/core/bitmap.h"
#include "replicator/core/extent_map.h"
#include "replicator/core/place.h"
#include "replicator/core/record.h"
#include "replicator/disk/disk.h"
#include "replicator/disk/io.h"
#include "replicator/disk/position.h"
#include "replicator/disk/queue.h"
#include "replicator/disk/stage.h"
#include "replicator/snapshot/snapshot.h"

/* The largest epoch: a commit is put in before a record that would make it larger. Half of the smallest
 * stage. */
#define EPOCH_BYTES_MAX (UINT64_C(4) << 20)
/* Kept free in stage and log behind each record: two commits, each up to the next multiple of RECORD_ALIGN.
 */
#define COMMIT_ROOM (4 * RECORD_ALIGN)
/* Of the log, applied as one batch. */
#define BATCH_BYTES (UINT64_C(4) << 20)
#define BATCH_NODES 16384u
#define PLAIN_MAX   (BATCH_NODES / 2 - 1) /* extents that the map has room for whatever they are */
#define ZERO_PIECE  (UINT64_C(64) << 20)
#define WRITE_PIECE (UINT64_C(512) << 10) /* of a long run: several at once are faster than one */
#define TAIL_PLACES 64u
/* Epochs that go to log and image together, their long writes; and how many of those may lie behind the log's tail. */
#define EPOCHS_AT_ONCE 4u
#define PLACES_AT_ONCE (EPOCHS_AT_ONCE * EPOCH_BYTES_MAX / RECORD_PAYLOAD_MAX)
#define PLACES_MAX     8192u

struct peer {
	char name[PEER_NAME_SIZE];
	uint64_t needs_lsn, base_lsn;
	bool in_bitmap;
	bool may_lag; /* disk_peer_may_lag */
	bool marking; /* on its way to its bitmap: marks already, but the superblock does not count on it */
	struct bitmap *bitmap; /* made when first needed */
};

/* One run of the image that a batch changes. */
struct apply_op {
	uint64_t offset, length;
	enum extent_kind kind;
	const uint8_t *bytes; /* EXTENT_DATA */
};

struct applier {
	pthread_t thread;
	bool started;
	struct extent_map *batch;
	struct extent *plain, *sorted, *scratch; /* PLAIN_MAX of them each */
	struct apply_op *ops; /* BATCH_NODES of them; so of these: */
	struct snapshot_extent *extents;
	uint8_t *window; /* log bytes that are no longer in the stage */
	uint8_t *out;    /* data on its way to the image */
	struct io_queue *queue;
	bool was_cut; /* a snapshot: the tail moves behind its epoch before anything else is applied */
};

/* The next epochs to be made durable. */
struct group {
	struct position to;
	unsigned int epochs;
};

/* Of those that are made durable just now, with long writes in the image. */
struct placing {
	struct place places[PLACES_AT_ONCE];
	size_t n;
	uint64_t commits[EPOCHS_AT_ONCE]; /* LSNs */
	unsigned int epochs, records;
};

struct disk {
	struct disk_options o;
	char *folder, *stage_path; /* o's are these */

	int meta_fd, log_fd, image_fd;
	bool direct_log, direct_image, image_is_device;
	uint64_t device_bytes; /* image_is_device */
	uint64_t log_bytes;
	struct stage stage;
	struct io_buffers buffers;
	struct snapshots *snapshots;

	pthread_mutex_t image_lock, place_lock;

	pthread_mutex_t meta_lock;
	struct superblock sb;
	uint8_t *sb_block; /* aligned */
	uint8_t *bitmap_block;

	pthread_mutex_t lock;
	pthread_cond_t moved;        /* a cursor moved, something broke, room came */
	pthread_cond_t applier_wake; /* something to do for it */
	struct position head, committed, durable, applied;
	struct position applied_commit; /* the last commit at or before applied */
	uint64_t tail;                  /* the log reaches back to here; durably so in the superblock */
	uint64_t releasing;             /* and is about to begin here: no peer may begin to need what is before */
	uint64_t places[TAIL_PLACES];   /* ends of commits behind it that it may move to, ascending */
	size_t n_places;
	uint64_t checkpointed;     /* the superblock's tail_lsn */
	uint64_t stage_from;       /* the stage has nothing older */
	uint64_t pinned;           /* the applier reads the stage from here on; UINT64_MAX: it does not */
	bool writing;              /* somebody writes the log: */
	bool commit_wanted;        /* and ends the epoch for those who wait then */
	bool log_wanted;           /* epochs were ended for their size: the log writer's */
	bool log_stop, log_writes; /* the log writer has to end; has to be ended */
	pthread_t log_writer;
	pthread_cond_t log_wake;
	bool stage_was_whole;
	/* map.c: it has the records before mapped_lsn; of those behind it that are extents there are map_behind. */
	struct extent_map *map;
	uint64_t mapped_lsn;
	size_t map_behind;
	bool map_is_late; /* those that are appended are only counted */
	/* Long writes that may go straight to the image, staged and not durable; and those that are there, behind
	 * what the superblock calls applied. */
	struct place_list candidates, placed;
	uint64_t barrier_lsn;   /* none before the image has all up to here: a snapshot is cut there, say */
	uint64_t recovered_lsn; /* the log's end at open: what lies before may be applied a second time */
	struct io_queue *place_queue;
	uint8_t *place_pages; /* aligned: the log's pages that differ from the stage's */
	struct placing placing; /* whoever writes the log has it */
	struct peer peers[PEERS_MAX];
	unsigned int urgent;            /* how many wait for the applier */
	uint64_t staged_told;           /* LSN */
	uint64_t looked_lsn, looked_us; /* the head when the applier last saw it move, and when that was */
	bool stopping, applier_sleeps;
	uint64_t space_free; /* on the image's disk, when last looked at */
	bool is_broken, is_stalled;
	char broken[256], stalled[256];

	pthread_mutex_t op_lock; /* one snapshot or resize at a time; taken before all others */
	/* What became of the last of those that was applied: under lock. */
	uint64_t op_lsn;
	struct err op_err; /* code 0: it went well */

	struct applier applier;
};

/* ---- disk.c ---- */

/* Fault tests: 0, or -errno for the step to fail with. */
int disk_step(struct disk *d, enum disk_step step);
/* Nothing can be written any more, for the reason in why (the first one stays). Returns r, and why in err.
 * `lock` is not held. */
int disk_break(struct disk *d, int r, const struct err *why, struct err *err);
int disk_broken_error(struct disk *d, struct err *err); /* under lock */
void disk_told(struct disk *d);                         /* on_progress; no lock is held */
uint64_t disk_committed_lsn(struct disk *d);

/* ---- log_file.c: the ring on the disk ---- */

/* lsn and size are multiples of IO_ALIGN. -errno. */
int log_file_read(struct disk *d, uint64_t lsn, void *bytes, size_t size);
int log_file_write(struct disk *d, uint64_t lsn, const void *bytes, size_t size, bool durably);
int log_file_wipe(struct disk *d, uint64_t from, uint64_t to); /* zeros, durably */

/* ---- meta.c ---- */

int meta_load(struct disk *d, struct err *err);
/* Under meta_lock: makes *next the superblock, durably. */
int meta_save(struct disk *d, const struct superblock *next, struct err *err);

/* ---- map.c; all under lock ---- */

/* Lays over the map what it lacks: before anything is looked up in it. */
void map_catch_up(struct disk *d);
/* Records that are appended from now on are laid over it at once. */
void map_keep_up(struct disk *d);
/* They are only counted from now on. Before each one, of size bytes. */
void map_lag(struct disk *d, size_t size);
/* The record that stands at the head, which moves behind it under the same hold of the lock. */
void map_append(struct disk *d, const struct extent *e);
/* Room for one more. */
bool map_has_room(struct disk *d);
/* What is behind the head was forgotten, and all before it is in the image. */
void map_clear(struct disk *d);
/* applied has moved on, over that many extents that were not in the map when it had the records before mapped_lsn. */
void map_applied(struct disk *d, uint64_t mapped_lsn, size_t unmapped);

/* ---- append.c; all under lock ---- */

/* The lowest LSN that may still be read from the stage. */
uint64_t stage_low(const struct disk *d);
/* Encodes r at the head, copies its payload, moves the head; the map learns its extent. Room was waited for.
 */
void append_record(struct disk *d, struct record *r, const void *payload);
void append_commit(struct disk *d);
/* Waits until a record of size bytes fits (and, on a primary, into the epoch: else it is ended). */
int append_wait_room(struct disk *d, size_t size, bool may_commit, struct err *err);
/* The extent that r lays over the volume; false: none. */
bool record_extent(const struct record *r, struct extent *ret);

/* ---- flush.c; under lock ---- */

/* Nobody is writing, committed is before durable: makes the next epochs durable. Gives up the lock meanwhile.
 */
int flush_lead(struct disk *d, struct err *err);
int flush_wait(struct disk *d, uint64_t lsn, struct err *err);

/* ---- place.c: long writes straight to the image ---- */

int place_init(struct disk *d, struct err *err);
void place_done(struct disk *d);
/* Under lock, before r is appended at the head: whether it may be placed. */
bool place_may(const struct disk *d, const struct record *r);
/* Under lock: the record that has just been appended may be. */
void place_note(struct disk *d, const struct record *r);
/*
 * Makes the next epochs durable with their long writes in the image, where that is better. 0: *ret says up to where; 1:
 * nothing is done, or nothing that counts: they have to be written to the log whole. No lock is held; nobody else writes
 * the log.
 */
int place_group(struct disk *d, const struct position *from, uint64_t committed, struct group *ret, struct err *err);
/* Under lock, which has not been let go since durable moved on from `from`. */
void place_finished(struct disk *d, uint64_t from);
/* No lock is held. */
bool place_has(struct disk *d, uint64_t lsn);
/* Between disk_recover and who uses the disk: what a crash left in the image becomes an epoch. */
int place_recover_torn(struct disk *d, struct err *err);

/* ---- log_writer.c: the thread that writes what nobody waits for ---- */

int log_writer_start(struct disk *d, struct err *err);
void log_writer_stop(struct disk *d);
void log_writer_nudge(struct disk *d); /* under lock */

/* ---- log_ship.c ---- */

/* disk_log_extents up to end. Allocates. The payloads are not looked at. */
int log_walk(struct disk *d, uint64_t lsn, uint64_t end, disk_extent_fn *fn, void *arg, struct err *err);

/* ---- image.c ---- */

int image_read(struct disk *d, uint64_t offset, void *bytes, size_t size); /* -errno */
/* Zeros, deallocated where trim: -errno. Under image_lock. */
int image_zero(struct disk *d, uint64_t offset, uint64_t length, bool trim);
int image_grow(struct disk *d, uint64_t size_bytes, struct err *err);

/* ---- space.c ---- */

uint64_t space_free(const struct disk *d);
/* Asks the file system anew, for space_check: after what took room without the applier. */
void space_look(struct disk *d);
/* -POD_E_NOSPACE: the image's disk has no room for a write there. No lock is held. */
int space_check(struct disk *d, uint64_t offset, uint64_t length, struct err *err);

/* ---- apply.c, checkpoint.c; all under image_lock ---- */

/*
 * Applies the next batch of what lies before limit (at most durable). Returns 1 where it did something, 0
 * where nothing is left, or an error: -POD_E_NOSPACE may be tried again, after all others the disk is broken.
 */
int apply_batch(struct disk *d, uint64_t limit, struct err *err);
/* Everything that is durable now. */
int apply_all(struct disk *d, struct err *err);
/* Image flushed, superblock's tail moved to the last commit applied; also the log's, as far as it should. */
int checkpoint(struct disk *d, struct err *err);

/* ---- applier.c: the thread ---- */

int applier_init(struct disk *d, struct err *err);
int applier_start(struct disk *d, struct err *err);
void applier_stop(struct disk *d);
void applier_done(struct disk *d);
void applier_nudge(struct disk *d); /* under lock: something was staged or became durable */
/* Under lock: waits, with the applier told that it is urgent, until done says so or the disk is broken. */
int applier_wait(struct disk *d, bool (*done)(struct disk *d, uint64_t arg), uint64_t arg, struct err *err);

/* ---- recover.c ---- */

int disk_recover(struct disk *d, struct err *err);
/* The COMMIT that ends at lsn, a multiple of RECORD_ALIGN; -POD_E_NOTFOUND. */
int recover_commit_before(struct disk *d, uint64_t lsn, struct record *ret, struct err *err);

/* ---- peers.c ---- */

int peers_load(struct disk *d, struct err *err);
/*
 * At open, before anything is appended: the log ends at end. A peer can have had more of it than a crash has left
 * here; from there on the log says something else, and no record need begin where he was.
 */
int peers_recover(struct disk *d, uint64_t end, struct err *err);
void peers_done(struct disk *d);
struct peer *peers_find(struct disk *d, const char *name); /* under lock; NULL: unknown */
/* Under lock: e was appended, or read again by recovery. */
void peers_mark(struct disk *d, const struct extent *e);
/* The volume will have that size, before a record says so. Allocates. */
int peers_resize(struct disk *d, uint64_t size_bytes, struct err *err);
/* Under meta_lock: saves what is marked, then *next with the peers as they are now. */
int peers_save(struct disk *d, const struct superblock *next, struct err *err);
int peers_save_now(struct disk *d, struct err *err);
void peers_to_superblock(struct disk *d, struct superblock *s);

/* Under image_lock, so that the log's tail stays: */
int peers_begin_bitmap(struct disk *d, struct peer *p,
                       struct err *err); /* there is one; empty where it did not count */
int peers_to_bitmap(struct disk *d, struct peer *p, uint64_t lsn, struct err *err); /* saved by who calls */
/*
 * Before the log's tail moves to *ret_tail: makes that lower for peers that need more of the log, but those
 * that need what is before forced are handed over to their bitmaps. From then on no peer begins to need what is
 * before *ret_tail. Saved by who calls.
 */
int peers_release(struct disk *d, uint64_t forced, uint64_t *ret_tail, struct err *err);

#endif
