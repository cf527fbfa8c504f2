#include "replicator/disk/disk_internal.h"

#include <assert.h>

/*
 * Group commit. Whoever waits first writes the log for all who wait behind him. An epoch is written when the
 * flush of the one before has returned, so that a whole record of a later epoch behind a torn one means
 * damage (scan.h). On a primary those who commit while the log is being written share the next epoch, so one
 * at a time costs nothing. A secondary that is behind has many: from GROUP_EPOCHS on they go together, once
 * the superblock says where.
 */
#define GROUP_EPOCHS 3

/* Without the lock: the stage's bytes from durable to committed stay as they are. */
static void next_group(struct disk *d, struct position from, uint64_t committed, struct group *ret)
{
	struct group g = { .to = from };
	struct position p = from, first = from;

	while (p.lsn < committed && p.lsn - from.lsn < EPOCH_BYTES_MAX) {
		struct record r;
		int res = record_decode(stage_at(&d->stage, p.lsn), p.lsn, p.previous_crc, p.size_bytes, &r,
		                        NULL);

		assert(res == 0);
		(void) res;
		position_pass(&p, &r);
		if (r.type != RECORD_COMMIT)
			continue;
		g.to = p;
		if (++g.epochs == 1)
			first = p;
	}
	if (g.epochs < GROUP_EPOCHS)
		g = (struct group){ .to = first, .epochs = 1 };
	*ret = g;
}

static int announce_group(struct disk *d, uint64_t from, uint64_t to, struct err *err)
{
	struct superblock next;
	int r;

	(void) pthread_mutex_lock(&d->meta_lock);
	next = d->sb;
	next.group_from_lsn = from;
	next.group_to_lsn = to;
	r = meta_save(d, &next, err);
	(void) pthread_mutex_unlock(&d->meta_lock);
	return r;
}

static int write_group(struct disk *d, uint64_t from, const struct group *g, struct err *err)
{
	int r = g->epochs > 1 ? announce_group(d, from, g->to.lsn, err) : 0;

	if (r < 0)
		return r;
	r = disk_step(d, DISK_STEP_LOG_WRITE);
	if (r == 0)
		r = log_file_write(d, from, stage_at(&d->stage, from), (size_t) (g->to.lsn - from), true);
	if (r == 0)
		r = disk_step(d, DISK_STEP_LOG_FLUSH);
	if (r < 0)
		return err_errno(err, -r, "log: write");
	(void) disk_step(d, DISK_STEP_COMMITTED);
	return 0;
}

int flush_lead(struct disk *d, struct err *err)
{
	struct position from = d->durable;
	uint64_t committed = d->committed.lsn;
	bool placing = d->candidates.n > 0;
	struct err e = { 0 };
	struct group g;
	int r;

	assert(!d->writing && committed > from.lsn);
	d->writing = true;
	(void) pthread_mutex_unlock(&d->lock);
	r = placing ? place_group(d, &from, committed, &g, &e) : 1;
	if (r > 0) {
		next_group(d, from, committed, &g);
		r = write_group(d, from.lsn, &g, &e);
	}
	if (r < 0)
		r = disk_break(d, r, &e, err);
	(void) pthread_mutex_lock(&d->lock);
	d->writing = false;
	if (r == 0) {
		d->durable = g.to;
		place_finished(d, from.lsn);
	}
	if (d->commit_wanted && d->head.lsn > d->committed.lsn)
		append_commit(d);
	d->commit_wanted = false;
	applier_nudge(d);
	if (d->log_wanted)
		(void) pthread_cond_signal(&d->log_wake);
	(void) pthread_cond_broadcast(&d->moved);
	(void) pthread_mutex_unlock(&d->lock);
	disk_told(d);
	(void) pthread_mutex_lock(&d->lock);
	return r;
}

int flush_wait(struct disk *d, uint64_t lsn, struct err *err)
{
	int r = 0;

	while (r == 0 && d->durable.lsn < lsn) {
		if (d->is_broken)
			return disk_broken_error(d, err);
		if (!d->writing && d->committed.lsn > d->durable.lsn)
			r = flush_lead(d, err);
		else
			(void) pthread_cond_wait(&d->moved, &d->lock);
	}
	return r;
}

int disk_make_durable(struct disk *d, uint64_t lsn, struct err *err)
{
	int r = 0;

	(void) pthread_mutex_lock(&d->lock);
	while (r == 0 && d->durable.lsn < lsn) {
		if (d->is_broken) {
			r = disk_broken_error(d, err);
		} else if (d->writing) {
			d->log_wanted = true; /* the log writer goes on where that ends */
			r = 1;
		} else if (d->committed.lsn > d->durable.lsn) {
			r = flush_lead(d, err);
		} else {
			(void) pthread_cond_wait(&d->moved, &d->lock);
		}
	}
	(void) pthread_mutex_unlock(&d->lock);
	return r;
}

int disk_wait_durable(struct disk *d, uint64_t lsn, struct err *err)
{
	int r;

	(void) pthread_mutex_lock(&d->lock);
	r = flush_wait(d, lsn, err);
	(void) pthread_mutex_unlock(&d->lock);
	return r;
}
