/*
 * The queue's journal: where a change becomes durable first (wal/wal.h). Two files: while one is written, the
 * settling thread puts what the other holds into the index and the message files.
 */
#ifndef POD_MTA_QUEUE_JOURNAL_H
#define POD_MTA_QUEUE_JOURNAL_H

#include "mta/queue/journal_format.h"
#include "wal/wal.h"

#define QUEUE_JOURNAL_FOLDER "journal"

struct err;

/* Called with what is in the journal, in the order it was written. Non-zero ends it and is returned. */
typedef int queue_journal_fn(void *arg, uint64_t segment, const struct queue_journal_entry *e,
                             struct err *err);

/* As wal_open, entry by entry. */
int queue_journal_open(const char *queue_dir, uint64_t settled, queue_journal_fn *fn, void *arg,
                       struct wal **ret_journal, struct err *err);

#endif
