/* The checks, each in a file of its own. Their order is that of checks.c. */
#ifndef POD_FILTER_CHECKS_H
#define POD_FILTER_CHECKS_H

#include "mta/podfilter/filter.h"

extern const struct check check_throttle, check_auth, check_dns_lists, check_greylist, check_content, check_clamd,
	check_reputation, check_source, check_sign, check_verdict;

/* Removes records that are over, visiting at most max from *from on (memory_walk). */
struct filter_conf;
struct key;
struct memory;
int greylist_prune(struct memory *m, const struct filter_conf *c, struct key *from, size_t max,
                   struct err *err);

#endif
