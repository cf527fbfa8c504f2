/* The writer's side: batches that go ahead, the transaction that goes on, and when the index is settled. */
#include "store/index/ahead.h"

#include "base/clock.h"
#include "store/index/ahead_format.h"
#include "store/index/ahead_internal.h"
#include "store/index/batch.h"

/* Where somebody watches it is settled at once, but after each time not for so many times as long as that took. */
#define WATCHED_REST 4
#define RETRY_US     1000000
/* Of rows of a message: a page of each table and kind that no other message touches. */
#define PAGES_PER_MESSAGE (6u * 4096)

void ahead_init(struct ahead *ah)
{
	pthread_condattr_t attr;

	(void) pthread_mutex_init(&ah->lock, NULL);
	(void) pthread_condattr_init(&attr);
	(void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void) pthread_cond_init(&ah->turn, &attr);
	(void) pthread_condattr_destroy(&attr);
}

void ahead_done(struct ahead *ah)
{
	ah->wal = wal_close(ah->wal);
	kv_redo_done(&ah->redo);
	buf_done(&ah->scratch);
	ah->a = arena_free(ah->a);
	(void) pthread_cond_destroy(&ah->turn);
	(void) pthread_mutex_destroy(&ah->lock);
}

uint64_t ahead_index_room(const struct volume *vol)
{
	return (uint64_t) vol->ahead.messages * PAGES_PER_MESSAGE;
}

/* ---- the transaction ---- */

/* What went ahead is done once more: the transaction that had it was given up with a batch that failed. */
static int begin_anew(struct volume *vol, struct kv_txn *ret_txn, struct err *err)
{
	struct ahead *ah = &vol->ahead;
	KV_TXN txn = { 0 };
	struct span changes;
	int r = kv_txn_begin(vol->kv, KV_WRITE, &txn, err);

	if (r == 0 && ah->wal)
		r = kv_redo_changes(&ah->redo, &changes, err);
	if (r == 0 && ah->wal)
		r = kv_redo_apply(&txn, ah->tables, SCHEMA_TABLES, changes, err);
	if (r == 0)
		kv_txn_move(&txn, ret_txn);
	return r;
}

int ahead_begin(struct volume *vol, bool record, struct kv_txn *ret_txn, struct err *err)
{
	struct ahead *ah = &vol->ahead;
	struct span changes = SPAN_NONE;
	int r = 0;

	if (ah->txn.impl)
		kv_txn_move(&ah->txn, ret_txn);
	else
		r = begin_anew(vol, ret_txn, err);
	if (r == 0 && ah->wal)
		r = kv_redo_changes(&ah->redo, &changes, err);
	if (r < 0)
		return r;
	ah->mark = changes.len;
	kv_txn_set_redo(ret_txn, record && ah->wal ? &ah->redo : NULL);
	return 0;
}

bool ahead_put_back(struct batch *b)
{
	struct ahead *ah = &b->vol->ahead;

	/* Of what was not written down nobody knows whether it changed something. */
	if (!b->txn.redo || ah->redo.changes.failed || ah->redo.changes.len != ah->mark)
		return false;
	kv_txn_move(&b->txn, &ah->txn);
	return true;
}

void ahead_undo(struct volume *vol)
{
	struct ahead *ah = &vol->ahead;

	ah->redo.changes.len = ah->mark;
	ah->redo.changes.failed = false;
	ah->redo.reserved = NULL;
}

/* ---- a batch ---- */

/* Recipients that share a body follow each other. */
static void add_files(struct batch *b, struct buf *to)
{
	const struct volume_body *last = NULL;

	for (const struct staged *s = b->staged; s; s = s->before) {
		if (s->body == last)
			ahead_entry_add(to, AHEAD_AGAIN, span_of(s->name), SPAN_NONE, SPAN_NONE);
		else
			ahead_entry_add(to, AHEAD_FILE, span_of(s->name), s->body->header, s->body->bytes);
		last = s->body;
	}
}

static bool has_room(const struct batch *b, struct span changes)
{
	const struct volume_body *last = NULL;
	size_t size = WAL_HEADER + AHEAD_ENTRY_HEADER + changes.len;

	for (const struct staged *s = b->staged; s; s = s->before) {
		size += AHEAD_ENTRY_HEADER + strlen(s->name) + (s->body == last ? 0 : (size_t) s->body->size);
		last = s->body;
	}
	return size <= wal_room(b->vol->ahead.wal);
}

static bool is_watched(const struct batch *b)
{
	const struct volume_options *o = &b->vol->o;

	for (size_t i = 0; o->is_watched && i < BATCH_BUCKETS; i++)
		for (const struct mailbox_state *m = b->mailboxes[i]; m; m = m->next)
			if (m->dirty && o->is_watched(o->arg, (const char *) m->info.user_id.p))
				return true;
	return false;
}

static uint64_t watched_due_us(const struct ahead *ah)
{
	return ah->settled_us + WATCHED_REST * ah->took_us;
}

bool ahead_takes(struct batch *b)
{
	struct ahead *ah = &b->vol->ahead;
	struct span changes;

	if (!b->txn.redo || b->needs_sync || b->intents || !journal_frame_is_empty(&b->journal) ||
	    b->bodies == 0 || ah->stuck)
		return false;
	if (kv_redo_changes(&ah->redo, &changes, NULL) < 0)
		return false;
	if (!has_room(b, span_skip(changes, ah->mark))) {
		ah->was_full = true;
		return false;
	}
	b->watched = is_watched(b);
	return !b->watched || clock_mono_us() < watched_due_us(ah);
}

static void note(struct batch *b)
{
	struct ahead *ah = &b->vol->ahead;

	(void) pthread_mutex_lock(&ah->lock);
	for (size_t i = 0; i < BATCH_BUCKETS; i++)
		for (const struct mailbox_state *m = b->mailboxes[i]; m; m = m->next)
			if (m->dirty)
				ahead_note(ah, m->info.user_id, m->id, b->modseq);
	if (!ahead_any(ah))
		ah->since_us = clock_mono_us();
	ah->watched |= b->watched;
	atomic_store_explicit(&ah->any, true, memory_order_release);
	(void) pthread_mutex_unlock(&ah->lock);
}

int ahead_write(struct batch *b, struct err *err)
{
	struct ahead *ah = &b->vol->ahead;
	struct span changes = SPAN_NONE;
	int e = STEP(b->vol, VOLUME_STEP_AHEAD);
	int r = e ? err_errno(err, e, "write the deliveries' journal")
	          : kv_redo_changes(&ah->redo, &changes, err);

	if (r < 0)
		return r;
	wal_batch_begin(&ah->scratch);
	add_files(b, &ah->scratch);
	ahead_entry_add(&ah->scratch, AHEAD_CHANGES, SPAN_NONE, span_skip(changes, ah->mark), SPAN_NONE);
	r = wal_append(ah->wal, &ah->scratch, err);
	if (r < 0)
		return r;
	ah->mark = changes.len;
	ah->messages += b->bodies;
	kv_txn_move(&b->txn, &ah->txn);
	note(b);
	return 0;
}

/* ---- settling ---- */

int ahead_prepare(struct batch *b, struct err *err)
{
	const struct ahead *ah = &b->vol->ahead;

	if (!ahead_any(ah))
		return 0;
	b->needs_sync = true; /* its files */
	return ahead_segment_put(&b->txn, &b->vol->t, wal_segment(ah->wal), err);
}

static void turn(struct ahead *ah, bool settled)
{
	(void) pthread_mutex_lock(&ah->lock);
	ah->turns++;
	ah->wanted = false;
	ah->since_us = clock_mono_us(); /* of the next try */
	if (settled) {
		ahead_forget(ah);
		ah->watched = false;
		atomic_store_explicit(&ah->any, false, memory_order_release);
	}
	(void) pthread_cond_broadcast(&ah->turn);
	(void) pthread_mutex_unlock(&ah->lock);
}

/* What cannot be written over by zeros is by the next batch, or told from it by the index. */
static void begin_journal_anew(struct ahead *ah)
{
	wal_turn(ah->wal);
	if (ah->was_full)
		wal_resize(ah->wal, true);
	ah->was_full = false;
	(void) wal_erase(ah->wal, NULL);
}

void ahead_settled(struct volume *vol, uint64_t started_us)
{
	struct ahead *ah = &vol->ahead;
	uint64_t now = clock_mono_us();

	if (!ah->wal)
		return;
	ah->took_us = (3 * ah->took_us + (now - started_us)) / 4;
	ah->settled_us = now;
	kv_redo_clear(&ah->redo);
	ah->mark = ah->messages = 0;
	ah->stuck = false;
	if (!ahead_any(ah))
		return;
	begin_journal_anew(ah);
	ahead_publish(vol);
	turn(ah, true);
}

void ahead_failed(struct volume *vol)
{
	struct ahead *ah = &vol->ahead;

	if (!ahead_any(ah))
		return;
	ah->stuck = true;
	turn(ah, false);
}

void ahead_end(struct volume *vol)
{
	kv_txn_abort(&vol->ahead.txn); /* it is this thread's */
	ahead_wake(vol);
}

bool ahead_due(struct volume *vol, uint64_t *ret_in_us)
{
	struct ahead *ah = &vol->ahead;
	uint64_t now = clock_mono_us(), at;
	bool wanted;

	*ret_in_us = UINT64_MAX;
	if (!ahead_any(ah) || volume_broken(vol))
		return false;
	(void) pthread_mutex_lock(&ah->lock);
	wanted = ah->wanted;
	at = ah->since_us + (ah->stuck ? RETRY_US : vol->o.settle_ms * 1000ull);
	if (ah->watched && !ah->stuck && watched_due_us(ah) < at)
		at = watched_due_us(ah);
	(void) pthread_mutex_unlock(&ah->lock);
	*ret_in_us = at > now ? at - now : 0;
	return wanted || at <= now;
}
