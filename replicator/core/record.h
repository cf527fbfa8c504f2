/*
 * The records of a replica's log: how each looks in bytes, and nothing else. Pure: no I/O, no memory of its
 * own.
 *
 * The log is one endless sequence of bytes; a position in it is an LSN (log sequence number, uint64_t, byte
 * offset; 0 is "none", the first record of a new volume stands at RECORD_ALIGN). A replica keeps the last
 * part of it in a ring: byte LSN is at ring offset LSN % ring size. All replicas of a volume hold the same
 * bytes under the same LSNs (within one generation, core/superblock.h), so replication is the shipping of log
 * bytes, and snapshots, resizes and the like are records: they happen at the same point everywhere.
 *
 * A record is a header of RECORD_HEADER_SIZE bytes, little-endian, then payload_size bytes. The next record
 * follows at once, except that the one behind a COMMIT starts at the next multiple of RECORD_ALIGN (the gap
 * is zeros): what a commit made durable is never written again.
 *
 *   0 u32 magic "PLR1"   4 u8 type   5 u8 flags   6 u16 zero   8 u32 payload_size   12 u32 previous_crc
 *   16 u64 lsn   24 u64 offset   32 u64 length   40 u64 epoch   48 u64 payload_hash (XXH3-64)   56 u32 zero
 *   60 u32 crc (CRC-32C of bytes 0..59)
 *
 * previous_crc is the crc of the record before: the chain that tells records of this log from stale ones
 * which happen to stand at the right place in the ring.
 *
 * RECORD_ALIGNED, of a long write: its payload begins at the first multiple of RECORD_ALIGN that leaves room for
 * another header's size of bytes behind the header, so that it can go from memory to the image as it is. The
 * bytes between are zeros wherever records travel; in a primary's own log file they may begin with a note that the
 * payload is in the image and not here (disk/place.c).
 *
 * An epoch is what lies between two commits; COMMIT carries the epoch that it ends. Numbers grow by one.
 */
#ifndef REPLICATOR_CORE_RECORD_H
#define REPLICATOR_CORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define RECORD_MAGIC       0x31524c50u
#define RECORD_HEADER_SIZE 64u
#define RECORD_ALIGN       4096u
#define RECORD_PAYLOAD_MAX (256u * 1024) /* larger writes are several records */
/* No record takes more, with what lies between header and payload. */
#define RECORD_SIZE_MAX    (2 * RECORD_HEADER_SIZE + RECORD_ALIGN + RECORD_PAYLOAD_MAX)
#define RECORD_BLOCK       4096u         /* offsets and lengths of extents are multiples of this */
#define RECORD_NAME_MAX    64u           /* of a snapshot: [a-z0-9._-]{1,63}, no dot first; with the NUL */
#define RECORD_VOLUME_UNIT 65536u        /* a volume's size is a multiple of this */
#define RECORD_VOLUME_MAX  (UINT64_C(1) << 46)

enum record_type {
	RECORD_WRITE = 1, /* payload: the extent's bytes */
	RECORD_ZERO,      /* the extent reads as zeros and stays allocated */
	RECORD_TRIM,      /* the extent reads as zeros and may be deallocated */
	RECORD_COMMIT,    /* ends an epoch; offset: the primary's wall clock, unix milliseconds */
	RECORD_SNAPSHOT, /* payload: its name, padded with NULs to RECORD_NAME_MAX; offset: unix milliseconds;
	                  * stands right behind a COMMIT */
	RECORD_SNAPSHOT_DELETE, /* payload: its name in the same way */
	RECORD_RESIZE,          /* offset: the new size in bytes, larger than before */
	RECORD_TYPES
};

enum record_flag { RECORD_ALIGNED = 1 }; /* WRITE */

struct record {
	enum record_type type;
	uint8_t flags;
	uint32_t payload_size, previous_crc, crc;
	uint64_t lsn, offset, length, epoch, payload_hash;
};

/* Fills in r->crc and writes RECORD_HEADER_SIZE bytes. */
void record_encode(struct record *r, uint8_t *header);
/*
 * Reads a header that is to stand at lsn behind a record with crc previous_crc. 0; -POD_E_NOTFOUND: no record
 * of this log stands here (its end, or torn); -POD_E_CORRUPT: its crc is right but what it says is out of
 * range for a volume of volume_size bytes (never by a crash alone). The payload is not looked at.
 */
int record_decode(const uint8_t *header, uint64_t lsn, uint32_t previous_crc, uint64_t volume_size,
                  struct record *ret, struct err *err);
/*
 * Whether a whole header of a record of this volume stands at lsn, in whatever chain; *ret_epoch: its epoch.
 * For the search behind a log's end: there a record of a later epoch means damage.
 */
bool record_stands(const uint8_t *header, uint64_t lsn, uint64_t *ret_epoch);
/* The record that says of itself that it stands at lsn, in whatever chain. For looking back from a known end.
 */
bool record_peek(const uint8_t *header, uint64_t lsn, struct record *ret);
/* XXH3-64 of a payload. */
uint64_t record_hash(const void *payload, size_t size);
/* The LSN of the first byte of r's payload. */
uint64_t record_data(const struct record *r);
/* Where the record behind r stands. */
uint64_t record_next(const struct record *r);

/* The note behind an aligned record's header, in RECORD_NOTE_SIZE bytes from its header on. */
#define RECORD_NOTE_SIZE (2 * RECORD_HEADER_SIZE)
void record_note_placed(uint8_t *bytes);
void record_note_clear(uint8_t *bytes);
bool record_is_noted(const struct record *r, const uint8_t *bytes);

/* Names of snapshots, and how they stand in a payload; get is false where what stands there is none. */
bool record_name_ok(const char *name);
void record_name_put(const char *name, uint8_t payload[RECORD_NAME_MAX]);
bool record_name_get(const uint8_t payload[RECORD_NAME_MAX], char ret_name[RECORD_NAME_MAX]);

#endif
