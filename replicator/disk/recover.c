#include "replicator/disk/disk_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/id.h"
#include "replicator/core/generation.h"
#include "replicator/disk/scan.h"

/*
 * From superblock, log and stage to a disk that can be used:
 *
 *   the log     from the superblock's tail to its end: everything before the last COMMIT was durable, or
 * might have been
 *
 *   the stage   if it is the one that the superblock knows: what had not yet gone to the log when the process
 *               died
 *
 * Without the stage a primary also takes what stands whole behind the last COMMIT in the log; a secondary
 * does not.
 *
 * What the superblock says is torn in the image (place.c) is written as an epoch of its own, where the log
 * does not have the epochs for which it was overwritten. Without the stage what stands behind the last COMMIT
 * is dropped then, and a generation begins there: peers may have what was dropped.
 *
 * What is behind the end in the log is wiped, so that nothing old can ever come to stand behind something new
 * and be taken for its continuation.
 */

/* ---- bytes of the log's file, a window at a time ---- */

struct window {
	struct disk *d;
	uint64_t from, to;
	bool too_many; /* placed writes */
};

static int window_bytes(void *arg, uint64_t lsn, size_t size, const uint8_t **ret)
{
	struct window *w = arg;

	if (lsn < w->from || lsn + size > w->to) {
		uint64_t from = io_floor(lsn);
		int r = log_file_read(w->d, from, w->d->applier.window, BATCH_BYTES);

		if (r < 0)
			return r;
		w->from = from;
		w->to = from + BATCH_BYTES;
	}
	*ret = w->d->applier.window + (lsn - w->from);
	return 0;
}

static void note_placed(void *arg, const struct record *r)
{
	struct window *w = arg;
	struct place p = { .lsn = r->lsn, .data = record_data(r), .offset = r->offset, .length = r->length };

	w->too_many = !place_list_add(&w->d->placed, &p) || w->too_many;
}

static int stage_bytes(void *arg, uint64_t lsn, size_t size, const uint8_t **ret)
{
	const struct disk *d = arg;

	(void) size;
	*ret = stage_at(&d->stage, lsn);
	return 0;
}

int recover_commit_before(struct disk *d, uint64_t lsn, struct record *ret, struct err *err)
{
	uint8_t *block = io_buffer_take(&d->buffers);
	int r = log_file_read(d, lsn - RECORD_ALIGN, block, RECORD_ALIGN);

	if (r < 0) {
		r = err_errno(err, -r, "log: read");
	} else {
		r = err_set(err, POD_E_NOTFOUND, "log: no commit ends at LSN %" PRIu64, lsn);
		/* Records are multiples of a header's size, so it is one of these; the chain is not known
		 * here. */
		for (uint64_t at = 0; r == -POD_E_NOTFOUND && at < RECORD_ALIGN; at += RECORD_HEADER_SIZE)
			if (record_peek(block + at, lsn - RECORD_ALIGN + at, ret) &&
			    ret->type == RECORD_COMMIT && record_next(ret) == lsn)
				r = 0;
	}
	io_buffer_give(&d->buffers, block);
	return r;
}

/* ---- log and stage ---- */

static int scan_file(struct disk *d, struct scan_result *ret, struct err *err)
{
	struct window w = { .d = d };
	struct scan_input in = { .bytes = window_bytes,
		                 .arg = &w,
		                 .placed = note_placed,
		                 .limit = d->sb.log_first_lsn + d->log_bytes };
	struct position from = { .lsn = d->sb.tail_lsn, .epoch = d->sb.tail_epoch };
	struct record commit;
	int r;

	from.previous_crc = d->sb.tail_previous_crc;
	from.size_bytes = d->sb.size_bytes;
	if (from.lsn > d->sb.log_first_lsn && recover_commit_before(d, from.lsn, &commit, NULL) == 0)
		from.time_ms = (int64_t) commit.offset;
	in.group_from = d->sb.group_from_lsn;
	in.group_to = d->sb.group_to_lsn;
	d->applied = d->applied_commit = from;
	r = scan_log(&in, &from, ret, err);
	if (r == 0)
		place_list_drop_from(&d->placed, ret->committed.lsn);
	if (r == 0 && w.too_many)
		return err_set(err, POD_E_CORRUPT,
		               "log: more than %u long writes in the image behind LSN %" PRIu64, PLACES_MAX,
		               from.lsn);
	return r;
}

/* Whether the stage goes on where the log ends, up to its head without a break. */
static bool scan_stage(struct disk *d, const struct position *from, struct scan_result *ret)
{
	struct scan_input in = { .bytes = stage_bytes, .arg = d, .limit = stage_head(&d->stage) };

	if (in.limit < from->lsn || in.limit - from->lsn > d->stage.size)
		return false;
	return scan_log(&in, from, ret, NULL) == 0 && ret->end.lsn == in.limit;
}

static int load_stage(struct disk *d, uint64_t from, uint64_t to, struct err *err)
{
	uint8_t *buffer = io_buffer_take(&d->buffers);
	int r = 0;

	for (uint64_t at = from; r == 0 && at < to; at += RECORD_PAYLOAD_MAX) {
		size_t size = to - at < RECORD_PAYLOAD_MAX ? (size_t) (to - at) : RECORD_PAYLOAD_MAX;

		r = log_file_read(d, at, buffer, (size_t) io_ceil(size));
		if (r == 0)
			memcpy(stage_at(&d->stage, at), buffer, size);
	}
	io_buffer_give(&d->buffers, buffer);
	return r < 0 ? err_errno(err, -r, "log: read") : 0;
}

/* At most two groups were under way behind what was durable, or one of those that go to the image as well. */
static int wipe(struct disk *d, const struct scan_result *s, uint64_t from, struct err *err)
{
	uint64_t limit = d->sb.log_first_lsn + d->log_bytes,
		 to = s->committed.lsn + 2 * EPOCHS_AT_ONCE * EPOCH_BYTES_MAX;
	int r = log_file_wipe(d, from, to < limit ? to : limit);

	return r < 0 ? err_errno(err, -r, "log: wipe") : 0;
}

/* Peers may have what is dropped here of the epochs that were under way. */
static void drop_torn_epochs(struct disk *d, struct scan_result *s, struct superblock *next)
{
	uint64_t id;

	if (d->sb.role != ROLE_PRIMARY || d->stage_was_whole || d->sb.n_torn == 0 ||
	    s->committed.lsn >= d->sb.torn_to_lsn)
		return;
	random_bytes(&id, sizeof(id));
	id |= GENERATION_RECOVERED;
	s->end = s->committed;
	generation_begin(next->generations, id, s->committed.lsn);
	next->torn_to_lsn = UINT64_MAX; /* the epoch that is made of them has the same LSNs */
}

/* The stage is gone, or another one: a new one, of which the superblock will know. */
static int start_stage(struct disk *d, struct scan_result *s, struct err *err)
{
	struct superblock next = d->sb;
	struct stage_identity id = { .replica_id = next.replica_id };
	int r;

	d->stage_was_whole = d->sb.stage_id == 0;
	if (d->sb.role != ROLE_PRIMARY)
		s->end = s->committed;
	drop_torn_epochs(d, s, &next);
	if (s->end.lsn - s->committed.lsn > EPOCH_BYTES_MAX)
		return err_set(err, POD_E_CORRUPT, "log: an epoch without an end at LSN %" PRIu64,
		               s->committed.lsn);
	r = load_stage(d, s->committed.lsn, s->end.lsn, err);
	if (r == 0 && d->sb.stage_id != 0)
		r = wipe(d, s, io_ceil(s->end.lsn), err);
	if (r < 0)
		return r;
	do {
		random_bytes(&next.stage_id, sizeof(next.stage_id));
	} while (next.stage_id == 0);
	next.group_from_lsn = next.group_to_lsn = 0;
	id.stage_id = next.stage_id;
	d->stage_from = s->committed.lsn;
	stage_begin(&d->stage, &id, s->end.lsn);
	return meta_save(d, &next, err);
}

/* ---- the map ---- */

/* What a record that was appended in another life did to memory. */
static int replay(struct disk *d, const struct record *r, struct err *err)
{
	struct extent e;

	if (r->type == RECORD_RESIZE)
		return peers_resize(d, r->offset, err);
	if (record_extent(r, &e)) {
		if (place_list_find(&d->placed, r->lsn))
			extent_map_remove(d->map, e.offset, e.length, r->lsn);
		else
			extent_map_insert(d->map, &e);
		peers_mark(d, &e);
	}
	return 0;
}

/* Lays what the log holds between applied and durable over the map; where it does not hold all, it is
 * applied. */
static int map_log(struct disk *d, uint64_t to, struct err *err)
{
	struct window w = { .d = d };
	struct position p = d->applied;

	while (p.lsn < to) {
		const uint8_t *bytes;
		struct record rec;
		int r = 0;

		if (!extent_map_has_room(d->map)) {
			while ((r = apply_batch(d, p.lsn, err)) > 0)
				;
			w.from = w.to = 0; /* the applier has the same window */
		}
		if (r < 0)
			return r;
		r = window_bytes(&w, p.lsn, RECORD_HEADER_SIZE, &bytes);
		if (r < 0)
			return err_errno(err, -r, "log: read");
		r = record_decode(bytes, p.lsn, p.previous_crc, p.size_bytes, &rec, err);
		if (r < 0)
			return err_wrap(err, r, "log");
		r = replay(d, &rec, err);
		if (r < 0)
			return r;
		position_pass(&p, &rec);
	}
	return 0;
}

/* What is behind the last commit: at most one epoch, for which the map is large enough. */
static int map_stage(struct disk *d, struct err *err)
{
	struct position p = d->committed;
	int r = 0;

	while (r == 0 && p.lsn < d->head.lsn) {
		struct record rec;

		r = record_decode(stage_at(&d->stage, p.lsn), p.lsn, p.previous_crc, p.size_bytes, &rec, err);
		if (r == 0)
			r = replay(d, &rec, err);
		if (r == 0)
			position_pass(&p, &rec);
	}
	return r;
}

/* The log gets what is committed in the stage, so that from here on all that is durable can be read from it.
 */
static int flush_stage(struct disk *d, struct err *err)
{
	int r;

	(void) pthread_mutex_lock(&d->lock);
	r = flush_wait(d, d->committed.lsn, err);
	(void) pthread_mutex_unlock(&d->lock);
	return r;
}

/* The stage has the epochs that were on their way to the image: the log gets them whole now, and must not
 * keep a note of theirs. Beyond the end of the ring nothing of this log can have been noted: that was said by a
 * primary which has become a secondary since, and in its place stands what is durable. */
static int wipe_notes(struct disk *d, uint64_t from, struct err *err)
{
	uint64_t limit = d->sb.log_first_lsn + d->log_bytes;
	int r;

	if (d->sb.n_torn == 0 || d->sb.torn_to_lsn <= from || d->sb.torn_to_lsn > limit)
		return 0;
	r = log_file_wipe(d, from, d->sb.torn_to_lsn);
	return r < 0 ? err_errno(err, -r, "log: wipe") : 0;
}

int disk_recover(struct disk *d, struct err *err)
{
	struct scan_result log, s;
	bool whole = d->stage_was_whole;
	int r = scan_file(d, &log, err);

	if (r < 0)
		return r;
	s = log;
	if (whole && !scan_stage(d, &log.committed, &s)) {
		whole = false;
		s = log;
	}
	d->durable = log.committed;
	d->tail = d->releasing = d->sb.log_first_lsn;
	d->checkpointed = d->sb.tail_lsn;
	if (whole) {
		d->stage_from = log.committed.lsn;
		if (d->sb.role != ROLE_PRIMARY)
			s.end = s.committed;
		stage_set_head(&d->stage, s.end.lsn);
		r = wipe_notes(d, log.committed.lsn, err);
	} else {
		r = start_stage(d, &s, err);
	}
	if (r < 0)
		return r;
	d->committed = s.committed;
	d->head = s.end;
	d->barrier_lsn = d->recovered_lsn = s.end.lsn;
	r = peers_recover(d, s.committed.lsn, err);
	if (r == 0)
		r = flush_stage(d, err);
	if (r == 0)
		r = map_log(d, d->durable.lsn, err);
	if (r == 0)
		r = map_stage(d, err);
	d->mapped_lsn = d->head.lsn;
	return r;
}
