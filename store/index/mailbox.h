/* Mailboxes inside a batch: found, made, taken away, their keywords and their files. */
#ifndef POD_STORE_INDEX_MAILBOX_H
#define POD_STORE_INDEX_MAILBOX_H

#include "store/index/batch.h"
#include "store/maildir/mailbox_file.h"

/* Uids promised ahead in podmail-mailbox.json: one small file for so many deliveries. */
#define MAILBOX_UID_STEP 1024
#define MAILBOXES_MAX 10000 /* of a user */

/* By the user's id and the mailbox's; -POD_E_NOTFOUND where it is somebody else's. */
int mailbox_of_user(struct batch *b, struct span user_id, uint32_t id, struct user_state **ret_user,
                    struct mailbox_state **ret_mailbox, struct err *err);
/* By any spelling of its name. -POD_E_NOTFOUND. */
int mailbox_by_name(struct batch *b, struct user_state *u, struct span name, struct mailbox_state **ret, struct err *err);

struct mailbox_plan {
	struct span name; /* canonical */
	const char *special_use;
	const char *const *keywords;
	size_t keywords_n;
	uint32_t uids; /* to be used at once */
};
/* Rows, and the folder in staging/ with an intent to move it. -POD_E_EXISTS, -POD_E_LIMIT. */
int mailbox_make(struct batch *b, struct user_state *u, const struct mailbox_plan *plan, struct mailbox_state **ret,
                 struct err *err);
/* The same without the folder, whose file is *ret_file: for a user's tree that is made as a whole. */
int mailbox_make_rows(struct batch *b, struct user_state *u, const struct mailbox_plan *plan,
                      struct mailbox_state **ret, struct mailbox_file *ret_file, struct err *err);
/* Rows for a folder that is there, with its keywords; uids and UIDVALIDITY are new. */
int mailbox_adopt(struct batch *b, struct user_state *u, struct span name, struct mailbox_state **ret, struct err *err);
/* The folder, where it is missing, and its file as the index has it. */
int mailbox_repair_folder(struct batch *b, const struct mailbox_state *m, struct err *err);
/* -POD_E_EXISTS where the canonical name, or its folder, is there. */
int mailbox_check_free(struct batch *b, const struct user_state *u, struct span name, struct err *err);
/* All rows of the mailbox and its messages go; the folder is the caller's. */
int mailbox_wipe(struct batch *b, struct user_state *u, struct mailbox_state *m, struct err *err);

/*
 * The bits of keywords by name, ignoring ASCII case. With add, new ones get the next letter, made known in the
 * mailbox's file first; -POD_E_LIMIT over 26. Without, unknown ones have no bit.
 */
int mailbox_keywords(struct batch *b, struct mailbox_state *m, const struct span *names, size_t n, bool add,
                     uint32_t *ret_bits, struct err *err);
/* Promises uids below `reserve` in the mailbox's file. */
int mailbox_reserve_to(struct batch *b, struct mailbox_state *m, uint32_t reserve, struct err *err);

/* What the API shows of a mailbox; strings in a. has_children is the caller's. */
int mailbox_show(struct volume *vol, struct kv_txn *txn, struct arena *a, uint32_t id, const struct mailbox_info *info,
                 const struct mailbox_counts *counts, struct volume_mailbox *ret, struct err *err);
static inline int mailbox_show_state(struct batch *b, struct arena *a, const struct mailbox_state *m,
                                     struct volume_mailbox *ret, struct err *err)
{
	return mailbox_show(b->vol, &b->txn, a, m->id, &m->info, &m->counts, ret, err);
}

/* The user's subscriptions as a file beside the present one, with an intent to put it in its place. */
int mailbox_subscriptions_stage(struct batch *b, struct user_state *u, struct err *err);

#endif
