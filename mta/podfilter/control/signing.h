/*
 * Signatures for messages of the pod's own (delivery reports, reports on TLS), which no user submits and no
 * milter sees: the mta's outbound processes ask for them as they send. HTTP on a unix socket of a thread of
 * its own; only the mta's user, ours and root are answered.
 *
 *   POST /sign with the message     200 and the fields to be put in front of it, each with its CRLF; an empty
 *                                   answer where no domain it could be of has a key; else words
 */
#ifndef POD_FILTER_CONTROL_SIGNING_H
#define POD_FILTER_CONTROL_SIGNING_H

#include "conf/conf.h"
#include "mta/podfilter/auth/mailauth.h"

struct signing;

/* auth outlives it; conf is looked at during the call only. */
int signing_start(const struct mailauth *auth, const struct conf *conf, struct signing **ret_signing,
                  struct err *err);
/* Waits for the one under way. NULL is fine; returns NULL. */
struct signing *signing_stop(struct signing *s);

#endif
