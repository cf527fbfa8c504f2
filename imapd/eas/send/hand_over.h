/* A composed message to the mta. */
#ifndef POD_IMAPD_EAS_SEND_HAND_OVER_H
#define POD_IMAPD_EAS_SEND_HAND_OVER_H

#include "imapd/eas/send/send.h"

/* Suspends until the mta has answered. */
enum send_status send_hand_over(struct eas_request *rq, const struct composed *c, const struct guid *id);

#endif
