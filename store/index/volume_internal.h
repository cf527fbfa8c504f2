/*
 * What the files of store/index share. Who owns what:
 *
 *   writer thread        struct batch, the counters, volume.json, names.journal, intents, every write
 * transaction write-behind thread  the files named in `pending` (renames and unlinks), trash/ any thread
 * reads, in snapshots of their own; bodies into unnamed files
 *
 * Shared, each with its lock: the writer's queue (queue.lock), `folders` (held by the writer while it moves
 * folders, by write-behind while it moves files in them), claimed \Recent (recent.lock), cached uids
 * (uids.lock), times of logins (logins.lock).
 */
#ifndef POD_STORE_INDEX_VOLUME_INTERNAL_H
#define POD_STORE_INDEX_VOLUME_INTERNAL_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/index/ahead.h"
#include "store/index/index.h"
#include "store/index/journal.h"
#include "store/index/logins.h"
#include "store/index/recent.h"
#include "store/index/schema.h"
#include "store/index/uids_cache.h"
#include "store/maildir/volume_file.h"

struct batch;
struct cleared;

/* The steps at which tests end the process or make a call fail; see volume_options.on_step. */
#define STEP(vol, step) ((vol)->o.on_step ? (vol)->o.on_step((vol)->o.step_arg, (step)) : 0)

struct writer {
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct change *first, **last; /* under lock */
	struct change *lazy; /* write-behind's clearing: waits for a commit that is made anyway; under lock */
	uint64_t lazy_since_ms;
	bool hurried; /* it waits no more: the volume is closing; under lock */
	size_t queued;
	size_t wake_at; /* so many queued are worth waking the writer: all it gathers, not each; under lock */
	bool stop;
	/* The writer's own: */
	size_t taken;       /* changes in the batch */
	size_t expected;    /* in the next */
	uint64_t commit_us; /* how long a commit takes, smoothed */
	bool intents_open;  /* rows in `intents` to be cleared by a commit with a syncfs */
	bool sync_owed;     /* a file was written whose commit failed: the next one makes it durable */
	bool intents_stuck; /* a folder could not be moved: retried before each batch */
};

struct write_behind {
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake, settled;
	bool work, stop, cleared; /* under lock */
	bool ended;               /* under lock: the thread does no more */
	uint64_t rounds;          /* under lock: begun */
	uint64_t settled_round;   /* under lock: the last that left nothing to be done */
	struct cleared *done;     /* under lock: this pass, in key order */
	size_t done_n, done_cap;
	uint64_t failures; /* files it could not name in this pass: tried again; the thread's own */
	bool told;
};

struct volume {
	int dir, staging, lock; /* the volume's folder, its staging/, volume.lock with the lock held */
	struct volume_options o;
	char path[PATH_MAX];
	struct volume_file file;
	char id[ID_TEXT_SIZE];
	uint8_t secret[VOLUME_SECRET_SIZE];
	struct kv *kv;
	struct tables t;
	struct writer writer;
	struct journal journal; /* the writer's */
	struct ahead ahead; /* see there */
	struct write_behind behind;
	pthread_mutex_t folders;
	struct recent recent;
	struct uids_cache uids;
	struct logins logins;
	atomic_bool is_broken;
	char broken[256];    /* written once, before is_broken */
	uint64_t index_room; /* bytes of the index's file the disk has promised; the writer's */
};

/* No further change is taken: the disk failed us in a way that leaves unknown what is stable. */
void volume_break(struct volume *vol, const struct err *why);

int writer_start(struct volume *vol, struct err *err);
/* Commits what is queued, then ends the thread. */
void writer_stop(struct volume *vol);
/* For write-behind's CHANGE_CLEAR: rides on a commit that is made anyway, or is made alone after a second. */
void writer_submit_lazy(struct volume *vol, struct change *c);
/* It looks again whether the index is to be settled. False: there is no writer. */
bool writer_poke(struct volume *vol);
/* From now on that does not wait: somebody wants the volume closed. */
void writer_hurry(struct volume *vol);

int write_behind_start(struct volume *vol, struct err *err);
/* Does all that is pending, then ends the thread. The writer must still run. */
void write_behind_stop(struct volume *vol);
/* There are new rows in `pending`, or something in trash/. Any thread. */
void write_behind_wake(struct volume *vol);
/* Waits until all that is pending now is done, or the thread has ended. Any thread but the volume's own. */
void write_behind_settle(struct volume *vol);

/* After a crash, before any thread runs: see recover.c. */
int recover(struct volume *vol, struct err *err);

#endif
