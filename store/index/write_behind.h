/*
 * What the writer leaves to be done without hurry: messages move from staging/ to their folder, files get names that
 * say their flags, expunged ones go, deleted folders are emptied. A row in `pending` stays until that is done and
 * durable: the rows dealt with are cleared in a commit whose syncfs came after the renames.
 */
#ifndef POD_STORE_INDEX_WRITE_BEHIND_H
#define POD_STORE_INDEX_WRITE_BEHIND_H

#include <stdbool.h>
#include <stdint.h>

struct volume;

/* A row of `pending` that was dealt with: the file is in place under a name that says these flags, or gone. */
struct cleared {
	uint32_t mailbox, uid, flags;
	bool gone;
};

/* Whether write-behind has named the message's file and not yet reported it, and with which flags. Any thread. */
bool write_behind_flags(struct volume *vol, uint32_t mailbox, uint32_t uid, uint32_t *ret_flags);

#endif
