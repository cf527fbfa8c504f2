/* The TLSA records of one mail server (RFC 7672 2.2): under which of its names they are, and whether they can
 * be believed. */
#ifndef POD_MTA_TLSPOLICY_TLSA_H
#define POD_MTA_TLSPOLICY_TLSA_H

#include "dns/dns.h"
#include "mta/tlspolicy/demand.h"

struct tlsa_lookup;

/* tlsa is valid during the callback, which comes from the loop. */
typedef void tlsa_fn(void *arg, const struct tls_tlsa *tlsa);

/* host is copied. -POD_E_NOMEM. */
int tlsa_find(struct dns *dns, const struct tls_host *host, tlsa_fn *fn, void *arg,
              struct tlsa_lookup **ret_lookup, struct err *err);
struct tlsa_lookup *tlsa_cancel(struct tlsa_lookup *l);

/* Whether there is anything to ask: without a proven MX and proven addresses or alias there is no DANE. */
bool tlsa_may_be(const struct tls_host *host);

#endif
