/*
 * The entries in a batch of the queue's journal (journal.h; wal/format.h has what is around them). Numbers
 * are little-endian.
 *
 *   entry   kind (4), id (16), lengths of item, summary and body (4 each), then these.
 *
 * Pure, thread-safe.
 */
#ifndef POD_MTA_QUEUE_JOURNAL_FORMAT_H
#define POD_MTA_QUEUE_JOURNAL_FORMAT_H

#include "base/buf.h"
#include "base/id.h"

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

/* Added to a batch that was begun; failed in the buf where memory is out. */
void queue_journal_add(struct buf *batch, const struct queue_journal_entry *e);
static inline size_t queue_journal_entry_size(const struct queue_journal_entry *e)
{
	return 32 + e->item.len + e->summary.len + e->body.len;
}
/* Takes an entry off *entries: 1, 0 at the end, -POD_E_CORRUPT. Its spans point into it. */
int queue_journal_entry_next(struct span *entries, struct queue_journal_entry *ret);

#endif
