/*
 * Where mail for a domain would go now, and why: what a job finds out before it connects, written down
 * instead of done. All on the outbound process' thread.
 */
#ifndef POD_MTA_OUTBOUND_LOOK_H
#define POD_MTA_OUTBOUND_LOOK_H

#include <jansson.h>

#include "mta/outbound/internal.h"

struct look;

/*
 * answer is the callee's:
 *
 *   {"domain": "far.test", "by": "mx",          or "address" (there is no MX), "literal", "route"
 *    "route": {"host", "port", "tls", "login"}  where there is one; login: whether we log in
 *    "dnssec": true,                            whether DNSSEC proves the MX
 *    "sts": "enforce",                          the mode of an MTA-STS policy, where there is one
 *    "error": "words",                          where mail cannot go there, or not now; no hosts then
 *    "hosts": [{"host", "port", "addresses": [...], "use": true, "tls": "dane", "policy": "tlsa",
 *               "why": "words"}]}               use: whether mail goes there; why: why not
 *
 * NULL where memory is out.
 */
typedef void look_fn(void *arg, json_t *answer);

/* Calls back from the loop, never inside. NULL where memory is out. domain: as in an address, or a literal.
 */
struct look *look_start(struct outbound *o, const char *domain, look_fn *fn, void *arg);
/* No callback follows. NULL is fine; returns NULL. */
struct look *look_cancel(struct look *l);

#endif
