/* How destinations and routes are known to the TLS policies. */
#ifndef POD_MTA_OUTBOUND_KNOWN_AS_H
#define POD_MTA_OUTBOUND_KNOWN_AS_H

#include "base/arena.h"
#include "mta/outbound/routes.h"
#include "mta/tlspolicy/demand.h"

/* An address literal without its brackets, in a; any other name as it is. NULL where memory is out. */
const char *known_as(struct arena *a, const char *name);
/* What a route's tls= means. */
enum tls_wish known_as_wish(const struct route *r);

#endif
