/*
 * A draft that a device changed is another message, of which the device hears with the answer to its Change.
 * Where that answer is lost, or the device goes on by the old name for a moment, it is known what became of
 * it: the names are kept with the ClientIds of the answer (state/collection.h).
 */
#ifndef POD_IMAPD_EAS_SYNC_REPLACED_H
#define POD_IMAPD_EAS_SYNC_REPLACED_H

#include "imapd/eas/sync/sync.h"

struct eas_replaced {
	uint32_t uid;  /* what is in its place; 0: it is itself */
	bool repeated; /* by a request that was these same bytes */
};

struct eas_replaced eas_replaced_find(const struct eas_sync_part *part, uint32_t uid);
/* This request put now_uid in the place of uid. -POD_E_NOMEM. */
int eas_replaced_remember(struct eas_sync_part *part, uint32_t uid, uint32_t now_uid);

#endif
