/* The table of checks. Findings of one are there for those below it; edits are made in this order. */
#include "mta/podfilter/filter.h"
#include "mta/podfilter/checks.h"

const struct check *const filter_checks[] = {
	&check_throttle,
	&check_auth, /* at MAIL it asks SPF */
	&check_dns_lists,
	&check_greylist, /* asks what SPF said */
	&check_content,
	&check_clamd,
	&check_reputation,
	&check_source,
	&check_sign,
	&check_verdict,
	NULL,
};
