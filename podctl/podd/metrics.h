/* Numbers: podd's own counters, and the text that /metrics answers with. */
#ifndef PODCTL_PODD_METRICS_H
#define PODCTL_PODD_METRICS_H

#include "base/buf.h"
#include "podctl/podd/podd.h"

/* Everybody's counters and podd's: Prometheus text, exposition format 0.0.4. */
int metrics_print(struct podd *p, struct buf *out, struct err *err);
/* The part of it about replicated volumes. */
void metrics_print_replication(const struct podd *p, struct buf *out);

#endif
