/* The table of checks. Findings of one are there for those below it; edits are made in this order. */
#include "mta/podfilter/filter.h"
#include "mta/podfilter/checks.h"

const struct check *const filter_checks[] = {
	&check_throttle,   &check_dns_lists, &check_greylist, /* asks what SPF said at MAIL */
	&check_reputation, &check_verdict,   NULL,
};
