/*
 * Lessons: that a user moved a message into Junk, or out of it, for whoever learns from that (podfilter).
 * Rows "lesson/" and a number in the index's meta table, written in the commit of the move itself, so they
 * cost no flush of their own. They are no promise: only the last LESSONS_MAX are kept, and a rebuilt index
 * has none.
 */
#ifndef POD_STORE_INDEX_LESSONS_H
#define POD_STORE_INDEX_LESSONS_H

#include "store/index/batch.h"
#include "store/index/message.h"

#define LESSONS_MAX 10000

/*
 * Writer's thread: n messages, of uids first_uid and on in target, came from source. A lesson where one of
 * both is the Junk mailbox, but not where Junk is emptied into Trash.
 */
int lessons_note(struct batch *b, const struct mailbox_state *source, const struct mailbox_state *target,
                 uint32_t first_uid, size_t n, struct err *err);

#endif
