/*
 * What is counted of each milter: rows of a process' metrics table behind its own. The table is made when the
 * process starts; a milter that a reload brings is counted from the next start on.
 */
#ifndef POD_MTA_MILTER_COUNTERS_H
#define POD_MTA_MILTER_COUNTERS_H

#include "base/arena.h"
#include "base/metric.h"
#include "conf/conf.h"

enum milter_counter {
	MILTER_COUNT_QUESTIONS,
	MILTER_COUNT_MICROSECONDS, /* of waiting for their answers */
	MILTER_COUNT_REFUSALS,
	MILTER_COUNT_DISCARDS,
	MILTER_COUNT_FAILURES,
	MILTER_COUNTERS
};

#define MILTER_NOT_COUNTED SIZE_MAX

/* Who is counted, in the order of the rows. */
struct milter_counted {
	const char **names;
	size_t n;
	size_t first; /* the first row */
};

/* The milters of a configuration, each name once, and own (may be NULL). In a; -POD_E_NOMEM. */
int milter_counted_make(struct arena *a, const struct mta_conf *conf, const char *own, size_t first,
                        struct milter_counted *ret_counted);
/* The program's own rows, counted->first of them, and those of the milters behind. In a; NULL where memory is
 * out. */
const struct metric_item *milter_counted_rows(struct arena *a, const struct metric_item *rows,
                                              const struct milter_counted *counted, size_t *ret_n);
/* The first row of a milter, to which an enum milter_counter is added; MILTER_NOT_COUNTED. counted may be
 * NULL. */
size_t milter_counted_find(const struct milter_counted *counted, const char *name);
/* row: of milter_counted_find. */
void milter_count(size_t row, enum milter_counter which, int64_t n);

#endif
