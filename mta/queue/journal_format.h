/*
 * What lies in a segment of the queue's journal (journal.h): batches, each with all that became durable in
 * one flush. Numbers are little-endian.
 *
 *   batch   begins at a multiple of 4096 bytes, so that writing one never touches the bytes of another. A
 * header of 48 bytes: magic "PQJ1", CRC-32C of all that follows it (4), nonce (16), segment (8), number (8),
 * length of the entries (8). Then the entries. entry   kind (4), id (16), lengths of item, summary and body
 * (4 each), then these.
 *
 * A segment's first batch has number 0 and says which segment it is and its nonce; those after it say the
 * same and count on. The first batch that does not, or whose sum is wrong, is the end: a write that was cut
 * off, or what an earlier use of the file left there. The nonce is random, so that no message can hold what
 * looks like a batch.
 *
 * Pure, thread-safe.
 */
#ifndef POD_MTA_QUEUE_JOURNAL_FORMAT_H
#define POD_MTA_QUEUE_JOURNAL_FORMAT_H

#include "base/buf.h"
#include "base/id.h"

#define QUEUE_JOURNAL_BLOCK 4096
#define QUEUE_JOURNAL_NONCE 16

enum queue_journal_kind {
	QUEUE_JOURNAL_NEW = 1,      /* item, summary, body */
	QUEUE_JOURNAL_NEW_FILE = 2, /* item, summary; the body is in its file already */
	QUEUE_JOURNAL_CHANGED = 3,  /* item */
	QUEUE_JOURNAL_REMOVED = 4,  /* it was in the queue */
	QUEUE_JOURNAL_OVER = 5      /* it never was, and must not come again */
};

struct queue_journal_entry {
	enum queue_journal_kind kind;
	struct guid id;
	struct span item, summary, body;
};

/* Where a batch belongs. */
struct queue_journal_place {
	uint8_t nonce[QUEUE_JOURNAL_NONCE];
	uint64_t segment, number;
};

/* ---- making: begin, add, seal; failed in the buf where memory is out ---- */

void queue_journal_begin(struct buf *batch);
void queue_journal_add(struct buf *batch, const struct queue_journal_entry *e);
static inline size_t queue_journal_entry_size(const struct queue_journal_entry *e)
{
	return 32 + e->item.len + e->summary.len + e->body.len;
}
/* Fills in the header and fills up the last block. The batch has not failed. */
struct span queue_journal_seal(struct buf *batch, const struct queue_journal_place *place);

/* ---- reading ---- */

/*
 * Takes a batch, with what fills its last block, off *rest. False at the end, with *rest and *place
 * untouched. first: place is read from the batch, which has number 0; else it is the last batch's, and
 * becomes this one's.
 */
bool queue_journal_next(struct span *rest, bool first, struct queue_journal_place *place,
                        struct span *ret_entries);
/* Takes an entry off *entries: 1, 0 at the end, -POD_E_CORRUPT. Its spans point into it. */
int queue_journal_entry_next(struct span *entries, struct queue_journal_entry *ret);

#endif
