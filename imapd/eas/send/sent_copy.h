/* The copy in the Sent folder. */
#ifndef POD_IMAPD_EAS_SEND_SENT_COPY_H
#define POD_IMAPD_EAS_SEND_SENT_COPY_H

#include "base/id.h"
#include "imapd/eas/eas.h"

/*
 * Suspends. Puts the message into the user's Sent folder, which is made where there is none. id: of the
 * delivery; the same again is the same copy. 0 or -POD_E_*.
 */
int sent_copy_put(struct eas_request *rq, const struct guid *id, struct span message, struct err *err);

#endif
