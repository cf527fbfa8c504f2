/* The user's folders as a request needs them: asked for once, found by the id that the device knows. */
#ifndef POD_IMAPD_EAS_SYNC_FOLDERS_H
#define POD_IMAPD_EAS_SYNC_FOLDERS_H

#include "imapd/eas/item/item.h"

struct eas_request;

struct eas_sync_folder {
	struct eas_item_place place;
	uint32_t uidvalidity, messages;
	uint64_t modseq; /* highest, when it was asked */
};
struct eas_sync_folders {
	const Podstore__MailboxListReply *list;
};
/* Suspends. What the store said; all of it lives in the request's arena. */
int eas_sync_folders_load(struct eas_request *rq, struct eas_sync_folders *ret, struct err *err);
/* -POD_E_NOTFOUND: there is none; -POD_E_NOMEM. */
int eas_sync_folders_find(struct eas_request *rq, const struct eas_sync_folders *f, struct span id,
                          struct eas_sync_folder *ret);
/* The folder that deleted messages go to; -POD_E_NOTFOUND. */
int eas_sync_folders_trash(struct eas_request *rq, const struct eas_sync_folders *f,
                           struct eas_sync_folder *ret);

#endif
