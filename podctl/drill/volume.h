/* What a drill asks of podd about its volume: where it is, its processes, orders and their end. */
#ifndef PODCTL_DRILL_VOLUME_H
#define PODCTL_DRILL_VOLUME_H

#include <jansson.h>

#include "podctl/cli.h"
#include "podctl/drill/drill.h"

/* The volume meant, its sites, its mode and the standby's lag; -POD_E_UNSUPPORTED: it is not ready for a
 * drill. */
int drill_volume_find(struct cli *cli, const struct drill_options *o, struct drill_result *ret);
/* The same of the drill's volume as it is now, ready or not. */
int drill_volume_look(struct cli *cli, struct drill_result *d);
/* SIGKILL to replicator, mount and store of the primary. */
int drill_volume_kill(struct cli *cli, struct drill_result *d);
/*
 * An order ("failover" with max_loss, "failback") and its end. ended_ms: when (monotonic). Until it has ended
 * drill_asked_to_stop() ends the wait with -POD_E_CANCELLED; the order goes on in podd.
 */
int drill_volume_order(struct cli *cli, const char *volume, const char *order, json_t *body,
                       uint64_t *ret_ended_ms);
/* Waits until the volume is served, and its standby is in sync again. */
int drill_volume_settle(struct cli *cli, const char *volume);

/* After SIGINT or SIGTERM, once drill_catch_signals was called. */
void drill_catch_signals(void);
bool drill_asked_to_stop(void);
void drill_pause_ms(unsigned int ms);

#endif
