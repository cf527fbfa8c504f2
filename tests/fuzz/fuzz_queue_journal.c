/*
 * The queue's journal as any disk may give it back: batches, and entries without the sum that keeps wrong ones out. What
 * is read must be written to bytes that read the same.
 */
#include <stdlib.h>

#include "base/err.h"
#include "mta/queue/journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_again(const struct queue_journal_entry *e)
{
	struct queue_journal_place place = { .segment = 1 }, read;
	struct queue_journal_entry again;
	struct buf batch = BUF_INIT;
	struct span file, entries;

	queue_journal_begin(&batch);
	queue_journal_add(&batch, e);
	file = queue_journal_seal(&batch, &place);
	if (!queue_journal_next(&file, true, &read, &entries) || file.len != 0 || read.segment != 1 ||
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
	struct queue_journal_place place;

	for (bool first = true; queue_journal_next(&rest, first, &place, &entries); first = false)
		walk_entries(entries);
	walk_entries(span_make(data, len));
	return 0;
}
