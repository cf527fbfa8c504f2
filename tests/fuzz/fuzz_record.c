/*
 * A log as a damaged disk or a hostile peer may give it: the first byte says how it is read. With bit 0 the
 * headers are made right as they are passed (chain, checksums), so that what lies behind the checksums is
 * reached too, notes of payloads that are elsewhere among it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "replicator/core/record.h"
#include "replicator/disk/scan.h"

#define VOLUME     (UINT64_C(1) << 24)
#define VOLUME_MAX (UINT64_C(1) << 46) /* what a resize may make of it */

struct input {
	const uint8_t *bytes;
	size_t size;
	size_t n_placed;
};

static void count_placed(void *arg, const struct record *r)
{
	struct input *in = arg;

	assert(r->type == RECORD_WRITE && r->flags == RECORD_ALIGNED);
	assert(r->offset % RECORD_BLOCK == 0 && r->offset + r->length <= VOLUME_MAX);
	in->n_placed++;
}

static int bytes_at(void *arg, uint64_t lsn, size_t size, const uint8_t **ret)
{
	const struct input *in = arg;

	assert(lsn >= RECORD_ALIGN && size <= in->size && lsn - RECORD_ALIGN <= in->size - size);
	*ret = in->bytes + (lsn - RECORD_ALIGN);
	return 0;
}

/* Type, sizes and extent stay as they are; the rest becomes what a log would have there. */
static void make_right(uint8_t *log, size_t size, uint8_t epoch_skew)
{
	uint32_t previous_crc = 0;
	uint64_t epoch = 1;
	size_t at = 0;

	while (at + RECORD_HEADER_SIZE <= size) {
		struct record r = { .type = (enum record_type)(log[at + 4] % 9), .flags = log[at + 5] & 1 };
		uint64_t next;

		r.payload_size = le_get32(log + at + 8) % (RECORD_PAYLOAD_MAX + 8192);
		r.offset = le_get64(log + at + 24);
		r.length = le_get64(log + at + 32);
		r.lsn = RECORD_ALIGN + at;
		r.epoch = epoch + (log[at + 40] == epoch_skew && epoch_skew != 0);
		r.previous_crc = previous_crc;
		if (record_data(&r) + r.payload_size <= RECORD_ALIGN + size)
			r.payload_hash = record_hash(log + (record_data(&r) - RECORD_ALIGN), r.payload_size);
		if (log[at + 6] & 1 && size - at >= RECORD_NOTE_SIZE)
			record_note_placed(log + at);
		record_encode(&r, log + at);
		previous_crc = r.crc;
		epoch += r.type == RECORD_COMMIT;
		next = record_next(&r) - RECORD_ALIGN;
		if (next > size)
			return;
		at = (size_t) next;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct position from = { .lsn = RECORD_ALIGN, .size_bytes = VOLUME };
	struct scan_input in = { .bytes = bytes_at, .placed = count_placed };
	struct scan_result result;
	struct input log = { .n_placed = 0 };
	uint8_t *copy;

	if (len < 2)
		return 0;
	copy = malloc(len - 2 ? len - 2 : 1);
	if (!copy)
		return 0;
	memcpy(copy, data + 2, len - 2);
	if (data[0] & 1)
		make_right(copy, len - 2, data[1]);
	if (data[0] & 2) {
		in.group_from = RECORD_ALIGN;
		in.group_to = RECORD_ALIGN + (uint64_t) data[1] * RECORD_ALIGN;
	}
	log = (struct input){ .bytes = copy, .size = len - 2 };
	in.arg = &log;
	in.limit = RECORD_ALIGN + log.size;
	if (scan_log(&in, &from, &result, NULL) == 0) {
		assert(result.committed.lsn <= result.end.lsn && result.end.lsn <= in.limit);
		assert(result.committed.lsn % RECORD_ALIGN == 0);
		assert(result.end.epoch == result.committed.epoch);
		assert(result.end.size_bytes >= VOLUME);
	}
	free(copy);
	return 0;
}
