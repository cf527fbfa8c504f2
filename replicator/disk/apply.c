#include "replicator/disk/disk_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "replicator/disk/batch.h"

/* ---- the log's bytes ---- */

static void unpin(struct disk *d)
{
	(void) pthread_mutex_lock(&d->lock);
	d->pinned = UINT64_MAX;
	(void) pthread_cond_broadcast(&d->moved);
	(void) pthread_mutex_unlock(&d->lock);
}

/* False: nothing to do. */
static bool batch_begin(struct disk *d, uint64_t limit, struct batch *b)
{
	bool any;

	(void) pthread_mutex_lock(&d->lock);
	*b = (struct batch){ .from = d->applied, .to = d->applied, .mapped_lsn = d->mapped_lsn };
	if (limit > d->durable.lsn)
		limit = d->durable.lsn;
	any = b->from.lsn < limit;
	b->end = limit - b->from.lsn < BATCH_BYTES ? limit : b->from.lsn + BATCH_BYTES;
	if (any && b->from.lsn >= stage_low(d)) {
		d->pinned = b->from.lsn;
		b->bytes = stage_at(&d->stage, b->from.lsn);
		b->checked = true;
	}
	(void) pthread_mutex_unlock(&d->lock);
	return any;
}

/* The next long write at or behind lsn whose payload is in the image. */
static bool next_placed(struct disk *d, uint64_t lsn, struct place *ret)
{
	const struct place *p;

	(void) pthread_mutex_lock(&d->lock);
	p = place_list_next(&d->placed, lsn);
	if (p)
		*ret = *p;
	(void) pthread_mutex_unlock(&d->lock);
	return p != NULL;
}

/* [from, to) of the log's file, but for payloads that are not there. */
static int read_window(struct disk *d, uint64_t from, uint64_t to)
{
	uint64_t at = from, lsn = from;
	struct place p;
	int r = 0;

	while (r == 0 && at < to) {
		uint64_t end = to;
		bool placed = next_placed(d, lsn, &p) && p.data < to;

		if (placed)
			end = p.data;
		if (end > at)
			r = log_file_read(d, at, d->applier.window + (at - from), (size_t) (end - at));
		at = placed ? p.data + p.length : to;
		lsn = placed ? p.lsn + 1 : to;
	}
	return r;
}

static int batch_load(struct disk *d, struct batch *b, struct err *err)
{
	uint64_t from = io_floor(b->from.lsn);
	int r;

	if (b->bytes)
		return 0;
	r = read_window(d, from, io_ceil(b->end));
	if (r < 0)
		return err_errno(err, -r, "log: read");
	b->bytes = d->applier.window + (b->from.lsn - from);
	return 0;
}

/* ---- to the image ---- */

static int preserve(struct disk *d, const struct snapshot_extent *extents, size_t n, struct err *err)
{
	return n > 0 ? snapshots_preserve(d->snapshots, extents, n, err) : 0;
}

static int write_data(struct disk *d, const struct batch *b, struct err *err)
{
	struct applier *a = &d->applier;
	size_t n = 0;
	int r, ended;

	for (size_t i = 0; i < b->n_ops; i++)
		if (a->ops[i].kind == EXTENT_DATA)
			a->extents[n++] = (struct snapshot_extent){ a->ops[i].offset, a->ops[i].length };
	r = preserve(d, a->extents, n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < b->n_ops; i++) {
		const struct apply_op *op = &a->ops[i];

		if (op->kind != EXTENT_DATA)
			continue;
		r = disk_step(d, DISK_STEP_APPLY);
		for (uint64_t at = 0; r == 0 && at < op->length; at += WRITE_PIECE)
			r = io_queue_write(
				a->queue, d->image_fd, op->bytes + at,
				(size_t) (op->length - at < WRITE_PIECE ? op->length - at : WRITE_PIECE),
				op->offset + at);
	}
	ended = io_queue_finish(a->queue);
	if (r == 0)
		r = ended;
	return r < 0 ? err_errno(err, -r, "image: write") : 0;
}

/* Large ones in pieces, so that copies for snapshots stay bounded. */
static int write_zero(struct disk *d, const struct apply_op *op, struct err *err)
{
	uint64_t at = op->offset, end = op->offset + op->length;
	int r = 0;

	while (r == 0 && at < end) {
		struct snapshot_extent e = { at, end - at < ZERO_PIECE ? end - at : ZERO_PIECE };

		r = preserve(d, &e, 1, err);
		if (r < 0)
			return r;
		r = disk_step(d, DISK_STEP_APPLY);
		if (r == 0)
			r = image_zero(d, e.offset, e.length, op->kind == EXTENT_TRIM);
		if (r < 0)
			return err_errno(err, -r, "image: zero");
		at += e.length;
	}
	return r;
}

static int batch_write(struct disk *d, const struct batch *b, struct err *err)
{
	int r = write_data(d, b, err);

	for (size_t i = 0; r == 0 && i < b->n_ops; i++)
		if (d->applier.ops[i].kind != EXTENT_DATA)
			r = write_zero(d, &d->applier.ops[i], err);
	return r;
}

/* ---- records that are no extents ---- */

/*
 * A replay must never begin before a snapshot that exists: it would copy the image's older content into it.
 * So the tail moves to the snapshot's LSN first, and the same cut a second time finds it done.
 */
static int do_snapshot(struct disk *d, const struct batch *b, const char *name, struct err *err)
{
	struct superblock sb;
	int r;

	disk_superblock(d, &sb);
	/* In the middle of a resync the image holds chunks of a later time: no state that ever was. */
	if (sb.resync_under_way || b->from.lsn < sb.consistent_from_lsn)
		return err_set(err, POD_E_UNAVAILABLE, "snapshot %s: a resync into this replica is under way",
		               name);
	r = checkpoint(d, err);
	if (r < 0)
		return r;
	d->applier.was_cut = true;
	return snapshots_cut(d->snapshots, name, b->from.lsn, b->from.epoch, (int64_t) b->record.offset,
	                     b->from.size_bytes, err);
}

/* And none may be deleted or dropped before the tail is behind its record: a replay would cut it again, too
 * late. */
static int do_delete(struct disk *d, const char *name, struct err *err)
{
	int r = checkpoint(d, err);

	return r < 0 ? r : snapshots_delete(d->snapshots, name, err);
}

static int do_resize(struct disk *d, const struct batch *b, struct err *err)
{
	int r = image_grow(d, b->record.offset, err);

	if (r == 0)
		r = snapshots_image_resized(d->snapshots, b->record.offset, err);
	return r;
}

/* What it says to whoever waits for it; only what makes going on impossible is returned. */
static int do_alone(struct disk *d, const struct batch *b, struct err *err)
{
	char name[RECORD_NAME_MAX] = "";
	struct err e = { 0 };
	int r = 0;

	if (b->record.type == RECORD_RESIZE) {
		r = do_resize(d, b, &e);
	} else if (!record_name_get(batch_at(b, b->record.lsn + RECORD_HEADER_SIZE), name)) {
		r = err_set(&e, POD_E_CORRUPT, "log: name of a snapshot at LSN %" PRIu64, b->record.lsn);
	} else if (b->record.type == RECORD_SNAPSHOT) {
		r = do_snapshot(d, b, name, &e);
	} else {
		r = do_delete(d, name, &e);
	}
	if (r == -POD_E_IO || r == -POD_E_CORRUPT || b->record.type == RECORD_RESIZE) {
		if (err)
			*err = e;
		if (r < 0)
			return r;
	}
	/* On a secondary nobody waits for it, and the primary has done it: it is told here. */
	if (r < 0 && r != -POD_E_NOTFOUND)
		log_event(NULL, LOGL_ERROR, "snapshot.failed", F_STR("name", name),
		          F_UINT("lsn", b->record.lsn), F_ERR(&e));
	(void) pthread_mutex_lock(&d->lock);
	d->op_lsn = b->record.lsn;
	d->op_err = e;
	d->op_err.code = -r;
	(void) pthread_mutex_unlock(&d->lock);
	return 0;
}

/* ---- a batch ---- */

#define FORGET_AT_ONCE 16 /* under one hold of the lock: writers wait for it */

static void batch_end(struct disk *d, const struct batch *b)
{
	uint64_t space = space_free(d);

	for (size_t i = 0; i < b->n_ops;) {
		(void) pthread_mutex_lock(&d->lock);
		for (size_t n = 0; n < FORGET_AT_ONCE && i < b->n_ops; n++, i++)
			extent_map_remove(d->map, d->applier.ops[i].offset, d->applier.ops[i].length,
			                  b->to.lsn - 1);
		(void) pthread_mutex_unlock(&d->lock);
	}
	(void) pthread_mutex_lock(&d->lock);
	d->applied = b->to;
	map_applied(d, b->mapped_lsn, b->unmapped);
	d->space_free = space;
	if (b->has_commit)
		d->applied_commit = b->commit;
	(void) pthread_cond_broadcast(&d->moved);
	(void) pthread_mutex_unlock(&d->lock);
}

static int batch_do(struct disk *d, struct batch *b, struct err *err)
{
	int r = batch_load(d, b, err);

	if (r == 0)
		r = batch_collect(d, b, err);
	if (r < 0)
		return r;
	if (b->alone)
		return do_alone(d, b, err);
	batch_prepare(d, b);
	if (b->checked)
		unpin(d);
	b->checked = false;
	/* A volume that can be written is worth more than its oldest snapshot. */
	do {
		r = batch_write(d, b, err);
	} while (r == -POD_E_NOSPACE && snapshots_make_room(d->snapshots, NULL) == 0);
	return r;
}

int apply_batch(struct disk *d, uint64_t limit, struct err *err)
{
	struct err e = { 0 };
	struct batch b;
	int r;

	if (!batch_begin(d, limit, &b))
		return 0;
	r = batch_do(d, &b, &e);
	if (b.checked)
		unpin(d);
	if (r == -POD_E_NOSPACE)
		return err_set(err, POD_E_NOSPACE, "%s", err_text(&e));
	if (r < 0)
		return disk_break(d, r, &e, err);
	batch_end(d, &b);
	if (d->applier.was_cut && b.has_commit) {
		r = checkpoint(d, err);
		if (r < 0)
			return r;
		d->applier.was_cut = false;
	}
	return 1;
}

int apply_all(struct disk *d, struct err *err)
{
	int r;

	do {
		r = apply_batch(d, UINT64_MAX, err);
	} while (r > 0);
	return r;
}
