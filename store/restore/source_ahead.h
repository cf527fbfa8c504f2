/*
 * A source's journal of deliveries (store/index/ahead.h): where the source is an image of a moment that
 * nobody waited for, as what an old primary alone had is, its last messages are there and nowhere else. A
 * source's bytes are nobody's word: names are parsed, and what a sum does not cover is not read.
 */
#ifndef POD_STORE_RESTORE_SOURCE_AHEAD_H
#define POD_STORE_RESTORE_SOURCE_AHEAD_H

#include "base/err.h"
#include "store/maildir/name.h"

#define SOURCE_AHEAD_FILE LAYOUT_AHEAD "/0"

struct source_delivery {
	struct span name; /* as in staging/; valid during the call */
	uint32_t mailbox;
	struct maildir_name n;
	uint64_t at, size; /* where its bytes are in the file */
};
/* Non-zero ends it and is returned. */
typedef int source_delivery_fn(void *arg, const struct source_delivery *d);
/* Each message of the journal, the oldest first. No journal is no error. -POD_E_NOMEM, -POD_E_IO. */
int source_ahead_each(int dir, source_delivery_fn *fn, void *arg, struct err *err);
/* One message's bytes, in a file of its own in memory. */
int source_ahead_open(int dir, uint64_t at, uint64_t size, int *ret_fd, struct err *err);

#endif
