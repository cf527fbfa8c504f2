#include "replicator/disk/disk_internal.h"

#include <string.h>

/*
 * A read takes the extents of the log from the map: zeros and what the stage has are filled in under the
 * lock, what only the log or the image has is noted and read without it. The log's place may be given away
 * meanwhile: then the applier has moved the bytes to the image, and that piece is looked up again.
 */
#define SEGMENTS     32
#define COPY_AT_ONCE (256u * 1024)
#define READ_AT_ONCE (1u << 20)
#define HASH_AT_ONCE 65536u /* on the stack */

struct segment {
	uint64_t offset, length;
	uint64_t data_lsn; /* 0: in the image */
};

struct lookup {
	struct segment segments[SEGMENTS];
	size_t n;
	size_t copied;
	uint64_t done; /* everything before is filled in or noted */
};

static void note(struct lookup *l, uint64_t offset, uint64_t length, uint64_t data_lsn)
{
	l->segments[l->n++] = (struct segment){ .offset = offset, .length = length, .data_lsn = data_lsn };
	l->done = offset + length;
}

/* Under lock. bytes are for [start, end). */
static void look_up(struct disk *d, uint64_t start, uint64_t end, uint8_t *bytes, struct lookup *l)
{
	uint64_t low = stage_low(d);
	struct extent e;

	map_catch_up(d);
	while (l->done < end && l->n < SEGMENTS && l->copied < COPY_AT_ONCE) {
		if (!extent_map_find(d->map, l->done, end, &e)) {
			note(l, l->done, end - l->done, 0);
			continue;
		}
		if (e.offset > l->done) {
			note(l, l->done, e.offset - l->done, 0);
			continue;
		}
		if (e.kind != EXTENT_DATA) {
			memset(bytes + (e.offset - start), 0, e.length);
		} else if (e.data_lsn >= low) {
			memcpy(bytes + (e.offset - start), stage_at(&d->stage, e.data_lsn), e.length);
			l->copied += e.length;
		} else {
			note(l, e.offset, e.length, e.data_lsn);
			continue;
		}
		l->done = e.offset + e.length;
	}
}

/* -POD_E_STALE: the log no longer has it. */
static int read_log(struct disk *d, const struct segment *s, uint8_t *bytes)
{
	uint64_t from = io_floor(s->data_lsn), to = io_ceil(s->data_lsn + s->length);
	uint8_t *buffer = io_buffer_take(&d->buffers);
	int r = log_file_read(d, from, buffer, (size_t) (to - from));

	(void) pthread_mutex_lock(&d->lock);
	if (s->data_lsn < d->tail)
		r = -POD_E_STALE;
	(void) pthread_mutex_unlock(&d->lock);
	if (r == 0)
		memcpy(bytes, buffer + (s->data_lsn - from), s->length);
	else if (r != -POD_E_STALE)
		r = -POD_E_IO;
	io_buffer_give(&d->buffers, buffer);
	return r;
}

static int read_piece(struct disk *d, uint64_t start, uint64_t end, uint8_t *bytes, uint64_t *ret_done,
                      struct err *err)
{
	struct lookup l = { .done = start };

	(void) pthread_mutex_lock(&d->lock);
	look_up(d, start, end, bytes, &l);
	(void) pthread_mutex_unlock(&d->lock);
	*ret_done = l.done;
	for (size_t i = 0; i < l.n; i++) {
		const struct segment *s = &l.segments[i];
		uint8_t *at = bytes + (s->offset - start);
		int r;

		if (s->data_lsn == 0) {
			r = image_read(d, s->offset, at, (size_t) s->length);
			if (r < 0)
				return err_errno(err, -r, "image: read");
			continue;
		}
		r = read_log(d, s, at);
		if (r == -POD_E_STALE) { /* again from here on; what was read stays as it is */
			*ret_done = s->offset;
			return 0;
		}
		if (r < 0)
			return err_set(err, POD_E_IO, "log: read at LSN %llu",
			               (unsigned long long) s->data_lsn);
	}
	return 0;
}

int disk_read(struct disk *d, uint64_t offset, void *bytes, size_t size, struct err *err)
{
	uint8_t *p = bytes;
	int r = 0;

	while (r == 0 && size > 0) {
		size_t n = size < READ_AT_ONCE ? size : READ_AT_ONCE;
		uint64_t done;

		r = read_piece(d, offset, offset + n, p, &done, err);
		if (r < 0)
			break;
		p += done - offset;
		size -= (size_t) (done - offset);
		offset = done;
	}
	return r;
}

int disk_hashes(struct disk *d, uint64_t offset, uint64_t length, uint64_t *ret_hashes, struct err *err)
{
	_Alignas(IO_ALIGN) uint8_t buffer[HASH_AT_ONCE];
	int r = 0;

	while (r == 0 && length > 0) {
		size_t n = length < sizeof(buffer) ? (size_t) length : sizeof(buffer);

		r = disk_read(d, offset, buffer, n, err);
		for (size_t at = 0; r == 0 && at < n; at += RECORD_BLOCK)
			*ret_hashes++ = record_hash(buffer + at, RECORD_BLOCK);
		offset += n;
		length -= n;
	}
	return r;
}
