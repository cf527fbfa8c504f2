/*
 * Counters and gauges for Prometheus. Each process declares its metrics as one table and counts in a file
 * mapped shared (run/metrics/PROGRAM.SLOT), so that counting is one atomic add, a crash loses nothing, and
 * podd reads everybody's numbers without asking anybody.
 *
 * metric_open runs once, before threads and after fork; counting is thread-safe.
 */
#ifndef POD_BASE_METRIC_H
#define POD_BASE_METRIC_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum metric_type { METRIC_COUNTER, METRIC_GAUGE };

struct metric_item {
	enum metric_type type;
	const char *name; /* full Prometheus name, "podmail_mta_sessions_total"; may hold labels in braces */
	const char *help;
};

/*
 * Opens (or creates) the file at path for the items table, whose index is the metric's number from then on.
 * A file whose table differs is started anew. Where path is NULL the numbers live in private memory.
 */
int metric_open(const char *path, const struct metric_item *items, size_t n, struct err *err);

void metric_add(size_t item, int64_t delta);
void metric_set(size_t item, int64_t value);
int64_t metric_get(size_t item);

/*
 * Prometheus text (exposition format 0.0.4) of every file in dir: the same name in several files is summed,
 * for workers of one program. For podd. A damaged file is skipped.
 */
int metric_collect(const char *dir, struct buf *out, struct err *err);
/* The same, one call for each name with its sum, in no order. */
int metric_each(const char *dir, void (*fn)(void *arg, const char *name, int64_t value), void *arg, struct err *err);

#endif
