#include "replicator/disk/disk_internal.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"

/* The staged cursor is told each time it has come so far, and by each commit. */
#define TELL_STAGED_BYTES 65536u

uint64_t stage_low(const struct disk *d)
{
	uint64_t low = d->head.lsn > d->stage.size ? d->head.lsn - d->stage.size : 0;

	return low > d->stage_from ? low : d->stage_from;
}

bool record_extent(const struct record *r, struct extent *ret)
{
	*ret = (struct extent){ .offset = r->offset, .length = r->length, .lsn = r->lsn };
	switch (r->type) {
	case RECORD_WRITE:
		ret->kind = EXTENT_DATA;
		ret->data_lsn = record_data(r);
		return true;
	case RECORD_ZERO: ret->kind = EXTENT_ZERO; return true;
	case RECORD_TRIM: ret->kind = EXTENT_TRIM; return true;
	case RECORD_COMMIT:
	case RECORD_SNAPSHOT:
	case RECORD_SNAPSHOT_DELETE:
	case RECORD_RESIZE:
	case RECORD_TYPES: break;
	}
	return false;
}

void append_record(struct disk *d, struct record *r, const void *payload)
{
	uint8_t *at = stage_at(&d->stage, d->head.lsn);
	struct extent e;
	uint64_t next;

	r->lsn = d->head.lsn;
	r->previous_crc = d->head.previous_crc;
	r->epoch = d->head.epoch + 1;
	record_encode(r, at);
	next = record_next(r);
	memset(at + RECORD_HEADER_SIZE, 0,
	       (r->type == RECORD_COMMIT ? next : record_data(r)) - r->lsn - RECORD_HEADER_SIZE);
	if (r->payload_size > 0)
		memcpy(stage_at(&d->stage, record_data(r)), payload, r->payload_size);
	if (record_extent(r, &e)) {
		map_append(d, &e);
		peers_mark(d, &e);
	} else if (r->type != RECORD_COMMIT) {
		d->barrier_lsn = next;
	}
	position_pass(&d->head, r);
	if (!d->map_is_late)
		d->mapped_lsn = d->head.lsn;
	if (r->type == RECORD_COMMIT)
		d->committed = d->head;
	stage_set_head(&d->stage, next);
}

void append_commit(struct disk *d)
{
	struct record r = { .type = RECORD_COMMIT, .offset = (uint64_t) clock_wall_ms() };

	append_record(d, &r, NULL);
	d->commit_wanted = false;
	applier_nudge(d);
}

static bool stage_is_full(const struct disk *d, size_t size)
{
	uint64_t low = d->durable.lsn < d->pinned ? d->durable.lsn : d->pinned;

	return d->head.lsn + size + COMMIT_ROOM > low + d->stage.size;
}

static bool log_has_room(struct disk *d, uint64_t size)
{
	return map_has_room(d) && d->head.lsn + size + COMMIT_ROOM <= d->tail + d->log_bytes;
}

static int wait_stage(struct disk *d, struct err *err)
{
	if (!d->writing && d->committed.lsn > d->durable.lsn)
		return flush_lead(d, err);
	(void) pthread_cond_wait(&d->moved, &d->lock);
	return 0;
}

/* The applier can make room only of what is durable. */
static int wait_log(struct disk *d, size_t size, bool may_commit, struct err *err)
{
	if (may_commit && d->head.lsn > d->committed.lsn)
		append_commit(d);
	if (d->committed.lsn > d->durable.lsn) {
		if (!d->writing)
			return flush_lead(d, err);
		(void) pthread_cond_wait(&d->moved, &d->lock);
		return 0;
	}
	return applier_wait(d, log_has_room, size, err);
}

/* The applier is near enough to take what it applies from the stage, and has not to read the log for it. */
static bool applier_is_near(struct disk *d, uint64_t size)
{
	uint64_t behind = d->head.lsn - d->applied.lsn;

	return behind + size + COMMIT_ROOM <= d->stage.size / 4 * 3 || behind > d->stage.size;
}

/*
 * Long writes come faster than they can be applied. Once the applier has fallen behind the stage it has to
 * read back what it writes, and never catches up with who goes on: better that he waits a moment now. Not
 * where it is far behind already, as after many small writes: that is what the log is for.
 */
static void let_applier_keep_up(struct disk *d, size_t size)
{
	if (size == RECORD_SIZE_MAX && !applier_is_near(d, size) && d->durable.lsn > d->applied.lsn)
		(void) applier_wait(d, applier_is_near, size,
		                    NULL); /* what fails there fails the write where it must */
}

int append_wait_room(struct disk *d, size_t size, bool may_commit, struct err *err)
{
	int r = 0;

	assert(size <= RECORD_SIZE_MAX);
	while (r == 0) {
		if (d->is_broken)
			return disk_broken_error(d, err);
		if (may_commit && d->head.lsn + size + COMMIT_ROOM > d->committed.lsn + EPOCH_BYTES_MAX) {
			append_commit(d);
			log_writer_nudge(d);
		}
		if (stage_is_full(d, size))
			r = wait_stage(d, err);
		else if (!log_has_room(d, size))
			r = wait_log(d, size, may_commit, err);
		else
			return 0;
	}
	return r;
}

/* ---- the volume's user ---- */

/* Under lock; whether to tell. */
static bool staged_moved(struct disk *d)
{
	applier_nudge(d);
	if (d->head.lsn - d->staged_told < TELL_STAGED_BYTES)
		return false;
	d->staged_told = d->head.lsn;
	return true;
}

static int append_one(struct disk *d, struct record *r, const void *payload, struct err *err)
{
	size_t size = r->flags & RECORD_ALIGNED ? RECORD_SIZE_MAX : RECORD_HEADER_SIZE + r->payload_size;
	bool tell = false;
	int res = disk_step(d, DISK_STEP_STAGE);

	if (res < 0)
		return err_errno(err, -res, "stage");
	if (r->type != RECORD_TRIM)
		res = space_check(d, r->offset, r->length, err);
	if (res < 0)
		return res;
	(void) pthread_mutex_lock(&d->lock);
	map_keep_up(d);
	let_applier_keep_up(d, size);
	res = append_wait_room(d, size, true, err);
	if (res == 0) {
		bool may = place_may(d, r);

		append_record(d, r, payload);
		if (may)
			place_note(d, r);
		tell = staged_moved(d);
	}
	(void) pthread_mutex_unlock(&d->lock);
	if (tell)
		disk_told(d);
	return res;
}

int disk_write(struct disk *d, uint64_t offset, const void *bytes, size_t size, struct err *err)
{
	const uint8_t *p = bytes;
	int r = 0;

	assert(offset % RECORD_BLOCK == 0 && size % RECORD_BLOCK == 0);
	while (r == 0 && size > 0) {
		size_t n = size < RECORD_PAYLOAD_MAX ? size : RECORD_PAYLOAD_MAX;
		struct record rec = { .type = RECORD_WRITE, .offset = offset, .length = n };

		rec.payload_size = (uint32_t) n;
		rec.flags = n == RECORD_PAYLOAD_MAX ? RECORD_ALIGNED : 0;
		rec.payload_hash = record_hash(p, n);
		r = append_one(d, &rec, p, err);
		p += n;
		offset += n;
		size -= n;
	}
	return r;
}

int disk_zero(struct disk *d, uint64_t offset, uint64_t length, unsigned int flags, struct err *err)
{
	struct record r = { .type = flags & DISK_TRIM ? RECORD_TRIM : RECORD_ZERO,
		            .offset = offset,
		            .length = length };

	assert(offset % RECORD_BLOCK == 0 && length % RECORD_BLOCK == 0);
	if (length == 0)
		return 0;
	r.payload_hash = record_hash(NULL, 0);
	return append_one(d, &r, NULL, err);
}

int disk_commit(struct disk *d, uint64_t *ret_lsn, struct err *err)
{
	bool appended = false;
	int r = 0;

	(void) pthread_mutex_lock(&d->lock);
	if (d->is_broken) {
		r = disk_broken_error(d, err);
	} else if (d->head.lsn == d->committed.lsn) {
		*ret_lsn = d->committed.lsn;
	} else if (d->writing) {
		/* One epoch at a time goes to the log: whoever writes it now ends this one for all who came
		 * meanwhile. */
		d->commit_wanted = true;
		*ret_lsn = d->head.lsn;
	} else {
		append_commit(d);
		appended = true;
		*ret_lsn = d->committed.lsn;
	}
	(void) pthread_mutex_unlock(&d->lock);
	/* Now, so that peers get it while our own disk is being flushed. */
	if (appended)
		disk_told(d);
	return r;
}
