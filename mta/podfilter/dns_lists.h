/* DNSBLs and DNSWLs (RFC 5782), filter.dns_lists. */
#ifndef POD_FILTER_DNS_LISTS_H
#define POD_FILTER_DNS_LISTS_H

#include "conf/filter.h"
#include "dns/dns.h"

/* Whether an address that a list answered with counts, by the list's codes. */
bool dns_list_counts(const struct filter_dns_list *list, const struct net_addr *answer);
/* 127.255.255.0/24: what lists answer to those whom they do not serve. Not an opinion about the client. */
bool dns_list_is_refusal(const struct net_addr *answer);

#endif
