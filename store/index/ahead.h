/*
 * Deliveries that are durable ahead of the index. A commit of the index with its files takes three flushes of
 * the device or more; a delivery needs one: its messages and the rows it puts are written to a journal that
 * has its blocks already (wal/wal.h). Its files are made at once and stay in the cache; its rows stay in the
 * writer's transaction, which goes on with the next batch. Some time later the index is settled: one syncfs
 * and one commit for all of them, after which the journal begins anew. Every other change settles it too, as
 * part of its own commit, so that order is kept.
 *
 * Who reads what a user's mailboxes have, and was told of a delivery to them, has to see it: ahead_wait. Who
 * watches them is told when the index is settled, which does not wait where somebody watches.
 *
 * After a crash the index is as it was settled last. What the journal has since then is done once more,
 * exactly, with the same UIDs and modseqs: files are made again, rows are put again.
 * For a rebuild the files are.
 *
 * Small bodies only, of batches that have nothing but deliveries: the rest goes the long way.
 */
#ifndef POD_STORE_INDEX_AHEAD_H
#define POD_STORE_INDEX_AHEAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "kv/redo.h"
#include "store/index/schema.h"
#include "wal/wal.h"

struct batch;
struct volume;

#define AHEAD_BUCKETS 256

/* A mailbox that got mail since the index was settled. */
struct ahead_mailbox;

struct ahead {
	/* The writer's: */
	struct wal *wal; /* NULL: none, every batch goes the long way */
	kv_table tables[SCHEMA_TABLES];
	struct kv_redo redo; /* all changes since the index was settled */
	size_t mark;         /* where this batch's begin in it */
	struct kv_txn txn;   /* between batches; not running where none went ahead */
	struct buf scratch;
	size_t messages;              /* not settled */
	uint64_t settled_us, took_us; /* when it was settled last, and how long that takes, smoothed */
	bool was_full;                /* the journal's file, in this segment */
	bool stuck;                   /* it could not be settled: no new mail until it is */

	pthread_mutex_t lock;
	pthread_cond_t turn;
	/* Under lock; changed by the writer only: */
	struct ahead_mailbox *mailboxes[AHEAD_BUCKETS];
	struct arena *a;   /* of these */
	uint64_t since_us; /* the oldest that is not settled */
	uint64_t turns;    /* so often it was settled, or could not be */
	bool watched;      /* one of them is */
	bool unnamed;      /* memory was out for one: everybody waits */
	/* Under lock, set by readers: */
	bool wanted;

	atomic_bool any; /* something is not settled */
};

void ahead_init(struct ahead *ah);
void ahead_done(struct ahead *ah);

/*
 * Before anything else looks at the index: does once more what the journal has, settled when this returns.
 * Afterwards batches go ahead if the options say so and the disk has room for the journal. -POD_E_CORRUPT:
 * the journal has a batch that is whole and cannot be read.
 */
int ahead_open(struct volume *vol, struct err *err);
/* For a rebuild: files of the journal's messages, in staging/. *ret_segment: what the new index has settled.
 */
int ahead_restore_files(struct volume *vol, uint64_t *ret_segment, struct err *err);

/* ---- the writer's ---- */

/* The transaction that goes on, or a new one with what is not settled. record: the batch may go ahead. */
int ahead_begin(struct volume *vol, bool record, struct kv_txn *ret_txn, struct err *err);
/* A batch that changed nothing: its transaction is kept. False: it is to be aborted. */
bool ahead_put_back(struct batch *b);
/* After its transaction was aborted: forgets the batch's changes. */
void ahead_undo(struct volume *vol);
/* Whether the batch, all its rows written, can go ahead now. */
bool ahead_takes(struct batch *b);
/* Durable when it returns 0, and its transaction kept. Errors as wal_append's. */
int ahead_write(struct batch *b, struct err *err);
/* In a batch that goes the long way, before its commit: what that settles. */
int ahead_prepare(struct batch *b, struct err *err);
/* After its commit: tells who watches, and wakes who waits. started_us: when the batch began. */
void ahead_settled(struct volume *vol, uint64_t started_us);
/* Its commit failed: new mail is refused until one does not. */
void ahead_failed(struct volume *vol);
/* Whether it is to be settled now; else in how long. */
bool ahead_due(struct volume *vol, uint64_t *ret_in_us);
/* The writer's thread ends: its transaction does, and nobody waits any more. */
void ahead_end(struct volume *vol);
/* Bytes the index may grow by when it is settled. */
uint64_t ahead_index_room(const struct volume *vol);
static inline bool ahead_any(const struct ahead *ah)
{
	return atomic_load_explicit(&ah->any, memory_order_acquire);
}

/* ---- any thread but the writer's ---- */

/*
 * Waits until what was delivered to the user is in the index; empty: to anybody. Costs nothing where nothing
 * was. Where the disk takes longer than 2 seconds for it, or refuses, it is waited for no more.
 */
void ahead_wait(struct volume *vol, struct span user_id);
/* Nobody waits any more: the volume is broken. */
void ahead_wake(struct volume *vol);

#endif
