/* What the lists said about a connection's client; false before its first MAIL. */
#ifndef POD_FILTER_CHECK_DNS_LISTS_H
#define POD_FILTER_CHECK_DNS_LISTS_H

#include "mta/podfilter/filter.h"

bool dns_lists_bad(const struct session *s);
bool dns_lists_good(const struct session *s);

#endif
