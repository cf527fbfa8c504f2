/* What the configuration says of the TLS of a destination (outbound.tls, outbound.tls_domains). Pure. */
#ifndef POD_MTA_TLSPOLICY_WISH_H
#define POD_MTA_TLSPOLICY_WISH_H

#include "conf/outbound.h"
#include "mta/tlspolicy/demand.h"

/* An entry for the domain itself, else the longest one of ".DOMAIN" that it is under, else the one for all.
 */
enum tls_wish tls_wish_of(const struct outbound_conf *conf, const char *domain);

#endif
