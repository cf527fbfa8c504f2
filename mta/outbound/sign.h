/*
 * Signing what the pod itself sends: podfilter, which has the keys, is asked for the fields that go in front
 * (mta/podfilter/control/signing.h). It dies and is started again in less than a second, so it is asked a few
 * times; then the message goes out as it is: without a signature it is worth less, not nothing.
 */
#ifndef POD_MTA_OUTBOUND_SIGN_H
#define POD_MTA_OUTBOUND_SIGN_H

#include "mta/outbound/body.h"
#include "mta/outbound/internal.h"

struct sign_call;

/* fields are valid during the call; empty where nobody signs. */
typedef void sign_fn(void *arg, struct span fields);

/* The message stays until the answer, which comes from the loop. NULL where memory is out. */
struct sign_call *sign_start(struct outbound *o, const char *trace, struct span message, sign_fn *fn,
                             void *arg);
/* No callback follows. NULL is fine; returns NULL. */
struct sign_call *sign_cancel(struct sign_call *c);

#endif
