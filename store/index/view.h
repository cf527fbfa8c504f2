/* What the readers share. */
#ifndef POD_STORE_INDEX_VIEW_H
#define POD_STORE_INDEX_VIEW_H

#include "store/index/volume_internal.h"

/* A read snapshot with all that was delivered to the user (empty: to anybody) so far. */
int view_begin(struct volume *vol, struct span user_id, struct kv_txn *ret_txn, struct err *err);

/* A mailbox of this user; -POD_E_NOTFOUND where it is gone or somebody else's. ret_counts may be NULL. */
int view_mailbox(struct volume *vol, struct kv_txn *txn, struct span user_id, uint32_t id, struct mailbox_info *ret_info,
                 struct mailbox_counts *ret_counts, struct err *err);

/* Fills the columns asked for of one message: the record at hand, the rest read through the cursors of a walk. */
struct row_reader {
	struct kv_txn *txn;
	const struct tables *t;
	uint32_t mailbox, columns;
	struct kv_cursor envelopes, details; /* opened when first needed; each goes forward with the walk */
};
int row_read(struct row_reader *rr, uint32_t uid, const struct record *r, struct volume_row *ret, struct err *err);
void row_reader_done(struct row_reader *rr);

/* All uids of a mailbox in this snapshot, and the first without \Seen (0: none). counts: of the same snapshot. */
int view_uids(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t mailbox,
              const struct mailbox_counts *counts, struct uid_ranges *ret, uint32_t *ret_first_unseen, struct err *err);
/* Uids that vanished since a modseq, which the log reaches back to. */
int view_vanished(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t mailbox, uint64_t since,
                  struct uid_ranges *ret, struct err *err);

#endif
