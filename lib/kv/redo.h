/*
 * What a write transaction changes, written down as it does, so that it can be done once more on the database
 * as it was before: by a journal that is durable before the transaction is. Tables are told by their place in
 * a list that the user keeps the same for ever, since handles change with each opening. Numbers are
 * little-endian.
 *
 *   change  kind (1: put, 2: delete, 3: clear the table), place of the table (1), length of the key (2), of
 * the value (4), key, value.
 *
 * Doing the changes of some transactions once more, in their order, gives what they gave. A transaction and
 * its redo are one thread's.
 */
#ifndef POD_KV_REDO_H
#define POD_KV_REDO_H

#include "base/buf.h"
#include "kv/kv.h"

struct kv_redo {
	const kv_table *tables; /* live as long as this; at most 255 */
	size_t tables_n;
	struct buf changes; /* failed where memory is out, or where a table is not in the list */
	/* The last value, where its bytes are filled in after kv_reserve: */
	const void *reserved;
	size_t reserved_at, reserved_len;
};

void kv_redo_init(struct kv_redo *r, const kv_table *tables, size_t n);
void kv_redo_done(struct kv_redo *r);
/* From now on the transaction's changes are added; NULL: no more. Its nested transactions' are not. */
void kv_txn_set_redo(struct kv_txn *txn, struct kv_redo *r);
/* All since the last kv_redo_clear; valid until the next change. *ret_changes is empty where there was none.
 * NOMEM. */
int kv_redo_changes(struct kv_redo *r, struct span *ret_changes, struct err *err);
void kv_redo_clear(struct kv_redo *r);

/* Does them once more. -POD_E_CORRUPT: not what was written down; then the transaction is to be aborted. */
int kv_redo_apply(struct kv_txn *txn, const kv_table *tables, size_t n, struct span changes, struct err *err);

#endif
