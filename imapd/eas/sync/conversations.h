/* ConversationMode: a list of a folder in which a conversation is within the filter as soon as one message of
 * it is. */
#ifndef POD_IMAPD_EAS_SYNC_CONVERSATIONS_H
#define POD_IMAPD_EAS_SYNC_CONVERSATIONS_H

#include "imapd/eas/sync/engine.h"
#include "imapd/eas/sync/folders.h"

/*
 * Lists all messages of the folder, whose cutoff is the listing's generation's, and ends the list. Suspends.
 * Reads every header that the index has: for folders that are synchronized with a filter, when something
 * changed in them.
 */
int eas_look_conversations(struct eas_request *rq, const struct eas_sync_folder *folder,
                           struct eas_listing *listing, size_t *ret_rows, struct err *err);

#endif
