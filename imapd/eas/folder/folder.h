/*
 * The folders of a user as devices see them: FolderSync and its kin (MS-ASCMD 2.2.1.2 to 2.2.1.5),
 * GetHierarchy. A folder's id is its mailbox's GUID, which stays the same when it is renamed, moved or found
 * again by a rebuild.
 */
#ifndef POD_IMAPD_EAS_FOLDER_FOLDER_H
#define POD_IMAPD_EAS_FOLDER_FOLDER_H

#include "imapd/eas/eas.h"

void eas_cmd_folder_sync(struct eas_request *rq);
void eas_cmd_folder_create(struct eas_request *rq);
void eas_cmd_folder_update(struct eas_request *rq);
void eas_cmd_folder_delete(struct eas_request *rq);
void eas_cmd_get_hierarchy(struct eas_request *rq);

/* Suspends. The mailbox of a folder's id, in the request's arena. -POD_E_NOTFOUND: there is none. */
int eas_folder_find(struct eas_request *rq, struct span id, const Podstore__Mailbox **ret_mailbox,
                    struct err *err);
/* The name of the state that says what the device has of a folder's items (imapd/eas/sync/). NULL where
 * memory is out. */
const char *eas_folder_state_name(struct eas_request *rq, const char *id);
/* Suspends. Whether there is something that the device's next FolderSync would tell: Ping's and Sync's status
 * 7 and 12. */
int eas_folder_changed(struct eas_request *rq, bool *ret_changed, struct err *err);

#endif
