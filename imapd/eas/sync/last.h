/*
 * The last Sync request of a device, kept so that an empty one means the same again, and a partial one the
 * rest of it (MS-ASCMD 2.2.1.21.1, 2.2.3.131). One value of the store. Pure.
 *
 * The key that is kept of a collection is the one that the next request is taken to have: after a whole
 * request, the new one of its answer, for whoever goes on with an empty request has read it. An empty
 * request, and what a partial one left out, changes nothing here: repeated, it gets the same answer again.
 */
#ifndef POD_IMAPD_EAS_SYNC_LAST_H
#define POD_IMAPD_EAS_SYNC_LAST_H

#include "base/buf.h"
#include "imapd/eas/sync/request.h"

/* out is failed where memory is out. */
void eas_sync_last_encode(const struct eas_sync_request *rq, struct buf *out);
/* -POD_E_CORRUPT, -POD_E_NOMEM. */
int eas_sync_last_decode(struct span bytes, struct arena *a, struct eas_sync_request *ret);
/* Adds to a partial request what it leaves out. -POD_E_NOMEM. */
int eas_sync_last_complete(struct eas_sync_request *rq, const struct eas_sync_request *last, struct arena *a);

#endif
