#include "storeproto/frame.h"

#include <endian.h>

static void put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static void put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

void frame_header_encode(const struct frame_header *h, uint8_t bytes[FRAME_HEADER_SIZE])
{
	put32(bytes, h->length);
	put32(bytes + 4, h->message);
	put32(bytes + 8, h->stream);
	put16(bytes + 12, h->method);
	bytes[14] = h->kind;
	bytes[15] = h->flags;
}

int frame_header_decode(const uint8_t bytes[FRAME_HEADER_SIZE], struct frame_header *ret_header, struct err *err)
{
	struct frame_header h = {
		.length = get32(bytes),
		.message = get32(bytes + 4),
		.stream = get32(bytes + 8),
		.method = get16(bytes + 12),
		.kind = bytes[14],
		.flags = bytes[15],
	};

	if (h.length > FRAME_LENGTH_MAX)
		return err_set(err, POD_E_PROTOCOL, "frame of %u bytes, more than %u", h.length, FRAME_LENGTH_MAX);
	if (h.message > h.length)
		return err_set(err, POD_E_PROTOCOL, "message of %u bytes in a frame of %u", h.message, h.length);
	if (h.stream % 2 == 0)
		return err_set(err, POD_E_PROTOCOL, "stream number %u is even", h.stream);
	if (h.kind < FRAME_REQUEST || h.kind > FRAME_WINDOW_OPEN)
		return err_set(err, POD_E_PROTOCOL, "frame of unknown kind %u", h.kind);
	if (h.flags & (uint8_t) ~FRAME_FLAGS_KNOWN)
		return err_set(err, POD_E_PROTOCOL, "frame with unknown flags %#x", h.flags);
	*ret_header = h;
	return 0;
}
