#include "replicator/disk/disk_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Reading the log for others: records on their way to a peer, and what they touch. */

/* Under one hold of the lock, or into one buffer. */
#define READ_AT_ONCE (RECORD_SIZE_MAX + RECORD_ALIGN)

/* Whole records at the start of bytes, which hold the log from lsn on. The chain is the receiver's to check.
 */
static size_t whole_records(const uint8_t *bytes, uint64_t lsn, size_t size)
{
	size_t at = 0;

	while (at + RECORD_HEADER_SIZE <= size) {
		struct record r;

		if (!record_peek(bytes + at, lsn + at, &r) || record_next(&r) - lsn > size)
			break;
		at = (size_t) (record_next(&r) - lsn);
	}
	return at;
}

static size_t read_stage(struct disk *d, uint64_t lsn, uint64_t head, uint8_t *bytes, size_t max)
{
	uint64_t left = head - lsn;
	size_t size = whole_records(stage_at(&d->stage, lsn), lsn, left < max ? (size_t) left : max);

	memcpy(bytes, stage_at(&d->stage, lsn), size);
	return size;
}

/*
 * Under lock. Writers should not wait for a copy of a quarter of a megabyte: what is far from being overwritten is
 * copied without the lock. Should it be overwritten all the same, it is not in the stage any more.
 */
static size_t copy_stage(struct disk *d, uint64_t lsn, uint8_t *bytes, size_t max, bool *ret_staged)
{
	uint64_t head = d->head.lsn;
	bool far = head - lsn <= d->stage.size / 4 * 3;
	size_t size;

	if (far)
		(void) pthread_mutex_unlock(&d->lock);
	size = read_stage(d, lsn, head, bytes, max);
	if (far)
		(void) pthread_mutex_lock(&d->lock);
	*ret_staged = lsn >= stage_low(d);
	return size;
}

static int gone_from_image(uint64_t lsn, struct err *err)
{
	return err_set(err, POD_E_STALE, "the long write at LSN %llu has been overwritten since",
	               (unsigned long long) lsn);
}

/* Whole records as they stand in our log's file become what travels: the payload of a long write that is in
 * the image comes from there. */
static int fetch_placed(struct disk *d, uint8_t *bytes, uint64_t lsn, size_t size, struct err *err)
{
	for (size_t at = 0; at < size;) {
		uint8_t *payload;
		struct record r;

		(void) record_peek(bytes + at, lsn + at, &r);
		payload = bytes + (record_data(&r) - lsn);
		if (record_is_noted(&r, bytes + at)) {
			int res = image_read(d, r.offset, payload, r.payload_size);

			if (res < 0)
				return err_errno(err, -res, "image: read");
			if (record_hash(payload, r.payload_size) != r.payload_hash)
				return gone_from_image(r.lsn, err);
			record_note_clear(bytes + at);
		}
		at = (size_t) (record_next(&r) - lsn);
	}
	return 0;
}

/* The payloads of long writes that are in the image are not among the bytes. */
static int read_file(struct disk *d, uint64_t lsn, uint64_t end, uint8_t *bytes, size_t max, size_t *ret_size,
                     struct err *err)
{
	uint64_t from = io_floor(lsn);
	uint8_t *buffer = io_buffer_take(&d->buffers);
	size_t size = end - lsn < max ? (size_t) (end - lsn) : max;
	int r = log_file_read(d, from, buffer, (size_t) (io_ceil(lsn + size) - from));

	if (r < 0) {
		r = err_errno(err, -r, "log: read");
	} else {
		size = whole_records(buffer + (lsn - from), lsn, size);
		memcpy(bytes, buffer + (lsn - from), size);
	}
	io_buffer_give(&d->buffers, buffer);
	(void) pthread_mutex_lock(&d->lock);
	if (r == 0 && lsn < d->tail)
		r = err_set(err, POD_E_STALE, "the log begins at LSN %llu", (unsigned long long) d->tail);
	else if (r == 0 && size == 0)
		r = err_set(err, POD_E_NOTFOUND,
		            "no record begins at LSN %llu, or it is larger than the room for it",
		            (unsigned long long) lsn);
	(void) pthread_mutex_unlock(&d->lock);
	if (r == 0)
		*ret_size = size;
	return r;
}

/* *ret_from_file: they came from the log's file. */
static int read_log(struct disk *d, uint64_t lsn, void *bytes, size_t max, size_t *ret_size,
                    bool *ret_from_file, struct err *err)
{
	uint64_t head, durable;
	size_t size = 0;
	bool staged;

	max = max < READ_AT_ONCE ? max : READ_AT_ONCE;
	(void) pthread_mutex_lock(&d->lock);
	head = d->head.lsn;
	durable = d->durable.lsn;
	staged = lsn >= stage_low(d) && lsn <= head;
	if (staged && lsn < head)
		size = copy_stage(d, lsn, bytes, max, &staged);
	(void) pthread_mutex_unlock(&d->lock);
	if (lsn > head)
		return err_set(err, POD_E_LIMIT, "the log ends at LSN %llu", (unsigned long long) head);
	*ret_from_file = !staged;
	if (!staged)
		return read_file(d, lsn, durable, bytes, max, ret_size, err);
	if (size == 0 && lsn < head)
		return err_set(err, POD_E_NOTFOUND,
		               "no record begins at LSN %llu, or it is larger than the room for it",
		               (unsigned long long) lsn);
	*ret_size = size;
	return 0;
}

int disk_log_read(struct disk *d, uint64_t lsn, void *bytes, size_t max, size_t *ret_size, struct err *err)
{
	bool from_file = false;
	size_t size;
	int r = read_log(d, lsn, bytes, max, &size, &from_file, err);

	if (r == 0 && from_file)
		r = fetch_placed(d, bytes, lsn, size, err);
	if (r == 0)
		*ret_size = size;
	return r;
}

int disk_log_position(struct disk *d, uint64_t lsn, uint64_t *ret_epoch, uint32_t *ret_previous_crc,
                      struct err *err)
{
	struct position known[4];
	struct record commit;
	uint64_t tail;
	int r;

	(void) pthread_mutex_lock(&d->lock);
	known[0] = d->committed;
	known[1] = d->durable;
	known[2] = d->applied_commit;
	tail = d->tail;
	(void) pthread_mutex_unlock(&d->lock);
	for (size_t i = 0; i < 3; i++)
		if (known[i].lsn == lsn) {
			*ret_epoch = known[i].epoch;
			*ret_previous_crc = known[i].previous_crc;
			return 0;
		}
	if (lsn % RECORD_ALIGN != 0 || lsn > known[0].lsn)
		return err_set(err, POD_E_NOTFOUND, "no commit ends at LSN %llu", (unsigned long long) lsn);
	if (lsn <= tail)
		return err_set(err, POD_E_STALE, "the log begins at LSN %llu", (unsigned long long) tail);
	r = disk_wait_durable(d, lsn, err);
	if (r == 0)
		r = recover_commit_before(d, lsn, &commit, err);
	if (r < 0)
		return r;
	*ret_epoch = commit.epoch;
	*ret_previous_crc = commit.crc;
	return 0;
}

int log_walk(struct disk *d, uint64_t lsn, uint64_t end, disk_extent_fn *fn, void *arg, struct err *err)
{
	_cleanup_(freep) uint8_t *bytes = malloc(READ_AT_ONCE);
	bool from_file;
	size_t size;
	int r = 0;

	if (!bytes)
		return err_set(err, POD_E_NOMEM, "log");
	while (lsn < end) {
		struct record rec;
		struct extent e;

		r = read_log(d, lsn, bytes, READ_AT_ONCE, &size, &from_file, err);
		if (r < 0)
			return r;
		for (size_t at = 0; at < size && lsn < end; at += (size_t) (record_next(&rec) - rec.lsn)) {
			(void) record_peek(bytes + at, lsn, &rec); /* whole records, as read */
			if (record_extent(&rec, &e)) {
				r = fn(arg, e.offset, e.length, (int) e.kind);
				if (r != 0)
					return r;
			}
			lsn = record_next(&rec);
		}
	}
	return 0;
}

int disk_log_extents(struct disk *d, uint64_t lsn, disk_extent_fn *fn, void *arg, struct err *err)
{
	uint64_t end;

	(void) pthread_mutex_lock(&d->lock);
	end = d->head.lsn;
	(void) pthread_mutex_unlock(&d->lock);
	return log_walk(d, lsn, end, fn, arg, err);
}
