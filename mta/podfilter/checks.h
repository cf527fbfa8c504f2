/* The checks, each in a file of its own. Their order is that of checks.c. */
#ifndef POD_FILTER_CHECKS_H
#define POD_FILTER_CHECKS_H

#include "mta/podfilter/filter.h"

extern const struct check check_verdict;

#endif
