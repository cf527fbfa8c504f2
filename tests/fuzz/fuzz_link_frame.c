/*
 * What comes from another replica, behind TLS: frames. The first byte says whether the rest is taken as it
 * is, or as a sequence of { type, flags, u16 size, payload } that is dressed in good headers, so that what
 * lies behind checksums is reached, too: sizes, flags and the unpacking of compressed payloads.
 */
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "replicator/link/wire_internal.h"

static struct wire *wire;

static void give(const uint8_t *bytes, size_t n)
{
	if (n > WIRE_IN_SIZE - wire->in_to)
		n = WIRE_IN_SIZE - wire->in_to;
	memcpy(wire->in + wire->in_to, bytes, n);
	wire->in_to += n;
}

/* What a sender would have said, as far as the payload lets one guess that. */
static uint32_t raw_size_of(const struct frame *f, const uint8_t *payload, size_t size)
{
	if (f->flags & FRAME_ZSTD)
		return (uint32_t) ZSTD_getFrameContentSize(payload, size) & 0xfffff;
	return f->flags & FRAME_LZ4 && size >= 4 ? le_get32(payload) & 0xfffff : (uint32_t) size;
}

static size_t give_dressed(const uint8_t *data, size_t len, uint64_t sequence)
{
	uint8_t header[FRAME_HEADER_SIZE];
	size_t size = le_get16(data + 2);
	struct frame f = { .type = (enum frame_type) data[0], .flags = data[1], .sequence = sequence };

	if (size > len - 4)
		size = len - 4;
	f.size = (uint32_t) size;
	f.raw_size = raw_size_of(&f, data + 4, size);
	f.payload_hash = f.flags & FRAME_OWN ? 0 : frame_hash(data + 4, size);
	frame_encode(&f, header);
	give(header, sizeof(header));
	give(data + 4, size);
	return 4 + size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct frame f;
	uint64_t sum = 0;

	if (!wire && wire_create(&wire, NULL) < 0)
		abort();
	wire->in_from = wire->in_to = 0;
	wire->sequence_in = 0;
	if (len > 0 && data[0] % 2 == 0) {
		give(data + 1, len - 1);
	} else {
		uint64_t sequence = 0;

		for (size_t at = 1; at + 4 <= len;)
			at += give_dressed(data + at, len - at, ++sequence);
	}
	while (wire_next(wire, &f, NULL) > 0) {
		/* All of it may be read. */
		for (uint32_t i = 0; i < f.size; i++)
			sum += f.payload[i];
		if (f.size > FRAME_PAYLOAD_MAX || *frame_name(f.type) == '?')
			abort();
	}
	return sum == UINT64_MAX;
}
