/*
 * Frames of the store protocol. A header of 16 bytes, little-endian:
 *
 *   u32 length   of what follows the header: message and blob
 *   u32 message  length of the protobuf message; the rest is the blob
 *   u32 stream   chosen by the client, odd, not in use; the answer carries it back
 *   u16 method   enum store_method; in answers too
 *   u8  kind     enum frame_kind
 *   u8  flags    FRAME_FD: a descriptor came with or before the header's first byte (SCM_RIGHTS, unix
 *                sockets only); descriptors come in the order of the frames that have this flag
 *
 * Flow control: "more" frames count against the stream's window (FRAME_WINDOW bytes at first); the receiver
 * opens it again with a WINDOW frame whose 4-byte message is the number of bytes it has dealt with.
 */
#ifndef POD_STOREPROTO_FRAME_H
#define POD_STOREPROTO_FRAME_H

#include "base/err.h"
#include "base/span.h"

#define FRAME_HEADER_SIZE 16
#define FRAME_LENGTH_MAX (16u << 20) /* larger bodies travel as descriptors or in several frames */
#define FRAME_BLOB_INLINE_MAX (64u << 10) /* a body up to this size is a blob, beyond it a descriptor */
#define FRAME_WINDOW (1u << 20)
#define FRAME_BODY_MAX (2ull << 30) /* all of a body that follows in REQUEST_MORE frames */

enum frame_kind {
	FRAME_REQUEST = 1, /* client: opens a stream */
	FRAME_REQUEST_MORE, /* client: a further message on it (AUTH_STEP, body chunks) */
	FRAME_MORE, /* server: part of the answer */
	FRAME_REPLY, /* server: final, ends the stream */
	FRAME_ERROR, /* server: final, message is podstore.Error */
	FRAME_CANCEL, /* client: no more of this, please; a final frame (often ERROR CANCELLED) still comes */
	FRAME_WINDOW_OPEN, /* client: see above */
};

#define FRAME_FD 1u
/*
 * Over TLS, where no descriptor can travel: the request's body follows in REQUEST_MORE frames (blob only) up
 * to one with FRAME_BODY_END. The server spools it and hands the request on as if a descriptor had come.
 */
#define FRAME_BODY 2u
#define FRAME_BODY_END 4u
#define FRAME_FLAGS_KNOWN 7u

struct frame_header {
	uint32_t length, message, stream;
	uint16_t method;
	uint8_t kind, flags;
};

/* Where these two are in a header, for a frame whose stream is chosen after it was packed. */
#define FRAME_STREAM_AT 8
#define FRAME_FLAGS_AT 15

void frame_header_encode(const struct frame_header *h, uint8_t bytes[FRAME_HEADER_SIZE]);
/* -POD_E_PROTOCOL where kind, lengths or stream cannot be; the connection is then beyond repair. */
int frame_header_decode(const uint8_t bytes[FRAME_HEADER_SIZE], struct frame_header *ret_header, struct err *err);

#endif
