/*
 * What lies in a batch of the deliveries' journal (ahead.h; wal/format.h has what is around it): the messages
 * of a commit, then what it changes in the index. Numbers are little-endian.
 *
 *   entry   kind (4), length of the name (4), length of the bytes (8), name, bytes
 *     FILE     a file of staging/, and what is in it
 *     AGAIN    another one with the bytes of the FILE before it
 *     CHANGES  no name; what kv/redo.h wrote down, with tables in the order of schema_list
 *
 * Pure, thread-safe.
 */
#ifndef POD_STORE_INDEX_AHEAD_FORMAT_H
#define POD_STORE_INDEX_AHEAD_FORMAT_H

#include "base/buf.h"

enum ahead_kind { AHEAD_FILE = 1, AHEAD_AGAIN = 2, AHEAD_CHANGES = 3 };

struct ahead_entry {
	enum ahead_kind kind;
	struct span name, bytes;
};

#define AHEAD_ENTRY_HEADER 16

/* Adds an entry whose bytes are first and then more; failed in the buf where memory is out. */
void ahead_entry_add(struct buf *batch, enum ahead_kind kind, struct span name, struct span first,
                     struct span more);
/* Takes an entry off *entries: 1, 0 at the end, -POD_E_CORRUPT. Its spans point into it; a name is no more
 * than bytes. */
int ahead_entry_next(struct span *entries, struct ahead_entry *ret);

#endif
