#include "storeproto/codec_internal.h"

#include <endian.h>
#include <stdlib.h>
#include <unistd.h>

struct frame_out *frame_pack(struct frame_header h, const ProtobufCMessage *message, struct span blob, int fd)
{
	size_t size = message ? protobuf_c_message_get_packed_size(message) : 0;
	struct frame_out *f = NULL;

	if (size <= FRAME_LENGTH_MAX && blob.len <= FRAME_LENGTH_MAX - size)
		f = malloc(sizeof(*f) + FRAME_HEADER_SIZE + size + blob.len);
	if (!f) {
		if (fd >= 0)
			(void) close(fd);
		return NULL;
	}
	*f = (struct frame_out){ .len = FRAME_HEADER_SIZE + size + blob.len, .fd = fd };
	h.length = (uint32_t) (size + blob.len);
	h.message = (uint32_t) size;
	if (fd >= 0)
		h.flags |= FRAME_FD;
	frame_header_encode(&h, f->bytes);
	if (size)
		(void) protobuf_c_message_pack(message, f->bytes + FRAME_HEADER_SIZE);
	if (blob.len)
		memcpy(f->bytes + FRAME_HEADER_SIZE + size, blob.p, blob.len);
	return f;
}

struct frame_out *frame_pack_window(struct frame_header h, uint32_t bytes)
{
	uint32_t little = htole32(bytes);
	struct frame_out *f = frame_pack(h, NULL, span_make(&little, sizeof(little)), -1);

	if (f) {
		h.length = h.message = sizeof(little);
		frame_header_encode(&h, f->bytes);
	}
	return f;
}

int frame_unpack_window(struct span message, uint32_t *ret_bytes)
{
	uint32_t little;

	if (message.len != sizeof(little))
		return -POD_E_PROTOCOL;
	memcpy(&little, message.p, sizeof(little));
	*ret_bytes = le32toh(little);
	return 0;
}

void frame_out_address(struct frame_out *f, uint32_t stream, uint8_t flags)
{
	uint32_t little = htole32(stream);

	memcpy(f->bytes + FRAME_STREAM_AT, &little, sizeof(little));
	f->bytes[FRAME_FLAGS_AT] = flags;
}

struct frame_out *frame_out_free(struct frame_out *f)
{
	if (f) {
		if (f->fd >= 0)
			(void) close(f->fd);
		free(f);
	}
	return NULL;
}

static void *alloc_in_arena(void *a, size_t size)
{
	return arena_alloc(a, size);
}

static void free_nothing(void *a, void *p)
{
	(void) a;
	(void) p;
}

ProtobufCMessage *message_unpack(struct arena *a, const ProtobufCMessageDescriptor *type, struct span bytes)
{
	ProtobufCAllocator allocator = { alloc_in_arena, free_nothing, a };

	return protobuf_c_message_unpack(type, &allocator, bytes.len, bytes.p);
}
