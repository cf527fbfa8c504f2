#include "replicator/disk/disk_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

/*
 * When the applier works. It is lazy: what is overwritten while it waits is never written to the image, large
 * batches sort well, and a flush that somebody waits for should not meet the image's writes at the disk. It
 * begins when a good part of the stage waits, when nobody has written for a while, or when somebody needs it
 * now.
 */
#define IDLE_US       50000u
#define CHECKPOINT_US 1000000u /* so long idle before the superblock is written for its own sake */
#define RETRY_MS      500      /* the image's disk was full */
#define QUEUE_DEPTH   16

int applier_init(struct disk *d, struct err *err)
{
	struct applier *a = &d->applier;
	int r = extent_map_create(BATCH_NODES, &a->batch, err);

	if (r < 0)
		return r;
	a->plain = calloc(PLAIN_MAX, sizeof(a->plain[0]));
	a->sorted = calloc(PLAIN_MAX, sizeof(a->sorted[0]));
	a->scratch = calloc(PLAIN_MAX, sizeof(a->scratch[0]));
	a->ops = calloc(BATCH_NODES, sizeof(a->ops[0]));
	a->extents = calloc(BATCH_NODES, sizeof(a->extents[0]));
	a->window = io_memory(BATCH_BYTES + 2 * IO_ALIGN);
	a->out = io_memory(BATCH_BYTES);
	a->queue = io_queue_create(QUEUE_DEPTH);
	if (!a->plain || !a->sorted || !a->scratch || !a->ops || !a->extents || !a->window || !a->out ||
	    !a->queue)
		return err_set(err, POD_E_NOMEM, "applier");
	io_queue_fix(a->queue, d->image_fd, a->out, BATCH_BYTES);
	return 0;
}

void applier_done(struct disk *d)
{
	struct applier *a = &d->applier;

	a->batch = extent_map_free(a->batch);
	a->queue = io_queue_free(a->queue);
	free(a->plain);
	free(a->sorted);
	free(a->scratch);
	free(a->ops);
	free(a->extents);
	free(a->window);
	free(a->out);
}

/* ---- what there is to do; under lock ---- */

static uint64_t apply_threshold(const struct disk *d)
{
	uint64_t half_stage = d->stage.size / 2, part = d->log_bytes / 8;

	return half_stage < part ? half_stage : part;
}

/* Nothing was staged for so long, as far as the applier has looked: writers do not look at the clock for it.
 */
static bool idle_for(struct disk *d, uint64_t us)
{
	uint64_t now = clock_mono_us();

	if (d->head.lsn != d->looked_lsn) {
		d->looked_lsn = d->head.lsn;
		d->looked_us = now;
	}
	return now - d->looked_us >= us;
}

static bool wants_apply(struct disk *d)
{
	uint64_t waiting = d->durable.lsn - d->applied.lsn;

	return waiting > 0 && (d->urgent > 0 || waiting >= apply_threshold(d) || idle_for(d, IDLE_US));
}

/*
 * The log is nearly full, and something in it could be let go. A secondary is sent no more than its log has
 * room for: where an epoch is larger than what is left, its end never comes unless the tail moves on without
 * it. It moves to three quarters (checkpoint.c), so that this is not so again at once.
 */
static bool wants_tail(const struct disk *d)
{
	return d->tail < d->applied_commit.lsn && d->head.lsn - d->tail > d->log_bytes / 16 * 13;
}

/* An epoch that ended because it was large, or whose flush nobody waited for. */
static bool wants_flush(struct disk *d)
{
	return !d->writing && d->committed.lsn > d->durable.lsn && idle_for(d, IDLE_US);
}

static bool wants_checkpoint(struct disk *d)
{
	uint64_t behind = d->applied_commit.lsn - d->checkpointed;
	bool tight = d->head.lsn + 2 * RECORD_SIZE_MAX + COMMIT_ROOM > d->tail + d->log_bytes;

	if (wants_tail(d))
		return true;
	if (behind == 0)
		return tight && d->urgent > 0 && d->tail < d->checkpointed;
	return behind >= d->log_bytes / 4 || idle_for(d, CHECKPOINT_US) ||
	       (d->urgent > 0 && tight && d->applied.lsn == d->durable.lsn);
}

static bool wants_anything(struct disk *d)
{
	return wants_apply(d) || wants_checkpoint(d) || wants_flush(d);
}

void applier_nudge(struct disk *d)
{
	if (wants_tail(d) || d->applied_commit.lsn - d->checkpointed >= d->log_bytes / 4 ||
	    (d->committed.lsn > d->applied.lsn &&
	     (d->applier_sleeps || d->durable.lsn - d->applied.lsn >= apply_threshold(d))))
		(void) pthread_cond_signal(&d->applier_wake);
}

/* Until something is to be done; the next look is after a while of quiet, if there may be something then. */
static void wait_for_work(struct disk *d)
{
	bool may_idle = d->committed.lsn > d->applied.lsn;
	bool may_save = d->applied_commit.lsn > d->checkpointed;
	uint64_t us = may_idle ? IDLE_US : CHECKPOINT_US / 4;
	struct timespec t;

	if (!may_idle && !may_save && d->urgent == 0) {
		d->applier_sleeps = true;
		(void) pthread_cond_wait(&d->applier_wake, &d->lock);
		d->applier_sleeps = false;
		return;
	}
	(void) clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += (long) us * 1000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	(void) pthread_cond_timedwait(&d->applier_wake, &d->lock, &t);
}

/* ---- the thread ---- */

static void set_stalled(struct disk *d, const struct err *e)
{
	bool was;

	(void) pthread_mutex_lock(&d->lock);
	was = d->is_stalled;
	d->is_stalled = e != NULL;
	if (e)
		(void) snprintf(d->stalled, sizeof(d->stalled), "%s", err_text(e));
	if (was != d->is_stalled)
		(void) pthread_cond_broadcast(&d->moved);
	(void) pthread_mutex_unlock(&d->lock);
	if (was != (e != NULL))
		disk_told(d);
}

/* The image's disk is full: nothing is lost, the log keeps it. Waits a little for somebody to make room. */
static void wait_retry(struct disk *d)
{
	struct timespec t;

	(void) clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += RETRY_MS * 1000000L;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	(void) pthread_mutex_lock(&d->lock);
	while (!d->stopping && pthread_cond_timedwait(&d->applier_wake, &d->lock, &t) != ETIMEDOUT)
		;
	(void) pthread_mutex_unlock(&d->lock);
}

static int work(struct disk *d, bool apply, bool save, struct err *err)
{
	int r = 0;

	(void) pthread_mutex_lock(&d->image_lock);
	if (apply)
		r = apply_batch(d, UINT64_MAX, err);
	if (r >= 0 && save)
		r = checkpoint(d, err);
	(void) pthread_mutex_unlock(&d->image_lock);
	return r;
}

/* What will not go away by waiting must not keep writers waiting: they are told, and the volume can move. */
static void after_work(struct disk *d, bool applied, int r, const struct err *e)
{
	if (r == -POD_E_NOSPACE) {
		space_look(d);
		set_stalled(d, e);
		wait_retry(d);
	} else if (r == -POD_E_NOMEM) {
		wait_retry(d);
	} else if (r < 0) {
		(void) disk_break(d, r, e, NULL);
	} else if (applied) {
		set_stalled(d, NULL);
	}
}

static void *applier_main(void *arg)
{
	struct disk *d = arg;

	for (;;) {
		struct err e = { 0 };
		bool apply, save, stop;
		int r;

		(void) pthread_mutex_lock(&d->lock);
		while (!d->stopping && (d->is_broken || !wants_anything(d)))
			wait_for_work(d);
		if (!d->stopping && wants_flush(d))
			(void) flush_lead(d, NULL); /* broken, where it failed */
		stop = d->stopping;
		apply = wants_apply(d);
		save = wants_checkpoint(d);
		(void) pthread_mutex_unlock(&d->lock);
		if (stop)
			return NULL;
		r = work(d, apply, save, &e);
		after_work(d, apply, r, &e);
	}
}

int applier_start(struct disk *d, struct err *err)
{
	int r = pthread_create(&d->applier.thread, NULL, applier_main, d);

	if (r != 0)
		return err_errno(err, r, "applier: thread");
	d->applier.started = true;
	return 0;
}

void applier_stop(struct disk *d)
{
	if (!d->applier.started)
		return;
	(void) pthread_mutex_lock(&d->lock);
	d->stopping = true;
	(void) pthread_cond_broadcast(&d->applier_wake);
	(void) pthread_mutex_unlock(&d->lock);
	(void) pthread_join(d->applier.thread, NULL);
	d->applier.started = false;
}

int applier_wait(struct disk *d, bool (*done)(struct disk *d, uint64_t arg), uint64_t arg, struct err *err)
{
	int r = 0;

	d->urgent++;
	while (!done(d, arg)) {
		if (d->is_broken) {
			r = disk_broken_error(d, err);
			break;
		}
		if (d->is_stalled) {
			r = err_set(err, POD_E_NOSPACE, "%s", d->stalled);
			break;
		}
		(void) pthread_cond_signal(&d->applier_wake);
		(void) pthread_cond_wait(&d->moved, &d->lock);
	}
	d->urgent--;
	return r;
}
