/* Between protobuf messages and frames: packed once, straight into the bytes that are sent. Thread-safe. */
#ifndef POD_STOREPROTO_CODEC_INTERNAL_H
#define POD_STOREPROTO_CODEC_INTERNAL_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "storeproto/frame.h"

/* A frame on its way out, one piece of memory; queued by its next pointer. */
struct frame_out {
	struct frame_out *next;
	void *owner; /* the server's: the request that it answers */
	size_t len; /* of bytes */
	size_t sent;
	int fd; /* to pass with it, or -1; owned */
	bool fd_sent;
	bool final; /* the server's: the request's last */
	uint8_t bytes[];
};

/* h's lengths and FRAME_FD are filled in here. message may be NULL. Takes fd, also where it fails (NULL). */
struct frame_out *frame_pack(struct frame_header h, const ProtobufCMessage *message, struct span blob, int fd);
/* A WINDOW_OPEN frame, and what it says (-POD_E_PROTOCOL). */
struct frame_out *frame_pack_window(struct frame_header h, uint32_t bytes);
int frame_unpack_window(struct span message, uint32_t *ret_bytes);
/* Fills in what is only known when a frame that waited is sent. */
void frame_out_address(struct frame_out *f, uint32_t stream, uint8_t flags);
struct frame_out *frame_out_free(struct frame_out *f);

/* Unpacked into a, which keeps all of it; NULL where it is malformed or a's limit is reached. */
ProtobufCMessage *message_unpack(struct arena *a, const ProtobufCMessageDescriptor *type, struct span bytes);

#endif
