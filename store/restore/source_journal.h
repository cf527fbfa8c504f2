/* names.journal of a source: what was committed and no file name says yet (store/index/journal.h). */
#ifndef POD_STORE_RESTORE_SOURCE_JOURNAL_H
#define POD_STORE_RESTORE_SOURCE_JOURNAL_H

#include "base/arena.h"
#include "base/err.h"

struct source_fate {
	uint32_t mailbox, first, last; /* uids */
	uint32_t flags;
	bool gone; /* expunged, its file to go */
};
struct source_journal {
	struct source_fate *fates; /* the newest last */
	size_t n, cap;
};

/* dir: the source's folder. None where there is no journal; up to where it is damaged. In a. -POD_E_NOMEM. */
int source_journal_read(int dir, struct arena *a, struct source_journal *ret, struct err *err);
/* What it says of one mailbox. -POD_E_NOMEM. */
int source_journal_narrow(const struct source_journal *all, uint32_t mailbox, struct arena *a,
                          struct source_journal *ret);
/* What the journal of a mailbox says last of a message, or NULL. */
const struct source_fate *source_journal_find(const struct source_journal *j, uint32_t uid);

#endif
