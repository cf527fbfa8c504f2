#include "podctl/podd/metrics.h"

#include <limits.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/metric.h"

/* Children's names are ours: letters, digits, ':' and '-', nothing that a label would have to escape. */
static void print_children(const struct podd *p, struct buf *out)
{
	const struct child *c;

	buf_add_str(out, "# HELP podmail_podd_child_up 1 while the process is ready\n"
	                 "# TYPE podmail_podd_child_up gauge\n");
	for (size_t i = 0; (c = children_get(p->children, i)); i++)
		buf_printf(out, "podmail_podd_child_up{child=\"%s\"} %d\n", c->name, c->state == CHILD_READY);
	buf_add_str(out, "# HELP podmail_podd_child_restarts_total Restarts since podd started\n"
	                 "# TYPE podmail_podd_child_restarts_total counter\n");
	for (size_t i = 0; (c = children_get(p->children, i)); i++)
		buf_printf(out, "podmail_podd_child_restarts_total{child=\"%s\"} %u\n", c->name, c->restarts);
}

int metrics_print(struct podd *p, struct buf *out, struct err *err)
{
	char dir[PATH_MAX];
	int r;

	(void) snprintf(dir, sizeof(dir), "%s/metrics", p->conf->pod.run_dir);
	r = metric_collect(dir, out, err);
	if (r < 0)
		return r;
	buf_printf(out,
	           "# HELP podmail_podd_uptime_seconds Time since podd started\n"
	           "# TYPE podmail_podd_uptime_seconds gauge\n"
	           "podmail_podd_uptime_seconds %llu\n",
	           (unsigned long long) (clock_mono_ms() - p->started_ms) / 1000);
	print_children(p, out);
	metrics_print_replication(p, out);
	return out->failed ? err_set(err, POD_E_NOMEM, "metrics") : 0;
}
