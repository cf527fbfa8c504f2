/*
 * Drills: something is broken on purpose, under load, and what it cost is measured: RTO, the time until mail
 * could be read and handed in again, and RPO, what had been acknowledged and is missing afterwards.
 */
#ifndef PODCTL_DRILL_DRILL_H
#define PODCTL_DRILL_DRILL_H

#include <jansson.h>

#include "podctl/cli.h"
#include "podctl/drill/check.h"

struct drill_options {
	const char *volume;               /* NULL: the pod's only replicated one */
	unsigned int per_second, seconds; /* of load, before the event and again after it */
	bool keep;                        /* the drill's users stay */
};

struct drill_result {
	char volume[64], mode[16], from[64], to[64];
	bool from_home;  /* from is where failback brings it to */
	int64_t started; /* seconds since 1970 */
	bool lag_known;
	uint64_t lag_bytes, lag_ms; /* of the standby, as reported before the event */
	size_t killed;              /* processes */
	struct ledger_sums sums;
	struct check_result after_failover, after_failback;
	/* Milliseconds from the event; -1: did not happen. */
	int64_t read_ms, accepted_ms, delivered_ms, promoted_ms, failback_ms;
};

/*
 * node-kill: kills the processes of a volume's primary with SIGKILL, promotes the standby, checks, fails
 * back, checks again. What it has measured is in *ret also where it fails half way. The drill's users are
 * removed.
 */
int drill_node_kill(struct cli *cli, const struct drill_options *o, struct drill_result *ret,
                    struct err *err);

/* Nothing that was acknowledged is missing or doubled. */
bool drill_is_good(const struct drill_result *d);
json_t *drill_json(const char *kind, const struct drill_options *o, const struct drill_result *d,
                   const struct err *err);
/* Kept in DIR/drills, for the list. Failing to is a remark. */
void drill_record(struct cli *cli, const json_t *result);

#endif
