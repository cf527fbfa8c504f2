/* What clients do to messages by their uids, for Sync and MoveItems. Functions suspend. */
#ifndef POD_IMAPD_EAS_SYNC_CLIENT_H
#define POD_IMAPD_EAS_SYNC_CLIENT_H

#include "imapd/eas/sync/folders.h"

#define EAS_CLIENT_ID_MAX 64u

/*
 * Deletes messages: into the folder for deleted ones with as_moves, unless they are there already; else for
 * good. Those that are no more are passed over. What the store said.
 */
int eas_client_delete(struct eas_request *rq, struct arena *a, const struct eas_sync_folders *folders,
                      const struct eas_sync_folder *from, bool as_moves, const uint32_t *uids, size_t n,
                      struct err *err);

/*
 * Moves a message. The same move again has the same result as long as the store remembers it.
 * -POD_E_NOTFOUND: it is not there.
 */
int eas_client_move(struct eas_request *rq, const struct eas_sync_folder *from, uint32_t uid,
                    const struct eas_sync_folder *to, uint32_t *ret_uid, struct err *err);

#endif
