/*
 * names.journal as any disk may give it back: frames, and entries without the frame whose sum keeps wrong
 * ones out. What is read must be written to bytes that read the same.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/index/journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_again(const struct journal_entry *e)
{
	struct journal_frame f = { 0 };
	struct journal_entry again;
	struct span file, entries;
	uint64_t modseq = 0;

	journal_frame_add(&f, e);
	file = journal_frame_seal(&f, 1);
	if (!journal_frame_next(&file, &modseq, &entries) || file.len != 0 ||
	    journal_entry_next(&entries, &again) != 1 || again.kind != e->kind ||
	    again.mailbox != e->mailbox || again.last != e->last || !span_eq(again.to, e->to))
		abort();
	journal_frame_done(&f);
}

static void walk_entries(struct span entries)
{
	struct journal_entry e;

	while (journal_entry_next(&entries, &e) == 1)
		check_again(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span rest = span_make(data, len), entries;
	uint64_t modseq = 0;

	walk_entries(rest);
	while (journal_frame_next(&rest, &modseq, &entries))
		walk_entries(entries);
	return 0;
}
