#include "storeproto/frame.h"

#include "base/le.h"

void frame_header_encode(const struct frame_header *h, uint8_t bytes[FRAME_HEADER_SIZE])
{
	le_put32(bytes, h->length);
	le_put32(bytes + 4, h->message);
	le_put32(bytes + 8, h->stream);
	le_put16(bytes + 12, h->method);
	bytes[14] = h->kind;
	bytes[15] = h->flags;
}

int frame_header_decode(const uint8_t bytes[FRAME_HEADER_SIZE], struct frame_header *ret_header,
                        struct err *err)
{
	struct frame_header h = {
		.length = le_get32(bytes),
		.message = le_get32(bytes + 4),
		.stream = le_get32(bytes + 8),
		.method = le_get16(bytes + 12),
		.kind = bytes[14],
		.flags = bytes[15],
	};

	if (h.length > FRAME_LENGTH_MAX)
		return err_set(err, POD_E_PROTOCOL, "frame of %u bytes, more than %u", h.length,
		               FRAME_LENGTH_MAX);
	if (h.message > h.length)
		return err_set(err, POD_E_PROTOCOL, "message of %u bytes in a frame of %u", h.message,
		               h.length);
	if (h.stream % 2 == 0)
		return err_set(err, POD_E_PROTOCOL, "stream number %u is even", h.stream);
	if (h.kind < FRAME_REQUEST || h.kind > FRAME_WINDOW_OPEN)
		return err_set(err, POD_E_PROTOCOL, "frame of unknown kind %u", h.kind);
	if (h.flags & (uint8_t) ~FRAME_FLAGS_KNOWN)
		return err_set(err, POD_E_PROTOCOL, "frame with unknown flags %#x", h.flags);
	*ret_header = h;
	return 0;
}
