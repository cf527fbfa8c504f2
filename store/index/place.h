/*
 * Where a message's file is. A name follows from the record: nothing is looked up in a folder. While a row of
 * `pending` says that the file is still on its way, there is more than one place to look.
 */
#ifndef POD_STORE_INDEX_PLACE_H
#define POD_STORE_INDEX_PLACE_H

#include "store/index/schema.h"
#include "store/index/volume_internal.h"
#include "store/maildir/layout.h"

#define PLACES_MAX 4

struct places {
	struct layout_path at[PLACES_MAX]; /* most likely first */
	size_t n;
};

/* What a file's name is made of. */
struct place_name {
	uint32_t mailbox, uid, flags;
	int64_t internal_date;
	uint64_t size;
	struct guid guid;
};
struct place_name place_name_of(uint32_t mailbox, uint32_t uid, const struct record *r);

/* Its path in the mailbox's folder, and in staging/ (from the volume's folder). */
void place_final(const struct volume *vol, const struct mailbox_info *m, const struct place_name *n,
                 struct layout_path *ret);
void place_staged(const struct volume *vol, const struct place_name *n, struct layout_path *ret);
/* The name alone, as in staging/. */
void place_staged_name(const struct volume *vol, const struct place_name *n, char name[STAGED_NAME_SIZE]);
/* All places; p: the message's row of `pending`, or NULL. m NULL: the mailbox is gone, and staging/ is all there is. */
void place_all(const struct volume *vol, const struct mailbox_info *m, const struct place_name *n,
               const struct pending *p, struct places *ret);
/* The same, looking for the row in txn, and asking write-behind what it has done and not yet reported. */
int place_find(struct volume *vol, struct kv_txn *txn, const struct mailbox_info *m, const struct place_name *n,
               struct places *ret, struct err *err);
/* Where another Maildir tool, or a crash, has left it: looked for by listing the mailbox's folder. ret->n 0: nowhere. */
int place_search(struct volume *vol, const struct mailbox_info *m, const struct place_name *n, struct places *ret,
                 struct err *err);

#endif
