/* What there is to tell of a folder, without telling it: GetItemEstimate and Ping. Functions suspend. */
#ifndef POD_IMAPD_EAS_SYNC_PEEK_H
#define POD_IMAPD_EAS_SYNC_PEEK_H

#include "imapd/eas/sync/folders.h"
#include "imapd/eas/sync/states.h"

struct eas_peek {
	const struct eas_sync_folder *folder;
	const struct eas_state *stored; /* of the folder */
	struct span key;                /* empty: whatever the device has */
	bool has_filter;                /* another than the one it synchronizes with: */
	unsigned int filter;
};

enum eas_peeked {
	EAS_PEEKED,
	EAS_PEEK_NOT_PRIMED, /* it was never synchronized, or as another mailbox */
	EAS_PEEK_BAD_KEY,
};
/* *ret_n: how many commands the next Syncs would tell. -POD_E_NOTFOUND: the folder is gone. */
int eas_peek_count(struct eas_request *rq, const struct eas_peek *p, enum eas_peeked *ret_how,
                   uint64_t *ret_n, struct err *err);

#endif
