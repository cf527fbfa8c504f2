/*
 * Inside the snapshot room: the chain of snapshots, and what its files do to each other.
 *
 * Two locks. The gate lets one change at a time through (cut, delete, hold, preserve, a piece of handing
 * down); the sweeper stands back while anybody else waits. Who is in the gate may read everything, and
 * changes what readers look at (the chain, the maps) under the write lock, which is never held during I/O.
 * Readers hold the read lock during theirs: so when a copy is published, nobody reads the image any more for
 * that chunk.
 */
#ifndef REPLICATOR_SNAPSHOT_SNAPSHOT_INTERNAL_H
#define REPLICATOR_SNAPSHOT_SNAPSHOT_INTERNAL_H

#include <pthread.h>

#include "replicator/snapshot/chunk_map.h"
#include "replicator/snapshot/snapshot.h"

#define RUN_CHUNKS    16u                 /* read and written in one go: 1 MiB */
#define CHAIN_MAX     (2 * SNAPSHOTS_MAX) /* those that are being deleted count too */
#define SNAPSHOT_PATH (SNAPSHOT_NAME_SIZE + 16)

struct snapshot {
	struct snapshot_info info; /* copied_bytes: see snapshot_cost */
	uint64_t serial, chunks;
	int data;              /* the .data file, O_DIRECT where that works */
	int map_fd;            /* -1: a reflink needs no map */
	struct chunk_map *map; /* NULL: a reflink, which has every chunk */
	bool deleted;          /* durably so: only older ones look into it, until they have what they need */
	uint64_t needed;       /* of a deleted one: copied chunks that the next older one needs */
	uint64_t sweep_at;     /* of a deleted one: chunks before have been handed down */
	unsigned int readers;  /* under the lock */
	struct snapshot *next; /* among the gone */
};

struct snapshots {
	struct snapshots_options o;
	int dir;         /* snapshots/ */
	bool no_reflink; /* the file system cannot */

	pthread_rwlock_t lock;
	struct snapshot *chain[CHAIN_MAX]; /* oldest first */
	size_t n;
	struct snapshot *gone; /* dropped under a reader: its name stays taken until he ends */

	pthread_mutex_t gate;
	pthread_cond_t gate_moved; /* somebody left, the sweeper has work or is to end, or a reader ended */
	bool gate_taken, closing;
	unsigned int gate_waiting;
	pthread_t sweeper;
	bool sweeper_runs;

	/* In the gate only (the sweeper also looks while it is free). */
	bool sweep_failed;         /* not tried again before the next deletion or open */
	bool broken;               /* a flush failed: nobody knows what is on the disk */
	uint64_t serial;           /* of the next */
	uint64_t damaged_serial;   /* at open: of the newest that cannot be used, on which older ones lean */
	bool damaged_reflink;      /* at open: so is a reflink of unknown age, on which only copies can lean */
	struct chunk_map *pending; /* copied, not yet durable */
	uint8_t *run;              /* RUN_CHUNKS chunks, aligned for direct I/O; also a page */
};

/* ---- sweeper.c: one change at a time, and the sweeper ---- */
void gate_enter(struct snapshots *s);
void gate_leave(struct snapshots *s);
/* Of a reader: lets those look again who wait for readers to end. */
void gate_tell(struct snapshots *s);
/* In the gate: lets others through until the sweeper has taken something away. */
void gate_wait_for_sweeper(struct snapshots *s);
int sweeper_start(struct snapshots *s, struct err *err);
void sweeper_stop(struct snapshots *s);

/* ---- files.c: a snapshot's files. Durable when they return 0 ---- */
int snapshot_step(struct snapshots *s, enum disk_step step, struct err *err);
int snapshot_flush(struct snapshots *s, int fd, enum disk_step step, const char *what, struct err *err);
int dir_flush(struct snapshots *s, struct err *err);
int json_write(struct snapshots *s, const struct snapshot *sn, struct err *err);
/* Makes and flushes .data and .map of a new snapshot, a reflink of the image where possible. */
int files_create(struct snapshots *s, struct snapshot *sn, struct err *err);
/* Opens a snapshot that is there, by its .json or, deleted, .deleted. *ret_serial is set on failure also:
 * UINT64_MAX where it is not known. */
int snapshot_files_open(struct snapshots *s, const char *name, bool deleted, struct snapshot **ret_sn,
               uint64_t *ret_serial, struct err *err);
/*
 * One whose .json or .deleted cannot be read, but whose map and data can: what it was is lost, and it is as if deleted, but
 * older ones find in it what they need. -POD_E_EXISTS: it holds nothing, so nobody leans on it; -POD_E_NOTFOUND: it has no
 * map, as a reflink; else nobody knows who leans on it.
 */
int files_rescue(struct snapshots *s, const char *name, struct snapshot **ret_sn, struct err *err);
/* .json becomes .deleted: what it has is still found. */
int files_mark_deleted(struct snapshots *s, const struct snapshot *sn, struct err *err);
/* .json or .deleted goes, durably; what is left is taken away by files_remove_rest, or by the next open. */
int snapshot_files_remove(struct snapshots *s, const struct snapshot *sn, struct err *err);
void files_remove_rest(struct snapshots *s, const char *name);
/* .json becomes .damaged, which nobody opens. */
int files_set_aside(struct snapshots *s, const char *name, bool deleted, struct err *err);
struct snapshot *snapshot_free(struct snapshot *sn);

/* ---- chain.c ---- */
/* The index of one that is not deleted; s->n where there is none. */
size_t chain_find(const struct snapshots *s, const char *name);
size_t chain_newest(const struct snapshots *s);
enum chunk_state snapshot_state(const struct snapshot *sn, uint64_t chunk);
/* Whether a chunk of chain[i] is found in it or in a newer one, so that the image may change. */
bool chain_has(const struct snapshots *s, size_t i, uint64_t chunk);
uint64_t snapshot_cost(const struct snapshot *sn); /* bytes */
uint64_t chain_cost(const struct snapshots *s);
int chain_add(struct snapshots *s, struct snapshot *sn, struct err *err);
/* Deletes chain[i]: at once where nothing older needs it, else it is marked and the sweeper goes on. */
int chain_delete(struct snapshots *s, size_t i, struct err *err);
/* Takes chain[i] and its files away: nothing older may need it. */
int chain_remove(struct snapshots *s, size_t i, struct err *err);
/* After the chain was read: takes away what nobody needs any more, and counts what is needed of the others.
 */
int chain_settle(struct snapshots *s, struct err *err);
/* Drops the oldest that is not held, else the oldest, and says so. -POD_E_NOTFOUND: there is none. */
int chain_drop(struct snapshots *s, struct err *err);

/* ---- read.c: where content is found. Under the lock ---- */
/* Where a run of bytes comes from; fd -1: zeros. */
struct source {
	int fd;
	size_t size;
};
/* The index of one that can be read by this name. -POD_E_NOTFOUND: it is gone, or another has its name by
 * now. */
int find_readable(const struct snapshots *s, const char *name, size_t *ret_i, struct err *err);
/* Where chain[i]'s content at offset is, as far as one source goes, at most size. */
struct source source_of(const struct snapshots *s, size_t i, uint64_t offset, size_t size);

/* ---- copy.c: chunks into a snapshot. In the gate ---- */
/*
 * Chunks [first, first + n), n <= RUN_CHUNKS, of from_fd become pending copies in to. -POD_E_NOSPACE: there
 * is no room.
 */
int copy_run(struct snapshots *s, struct snapshot *to, int from_fd, uint64_t first, uint64_t n,
             struct err *err);
/* Makes what is pending durable in to, with two flushes at most, and publishes it. */
int copy_finish(struct snapshots *s, struct snapshot *to, struct err *err);
void copy_abandon(struct snapshots *s);
/* Room for pending chunks of an image of so many. Allocates. */
int copy_reserve(struct snapshots *s, uint64_t chunks, struct err *err);

/* Whole reads and writes at an offset, interruptions aside; what lies behind the end of a file reads as
 * zeros. */
int fd_read(int fd, void *bytes, size_t size, uint64_t offset);
int fd_write(int fd, const void *bytes, size_t size, uint64_t offset);

#endif
