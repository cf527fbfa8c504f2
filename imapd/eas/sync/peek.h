/* What there is to tell of a folder, without telling it: GetItemEstimate and Ping. Functions suspend. */
#ifndef POD_IMAPD_EAS_SYNC_PEEK_H
#define POD_IMAPD_EAS_SYNC_PEEK_H

#include "imapd/eas/sync/folders.h"
#include "imapd/eas/sync/states.h"

struct eas_peek {
	const struct eas_sync_folder *folder;
	const struct eas_state *stored; /* of the folder */
	struct span key;                /* empty: whatever the device has */
	/* Another FilterType and ConversationMode than those that it synchronizes with: */
	bool has_filter, has_mode;
	unsigned int filter, mode; /* mode: EAS_FILTER_CONVERSATIONS, or 0 */
};

enum eas_peeked {
	EAS_PEEKED,
	EAS_PEEK_NOT_PRIMED, /* it was never synchronized, or as another mailbox */
	EAS_PEEK_BAD_KEY,
};
struct eas_peek_result {
	enum eas_peeked how;
	uint64_t n; /* commands that the next Syncs would tell */
	/*
	 * There is something that cannot be the device's own doing. What a Sync or MoveItems of its does to
	 * the mailbox is to be seen for a moment before it is in the device's state; mail that has just come
	 * is not its.
	 */
	bool sure;
};
/* -POD_E_NOTFOUND: the folder is gone. */
int eas_peek_count(struct eas_request *rq, const struct eas_peek *p, struct eas_peek_result *ret_result,
                   struct err *err);

#endif
