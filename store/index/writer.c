/*
 * The committing thread. Changes queue while a commit is at the disk; the next batch takes them all, up to a
 * bound. One syncfs and one commit of the index make a batch durable, however many changes it has.
 */
#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/index/change.h"
#include "store/index/intents.h"

/* Changes that are undone together with another's failure are done again, so often; then all are failed. */
#define RETRIES_MAX 4
/* A commit waits this part of its own time, at most so long, for those who just got their answers to come
 * again. */
#define GATHER_PART   4
#define GATHER_MAX_US 1500

/* ---- the queue ---- */

static void push(struct writer *w, struct change *c)
{
	c->next = NULL;
	*w->last = c;
	w->last = &c->next;
	w->queued++;
}

static void refuse(struct change *c, enum pod_error code, const char *why)
{
	c->code = err_set(&c->err, code, "%s", why);
	c->done(c);
}

void volume_submit(struct volume *vol, struct change *c)
{
	struct writer *w = &vol->writer;
	bool open;

	c->code = 0;
	c->err = (struct err){ 0 };
	(void) pthread_mutex_lock(&w->lock);
	open = w->started && !w->stop && change_row(c->kind);
	if (open) {
		push(w, c);
		if (w->queued >= w->wake_at)
			(void) pthread_cond_signal(&w->more);
	}
	(void) pthread_mutex_unlock(&w->lock);
	if (!open)
		refuse(c, POD_E_UNAVAILABLE, "the volume is closing");
}

void writer_submit_lazy(struct volume *vol, struct change *c)
{
	struct writer *w = &vol->writer;

	c->code = 0;
	c->err = (struct err){ 0 };
	c->next = NULL;
	(void) pthread_mutex_lock(&w->lock);
	w->lazy = c; /* write-behind has one at a time */
	w->lazy_since_ms = clock_mono_ms();
	(void) pthread_cond_signal(&w->more);
	(void) pthread_mutex_unlock(&w->lock);
}

void writer_hurry(struct volume *vol)
{
	(void) pthread_mutex_lock(&vol->writer.lock);
	vol->writer.hurried = true;
	(void) pthread_cond_signal(&vol->writer.more);
	(void) pthread_mutex_unlock(&vol->writer.lock);
}

bool writer_poke(struct volume *vol)
{
	struct writer *w = &vol->writer;
	bool runs;

	(void) pthread_mutex_lock(&w->lock);
	runs = w->started && !w->stop;
	(void) pthread_cond_signal(&w->more);
	(void) pthread_mutex_unlock(&w->lock);
	return runs;
}

static void wait_until(struct writer *w, uint64_t in_us)
{
	struct timespec t;

	(void) clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t) (in_us / 1000000);
	t.tv_nsec += (long) (in_us % 1000000) * 1000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	(void) pthread_cond_timedwait(&w->more, &w->lock, &t);
}

/*
 * Those answered by the last commit come again one after the other: without a short wait the first of them
 * would have a commit of its own, or they and those who queued meanwhile would take turns, each waiting for
 * two commits. With a window, whoever comes within it is waited for, until the batch is full.
 */
static void gather(struct volume *vol)
{
	struct writer *w = &vol->writer;
	uint64_t wait_us = w->commit_us / GATHER_PART, until;

	w->wake_at = w->expected;
	if (wait_us > GATHER_MAX_US)
		wait_us = GATHER_MAX_US;
	if (vol->o.commit_window_ms > 0) {
		wait_us = vol->o.commit_window_ms * 1000ull;
		w->wake_at = vol->o.commit_changes_max;
	}
	until = clock_mono_us() + wait_us;
	while (!w->stop && w->queued < w->wake_at) {
		uint64_t now = clock_mono_us();

		if (now >= until)
			break;
		wait_until(w, until - now);
	}
	w->wake_at = 1;
}

/* Before answers go out: those who get one, and those who are waiting already, could all be in the next
 * batch. */
static void expect(struct writer *w)
{
	(void) pthread_mutex_lock(&w->lock);
	w->expected = w->queued + w->taken;
	(void) pthread_mutex_unlock(&w->lock);
}

/* Clearing waits as long for a commit to ride on as write-behind itself waited for its work. */
static bool lazy_is_due(const struct volume *vol, uint64_t *ret_in_ms)
{
	uint64_t age = clock_mono_ms() - vol->writer.lazy_since_ms;

	*ret_in_ms = age < vol->o.write_behind_ms ? vol->o.write_behind_ms - age : 0;
	return vol->writer.stop || vol->writer.hurried || age >= vol->o.write_behind_ms;
}

/* Until there is something to do; true: the index is to be settled. */
static bool wait_for_work(struct volume *vol)
{
	struct writer *w = &vol->writer;
	uint64_t lazy_in_ms, in_us;

	for (;;) {
		bool settle = ahead_due(vol, &in_us);

		if (w->first || w->stop || settle)
			return settle;
		if (w->lazy) {
			if (lazy_is_due(vol, &lazy_in_ms))
				return false;
			if (lazy_in_ms * 1000 < in_us)
				in_us = lazy_in_ms * 1000;
		}
		if (in_us == UINT64_MAX)
			(void) pthread_cond_wait(&w->more, &w->lock);
		else
			wait_until(w, in_us);
	}
}

/* Takes the next batch off the queue; *ret_lazy is what may ride on it. False: the end. */
static bool take(struct volume *vol, struct change **ret_first, struct change **ret_lazy, bool *ret_settle)
{
	struct writer *w = &vol->writer;
	struct change **at;
	size_t n = 0;

	(void) pthread_mutex_lock(&w->lock);
	*ret_settle = wait_for_work(vol);
	if (w->first)
		gather(vol);
	*ret_first = w->first;
	for (at = &w->first; *at && n < vol->o.commit_changes_max; at = &(*at)->next)
		n++;
	w->first = *at;
	*at = NULL;
	if (!w->first)
		w->last = &w->first;
	if (n == 0)
		*ret_first = NULL;
	w->queued -= n;
	w->taken = n;
	*ret_lazy = w->lazy;
	(void) pthread_mutex_unlock(&w->lock);
	return *ret_first || *ret_lazy || !w->stop; /* what is not settled then, the next start does */
}

/* ---- one batch ---- */

struct work {
	struct change *first; /* not yet done */
	struct change *end;   /* where the batch ended: the rest is for the next one */
	struct change *lazy;  /* NULL: did not ride */
	bool failed_once;     /* space was out: only what frees some is tried again */
	bool settle;          /* the index is to have all that went ahead of it */
};

static int apply(struct batch *b, struct change *c, bool without_adding)
{
	const struct change_row *row = change_row(c->kind);

	if ((row->flags & CHANGE_ADDS) && (b->no_room || without_adding))
		return err_set(&c->err, POD_E_NOSPACE, "the volume's disk is full");
	return row->apply(b, c);
}

/* Applies changes up to the end, or to one that must be the last. Returns b->hard, with the culprit marked.
 */
static int apply_all(struct batch *b, struct work *w)
{
	struct change *c;

	for (c = w->first; c && !b->full; c = c->next) {
		if (c->code < 0) /* failed before the batch was done again */
			continue;
		c->code = apply(b, c, w->failed_once);
		if (b->hard) {
			c->code = b->hard;
			if (!c->err.text[0])
				c->err = b->hard_err;
			return b->hard;
		}
	}
	w->end = c;
	return 0;
}

/* What was to be written behind is cleared where a syncfs is made anyway, or when it has waited long enough.
 */
static int apply_lazy(struct volume *vol, struct batch *b, struct work *w, struct change *lazy)
{
	uint64_t in_ms;
	bool due;
	int e;

	if (!lazy)
		return 0;
	if (lazy->code < 0) { /* it is what the batch was undone for */
		w->lazy = lazy;
		return 0;
	}
	(void) pthread_mutex_lock(&vol->writer.lock);
	due = lazy_is_due(vol, &in_ms);
	(void) pthread_mutex_unlock(&vol->writer.lock);
	if (!batch_will_sync(b) && !due)
		return 0;
	e = STEP(vol, VOLUME_STEP_CLEAR);
	lazy->code = e ? err_errno(&lazy->err, e, "clear") : apply(b, lazy, false);
	w->lazy = lazy;
	return b->hard;
}

static void fail_rest(struct change *from, const struct change *end, int r, const struct err *why)
{
	for (struct change *c = from; c != end; c = c->next) {
		if (c->code == 0) {
			c->code = r;
			c->err = *why;
		}
	}
}

/* Folders move while the lock is held, so that write-behind never takes an old path for a new one. */
static void move_folders(struct volume *vol)
{
	struct err err = { 0 };

	vol->writer.intents_stuck = intents_run(vol, &err) < 0;
	if (vol->writer.intents_stuck)
		log_event(NULL, LOGL_ERROR, "folder.stuck", F_STR("volume", vol->file.name), F_ERR(&err));
	vol->writer.intents_open = true;
}

static int commit(struct volume *vol, struct batch *b)
{
	struct err err = { 0 };
	bool moves = b->intents > 0 || vol->writer.intents_stuck;
	int r = change_prune_memory(b, &err);

	if (moves)
		(void) pthread_mutex_lock(&vol->folders);
	r = r < 0 ? r : batch_commit(b, &err);
	if (r == 0)
		(void) STEP(vol, VOLUME_STEP_COMMITTED);
	else
		b->hard_err = err;
	if (r == 0 && moves)
		move_folders(vol);
	if (moves)
		(void) pthread_mutex_unlock(&vol->folders);
	return r;
}

static bool has_deliveries_only(const struct work *w)
{
	for (const struct change *c = w->first; c; c = c->next)
		if (c->kind != CHANGE_DELIVER)
			return false;
	return w->first && !w->settle;
}

/* Tries the batch once. 0: over, with or without a commit; else it was undone. */
static int try_batch(struct volume *vol, struct batch *b, struct work *w, struct change *lazy)
{
	int r;

	w->end = NULL;
	w->lazy = NULL;
	r = batch_begin(b, vol, has_deliveries_only(w), &b->hard_err);
	if (r < 0)
		return r;
	b->dirty |= w->settle && ahead_any(&vol->ahead);
	r = apply_all(b, w);
	if (r == 0)
		r = apply_lazy(vol, b, w, lazy);
	if (r < 0 || !b->dirty) {
		struct err why = b->hard_err;

		batch_abort(b);
		b->hard_err = why;
		return r;
	}
	r = commit(vol, b);
	if (r == -POD_E_NOSPACE)
		w->failed_once = true;
	return r;
}

static void publish(struct volume *vol, struct batch *b)
{
	struct volume_event *events;
	size_t n = 0, cap = 0;

	if (!vol->o.on_changed)
		return;
	for (size_t i = 0; i < BATCH_BUCKETS; i++) {
		for (struct user_state *u = b->users[i]; u; u = u->next)
			cap += 2;
		for (struct mailbox_state *m = b->mailboxes[i]; m; m = m->next)
			cap++;
	}
	events = arena_array(b->a, cap, sizeof(*events));
	if (!events) /* watchers hear of it with the next commit */
		return;
	for (size_t i = 0; i < BATCH_BUCKETS; i++) {
		for (struct user_state *u = b->users[i]; u; u = u->next) {
			if (u->list_changed)
				events[n++] = (struct volume_event){ (const char *) u->id.p, 0, b->modseq, false };
			if (u->account_changed)
				events[n++] = (struct volume_event){ (const char *) u->id.p, 0, b->modseq, true };
		}
		for (struct mailbox_state *m = b->mailboxes[i]; m; m = m->next)
			if (m->dirty || m->gone)
				events[n++] = (struct volume_event){ (const char *) m->info.user_id.p, m->id,
					                             b->modseq, false };
	}
	if (n)
		vol->o.on_changed(vol->o.arg, events, n);
}

static void answer(struct change *from, const struct change *end)
{
	while (from != end) {
		struct change *c = from;

		from = c->next; /* c is its owner's from here on */
		c->done(c);
	}
}

/* A batch's changes from w->first on; those behind a folder's move are left for the next. */
static void run_batch(struct volume *vol, struct work *w, struct change *lazy)
{
	struct batch b = { 0 };
	uint64_t started = clock_mono_us();
	bool committed;
	int r;

	for (int tries = 0;; tries++) {
		r = volume_broken(vol) ? err_set(&b.hard_err, POD_E_IO, "%s", volume_broken(vol))
		                       : try_batch(vol, &b, w, lazy);
		if (r == 0)
			break;
		if (b.a)
			batch_done(&b);
		if (tries < RETRIES_MAX && (r == -POD_E_NOSPACE || r == -POD_E_LIMIT || r == -POD_E_NOMEM) &&
		    w->first)
			continue;
		fail_rest(w->first, NULL, r, &b.hard_err);
		if (lazy) {
			lazy->code = r;
			w->lazy = lazy;
		}
		w->end = NULL;
		break;
	}
	committed = b.a != NULL;
	if (committed && w->first) {
		uint64_t took = clock_mono_us() - started;

		vol->writer.commit_us = (3 * vol->writer.commit_us + took) / 4;
	}
	if (committed && !b.went_ahead)
		publish(vol, &b);
	expect(&vol->writer);
	answer(w->first, w->end);
	w->first = w->end;
	if (committed) {
		(void) STEP(vol, VOLUME_STEP_ANSWERED);
		if (!b.went_ahead)
			write_behind_wake(vol);
		batch_done(&b);
	}
}

static void finish_lazy(struct volume *vol, struct change *lazy)
{
	(void) pthread_mutex_lock(&vol->writer.lock);
	vol->writer.lazy = NULL;
	(void) pthread_mutex_unlock(&vol->writer.lock);
	lazy->done(lazy);
}

static void *writer_main(void *arg)
{
	struct volume *vol = arg;
	struct work w = { 0 };
	struct change *lazy;

	while (take(vol, &w.first, &lazy, &w.settle)) {
		do {
			w.failed_once = false;
			run_batch(vol, &w, lazy);
			if (w.lazy) {
				finish_lazy(vol, w.lazy);
				lazy = NULL;
			}
		} while (w.first);
	}
	ahead_end(vol);
	return NULL;
}

/* ---- start and stop ---- */

int writer_start(struct volume *vol, struct err *err)
{
	struct writer *w = &vol->writer;
	pthread_condattr_t attr;
	int e;

	w->last = &w->first;
	(void) pthread_mutex_init(&w->lock, NULL);
	(void) pthread_condattr_init(&attr);
	(void) pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void) pthread_cond_init(&w->more, &attr);
	(void) pthread_condattr_destroy(&attr);
	w->started = true;
	e = pthread_create(&w->thread, NULL, writer_main, vol);
	if (e)
		w->started = false;
	return e ? err_errno(err, e, "start the writer") : 0;
}

void writer_stop(struct volume *vol)
{
	struct writer *w = &vol->writer;

	if (!w->started)
		return;
	(void) pthread_mutex_lock(&w->lock);
	w->stop = true;
	(void) pthread_cond_signal(&w->more);
	(void) pthread_mutex_unlock(&w->lock);
	(void) pthread_join(w->thread, NULL);
}
