/* Messages copied from one mailbox of a user to another, by hard link: COPY, MOVE, and RENAME of INBOX. */
#ifndef POD_STORE_INDEX_COPYING_H
#define POD_STORE_INDEX_COPYING_H

#include "store/index/message.h"

int copying_check_quota(const struct user_state *u, const struct picks *p, struct err *err);
/*
 * Names all files, then writes all rows; flags, keywords by name, dates and guid are kept (RFC 3501 6.4.7). Uids in a:
 * *ret_source in the order of *ret_dest.
 */
int copying_all(struct batch *b, struct user_state *u, struct mailbox_state *source, struct mailbox_state *target,
                const struct picks *p, struct arena *a, struct uid_ranges *ret_source, struct uid_ranges *ret_dest,
                struct err *err);

#endif
