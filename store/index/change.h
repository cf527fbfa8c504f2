/*
 * The kinds of change: one file change_NAME.c each, one row in the table. An apply function runs on the writer's
 * thread inside a batch; it returns 0 with the change's results set, or -POD_E_* with c->err in words. See batch.h for
 * what may fail when.
 */
#ifndef POD_STORE_INDEX_CHANGE_H
#define POD_STORE_INDEX_CHANGE_H

#include "store/index/batch.h"

#define CHANGE_ADDS 1u /* refused when the disk is full */

struct change_row {
	const char *name;
	int (*apply)(struct batch *b, struct change *c);
	unsigned int flags;
};
const struct change_row *change_row(enum change_kind kind);

int change_deliver(struct batch *b, struct change *c);
int change_append(struct batch *b, struct change *c);
int change_flags(struct batch *b, struct change *c);
int change_copy(struct batch *b, struct change *c);
int change_expunge(struct batch *b, struct change *c);
int change_mailbox_create(struct batch *b, struct change *c);
int change_mailbox_delete(struct batch *b, struct change *c);
int change_mailbox_rename(struct batch *b, struct change *c);
int change_mailbox_subscribe(struct batch *b, struct change *c);
int change_url_key(struct batch *b, struct change *c);
int change_url_reset(struct batch *b, struct change *c);
/* -POD_E_NOTFOUND */
int url_key_get(struct kv_txn *txn, const struct tables *t, uint32_t mailbox, uint8_t ret_key[VOLUME_URL_KEY_SIZE],
                struct err *err);
int change_state_put(struct batch *b, struct change *c);
int change_state_delete(struct batch *b, struct change *c);
int change_user_add(struct batch *b, struct change *c);
int change_user_set(struct batch *b, struct change *c);
int change_user_remove(struct batch *b, struct change *c);
int change_clear(struct batch *b, struct change *c);
int change_forget(struct batch *b, struct change *c);
int change_recount(struct batch *b, struct change *c);
int change_lessons_done(struct batch *b, struct change *c);

/* The change's own memory is out, before or after rows were written. */
int change_nomem(struct batch *b, struct change *c);

/* Requests that were carried out before: 1 and *ret set, 0, or an error. An id of zeros was never. */
int change_repeated(struct batch *b, const struct guid *id, uint32_t user, struct delivery *ret, struct span *ret_ranges,
                    struct err *err);
int change_remember(struct batch *b, const struct guid *id, uint32_t user, const struct delivery *d, struct span ranges,
                    struct err *err);
/* Forgets a few requests that are older than the memory's days. Called once a batch. */
int change_prune_memory(struct batch *b, struct err *err);

#endif
