/*
 * What lies in a segment of a write-ahead journal (wal.h): batches, each with all that became durable in one
 * flush. Numbers are little-endian.
 *
 *   batch   begins at a multiple of 4096 bytes, so that writing one never touches the bytes of another. A
 * header of 48 bytes: magic "PQJ1", CRC-32C of all that follows it (4), nonce (16), segment (8), number (8),
 * length of the entries (8). Then the entries, whose form is the user's.
 *
 * A segment's first batch has number 0 and says which segment it is and its nonce; those after it say the
 * same and count on. The first batch that does not, or whose sum is wrong, is the end: a write that was cut
 * off, or what an earlier use of the file left there. The nonce is random, so that no message can hold what
 * looks like a batch.
 *
 * Pure, thread-safe.
 */
#ifndef POD_WAL_FORMAT_H
#define POD_WAL_FORMAT_H

#include "base/buf.h"

#define WAL_BLOCK  4096
#define WAL_NONCE  16
#define WAL_HEADER 48

/* Where a batch belongs. */
struct wal_place {
	uint8_t nonce[WAL_NONCE];
	uint64_t segment, number;
};

/* ---- making: begin, add entries behind it, seal; failed in the buf where memory is out ---- */

void wal_batch_begin(struct buf *batch);
/* Fills in the header and fills up the last block. The batch has not failed; SPAN_NONE where memory is out.
 */
struct span wal_batch_seal(struct buf *batch, const struct wal_place *place);

/* ---- reading ---- */

/*
 * Takes a batch, with what fills its last block, off *rest. False at the end, with *rest and *place
 * untouched. first: place is read from the batch, which has number 0; else it is the last batch's, and
 * becomes this one's.
 */
bool wal_batch_next(struct span *rest, bool first, struct wal_place *place, struct span *ret_entries);

#endif
