/*
 * The frames of the stream between replicas, in bytes (docs/replication-link.md): a header of
 * FRAME_HEADER_SIZE bytes, little-endian, then a payload. Pure: no I/O, no memory of its own.
 *
 *   0 u32 magic "PLF1"   4 u8 type   5 u8 flags   6 u16 zero   8 u32 size   12 u32 raw_size   16 u64 sequence
 *   24 u64 payload_hash (XXH3-64)   32 u32 zero   36 u32 crc (CRC-32C of bytes 0..35)
 *
 * size is the payload's on the wire, raw_size before compression and with the zeros that it ends in. Each
 * direction counts its frames from 1.
 */
#ifndef REPLICATOR_LINK_FRAME_H
#define REPLICATOR_LINK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "replicator/core/superblock.h"

#define FRAME_MAGIC       0x31464c50u
#define FRAME_HEADER_SIZE 40u
#define FRAME_TYPE_AT     4u
#define FRAME_PAYLOAD_MAX (512u * 1024)

/* The versions of the protocol that we speak. 1 had no aligned records in the log, and was never released. */
#define LINK_VERSION_OLDEST 2u
#define LINK_VERSION        2u

#define FRAME_LZ4   1u   /* the payload is compressed: the lz4 block format */
#define FRAME_REPLY 2u   /* LOG: say at once that it is there */
#define FRAME_CHECK 4u   /* HASHES, DIFFERS: of a verify */
#define FRAME_ZERO  8u   /* CHUNK: zeros; the payload says only where */
#define FRAME_LAST  16u  /* TAIL: that was all */
#define FRAME_MORE  16u  /* LOG: more follows at once, and nobody waits for this */
#define FRAME_SHORT 32u  /* LOG: the zeros at the payload's end, up to raw_size, did not travel */
#define FRAME_OWN   64u  /* LOG: its records have checksums of their own; payload_hash is 0 */
#define FRAME_ZSTD  128u /* the payload is compressed: one zstd frame */

/* name, number, who sends it (p: primary, s: secondary), least and greatest raw size of its payload */
#define FRAME_TYPES(X)                                                    \
	X(HELLO, 1, "ps", HELLO_SIZE, HELLO_SIZE)                         \
	X(ERROR, 2, "ps", 4, 4 + 250)                                     \
	X(FENCE, 3, "s", 8, 8)                                            \
	X(START, 4, "p", START_SIZE, START_SIZE)                          \
	X(TAIL, 5, "s", 0, FRAME_PAYLOAD_MAX)                             \
	X(READY, 6, "s", 8, 8)                                            \
	X(RESTART, 7, "p", 32, 32)                                        \
	X(LOG, 8, "p", 8, FRAME_PAYLOAD_MAX)                              \
	X(RECEIVED, 9, "s", 16, 16)                                       \
	X(DURABLE, 10, "s", 16, 16)                                       \
	X(CREDIT, 11, "s", 8, 8)                                          \
	X(HASHES, 12, "p", 16 + 8, 16 + 8 * RANGE_BLOCKS)                 \
	X(DIFFERS, 13, "s", 16 + RANGE_BLOCKS / 8, 16 + RANGE_BLOCKS / 8) \
	X(CHUNK, 14, "p", 16, 16 + CHUNK_BYTES)                           \
	X(CHUNK_DURABLE, 15, "s", 16, 16)                                 \
	X(RESYNC_END, 16, "p", 8, 8)                                      \
	X(PING, 17, "ps", 8, 8)                                           \
	X(PONG, 18, "ps", 8, 8)

#define RANGE_BLOCKS 256u /* of 4 KiB, compared together */
#define RANGE_BYTES  (RANGE_BLOCKS * 4096u)
#define CHUNK_BYTES  (256u * 1024) /* of one CHUNK frame */
#define HELLO_SIZE   (392u)
#define START_SIZE   (280u)

enum frame_type {
#define X(name, number, from, least, most) FRAME_##name = (number),
	FRAME_TYPES(X)
#undef X
};

struct frame {
	enum frame_type type;
	uint8_t flags;
	uint32_t size, raw_size;
	uint64_t sequence, payload_hash;
	const uint8_t *payload; /* not in the header: set by who reads it */
};

/* Writes FRAME_HEADER_SIZE bytes; f->payload_hash has to be right (frame_hash). */
void frame_encode(const struct frame *f, uint8_t *header);
/*
 * 0; -POD_E_PROTOCOL: no header, a wrong checksum, a size or flag that its type does not have, or sequence is
 * not the one expected. -POD_E_VERSION: an unknown type (a newer protocol that did not say so).
 */
int frame_decode(const uint8_t *header, uint64_t sequence, struct frame *ret, struct err *err);
uint64_t frame_hash(const void *payload, size_t size);
/* "LOG"; "?" for none. */
const char *frame_name(enum frame_type type);
bool frame_is_from(enum frame_type type, enum replica_role role);

/* ---- payloads ---- */

#define LINK_FEATURE_LZ4  1u
#define LINK_FEATURE_OWN  2u /* FRAME_OWN is understood */
#define LINK_FEATURE_MORE 4u /* so is FRAME_MORE */
#define LINK_FEATURE_ZSTD 8u

#define HELLO_RESYNCING 1u /* a resync into it has not ended */
#define HELLO_PRIMARY   2u /* it was primary last: what it has is its own word */

/* What each side says of itself first. */
struct hello {
	uint8_t oldest, newest; /* versions that it speaks */
	uint32_t features, flags;
	enum replica_role role;
	uint8_t volume_id[16];
	char site[PEER_NAME_SIZE];
	uint64_t token, size_bytes;
	uint64_t durable_lsn, epoch; /* its last commit that is durable */
	uint64_t consistent_from_lsn;
	struct generation generations[GENERATIONS_MAX];
};

void hello_encode(const struct hello *h, uint8_t payload[HELLO_SIZE]);
/*
 * *ret_version: the newest that ours and theirs both speak; theirs is looked at no further where there is
 * none: -POD_E_VERSION, err says which site is to be upgraded. -POD_E_PROTOCOL: out of range.
 */
int hello_decode(const uint8_t payload[HELLO_SIZE], const struct hello *ours, struct hello *ret,
                 unsigned int *ret_version, struct err *err);

enum start_kind { START_FOLLOW = 1, START_RESYNC, START_REWIND };

/* What the primary has decided. The secondary takes over generations when it begins to follow. */
struct start {
	enum start_kind kind;
	bool orphan;  /* REWIND: keep the tail as a snapshot */
	uint64_t lsn; /* FOLLOW: from here; RESYNC, REWIND: the histories are one up to here */
	struct generation generations[GENERATIONS_MAX];
};

void start_encode(const struct start *s, uint8_t payload[START_SIZE]);
int start_decode(const uint8_t payload[START_SIZE], struct start *ret, struct err *err);

#endif
