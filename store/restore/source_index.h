/*
 * The index of a source, read for one user by a child process: LMDB maps its file, so bytes that lie and a
 * disk that goes away under the map (a snapshot that is dropped) would end the process that looks; the child
 * may do nothing but look and answer (lib/proc, sandbox_parser).
 */
#ifndef POD_STORE_RESTORE_SOURCE_INDEX_H
#define POD_STORE_RESTORE_SOURCE_INDEX_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"

struct source_row {
	uint32_t mailbox, uid; /* uid 0: the mailbox itself */
	uint32_t flags, unused;
	struct guid guid;
};
struct source_index {
	struct source_row *rows; /* by mailbox and uid */
	size_t n;
};

/* dir: the source's folder, which has index/. Rows in a. Where it fails, files alone tell. */
int source_index_read(int dir, struct span user_id, struct arena *a, struct source_index *ret,
                      struct err *err);
/* NULL where there is no such row. */
const struct source_row *source_index_find(const struct source_index *ix, uint32_t mailbox, uint32_t uid);

#endif
