#include "replicator/disk/batch.h"

#include <inttypes.h>
#include <string.h>

#include "replicator/core/extent_sort.h"

/*
 * Extents are put in a list and sorted, which is cheaper than a tree. Where they overlap, or the image has
 * newer long writes already, a map does it.
 */

static int next_record(struct disk *d, const struct batch *b, struct record *ret, struct err *err)
{
	int r;

	if (b->to.lsn + RECORD_HEADER_SIZE > b->end)
		return 0;
	r = record_decode(batch_at(b, b->to.lsn), b->to.lsn, b->to.previous_crc, b->to.size_bytes, ret, err);
	if (r < 0)
		return err_set(err, POD_E_CORRUPT,
		               "log: what was durable at LSN %" PRIu64 " can not be read any more",
		               b->to.lsn);
	if (record_next(ret) > b->end)
		return 0;
	if (!b->checked && ret->type == RECORD_WRITE &&
	    !(ret->flags & RECORD_ALIGNED && place_has(d, ret->lsn)) &&
	    record_hash(batch_at(b, record_data(ret)), ret->payload_size) != ret->payload_hash)
		return err_set(err, POD_E_CORRUPT, "log: data at LSN %" PRIu64 " does not match its checksum",
		               ret->lsn);
	return 1;
}

/* Of what is applied a second time long writes may have come to the image since: for each a node is taken. */
static bool is_repeated(const struct disk *d, const struct record *rec)
{
	return rec->lsn < d->recovered_lsn;
}

/* ---- in a map ---- */

static bool map_of_batch_has_room(const struct disk *d, const struct record *rec)
{
	const struct extent_map *map = d->applier.batch;

	return extent_map_has_room(map) &&
	       (!is_repeated(d, rec) || extent_map_count(map) + PLACES_MAX + 4 <= BATCH_NODES);
}

static void add_to_map(struct disk *d, const struct record *rec, const struct extent *e)
{
	struct extent_map *map = d->applier.batch;

	if (rec->flags & RECORD_ALIGNED && place_has(d, rec->lsn)) {
		extent_map_remove(map, e->offset, e->length, UINT64_MAX);
		return;
	}
	extent_map_insert(map, e);
	if (!is_repeated(d, rec))
		return;
	(void) pthread_mutex_lock(&d->lock);
	place_subtract(&d->placed, rec->lsn, e->offset, e->length, map);
	(void) pthread_mutex_unlock(&d->lock);
}

static bool is_plain(struct disk *d, const struct record *rec)
{
	return !is_repeated(d, rec) && !(rec->flags & RECORD_ALIGNED && place_has(d, rec->lsn));
}

/* It has room for all that the list holds. */
static void move_to_map(struct disk *d, struct batch *b)
{
	extent_map_clear(d->applier.batch);
	for (size_t i = 0; i < b->n_plain; i++)
		extent_map_insert(d->applier.batch, &d->applier.plain[i]);
	b->in_map = true;
}

/* ---- which extents ---- */

/* False: it is the next batch's. */
static bool batch_add(struct disk *d, struct batch *b, const struct record *rec, const struct extent *e)
{
	if (!b->in_map && !is_plain(d, rec))
		move_to_map(d, b);
	if (b->in_map) {
		if (!map_of_batch_has_room(d, rec))
			return false;
		add_to_map(d, rec, e);
	} else {
		if (b->n_plain == PLAIN_MAX)
			return false;
		d->applier.plain[b->n_plain++] = *e;
	}
	b->unmapped += rec->lsn >= b->mapped_lsn;
	return true;
}

int batch_collect(struct disk *d, struct batch *b, struct err *err)
{
	struct record rec;
	struct extent e;
	int r;

	while ((r = next_record(d, b, &rec, err)) > 0) {
		if (record_extent(&rec, &e)) {
			if (!batch_add(d, b, &rec, &e))
				break;
		} else if (rec.type != RECORD_COMMIT) {
			if (b->to.lsn == b->from.lsn) {
				b->alone = true;
				b->record = rec;
				position_pass(&b->to, &rec);
			}
			break;
		}
		position_pass(&b->to, &rec);
		if (rec.type == RECORD_COMMIT) {
			b->commit = b->to;
			b->has_commit = true;
			if (d->applier.was_cut)
				break;
		}
	}
	return r < 0 ? r : 0;
}

/* ---- what to do with them ---- */

/* *used: of the memory for data. */
static void add_op(struct disk *d, struct batch *b, const struct extent *e, size_t *used)
{
	struct apply_op *last = b->n_ops > 0 ? &d->applier.ops[b->n_ops - 1] : NULL;

	if (!last || last->kind != e->kind || last->offset + last->length != e->offset) {
		last = &d->applier.ops[b->n_ops++];
		*last = (struct apply_op){ .offset = e->offset, .kind = e->kind };
		last->bytes = d->applier.out + *used;
	}
	last->length += e->length;
	if (e->kind == EXTENT_DATA) {
		memcpy(d->applier.out + *used, batch_at(b, e->data_lsn), e->length);
		*used += e->length;
	}
}

static void prepare_from_map(struct disk *d, struct batch *b)
{
	struct extent e;
	size_t used = 0;

	for (uint64_t at = 0; extent_map_find(d->applier.batch, at, UINT64_MAX, &e); at = e.offset + e.length)
		add_op(d, b, &e, &used);
}

void batch_prepare(struct disk *d, struct batch *b)
{
	struct extent *sorted = d->applier.sorted;
	size_t n, used = 0;

	memcpy(sorted, d->applier.plain, b->n_plain * sizeof(*sorted));
	if (!b->in_map && !extents_sort(sorted, d->applier.scratch, b->n_plain, &n))
		move_to_map(d, b);
	if (b->in_map) {
		prepare_from_map(d, b);
		return;
	}
	for (size_t i = 0; i < n; i++)
		add_op(d, b, &sorted[i], &used);
}
