/*
 * The queue's journal as any disk may give it back: batches, and entries without the sum that keeps wrong ones out. What
 * is read must be written to bytes that read the same.
 */
#include <stdlib.h>

#include "base/err.h"
#include "mta/queue/journal_format.h"
#include "wal/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_again(const struct queue_journal_entry *e)
{
	struct wal_place place = { .segment = 1 }, read;
	struct queue_journal_entry again;
	struct buf batch = BUF_INIT;
	struct span file, entries;

	wal_batch_begin(&batch);
	queue_journal_add(&batch, e);
	file = wal_batch_seal(&batch, &place);
	if (!wal_batch_next(&file, true, &read, &entries) || file.len != 0 || read.segment != 1 ||
	    queue_journal_entry_next(&entries, &again) != 1 || again.kind != e->kind || !guid_eq(&again.id, &e->id) ||
	    !span_eq(again.item, e->item) || !span_eq(again.summary, e->summary) || !span_eq(again.body, e->body))
		abort();
	buf_done(&batch);
}

static void walk_entries(struct span entries)
{
	struct queue_journal_entry e;

	while (queue_journal_entry_next(&entries, &e) == 1)
		check_again(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span rest = span_make(data, len), entries;
	struct wal_place place;

	for (bool first = true; wal_batch_next(&rest, first, &place, &entries); first = false)
		walk_entries(entries);
	walk_entries(span_make(data, len));
	return 0;
}
