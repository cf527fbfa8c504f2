/*
 * The end of the process that SIGTERM (or SIGINT) asks for. nbdkit ends when its last client has hung up,
 * which a mounted file system does not do. Where that takes too long the process ends all the same: what was
 * written so far is committed and made durable here, nothing more is acknowledged, and clients that connect
 * again find it.
 *
 * Threads: one of its own. The functions here are for nbdkit's main thread, one call each.
 */
#ifndef REPLICATOR_PLUGIN_ENDING_H
#define REPLICATOR_PLUGIN_ENDING_H

#include "replicator/plugin/replica.h"

/* After nbdkit has set its signals, which go on to do what they did. */
int ending_start(struct replica *r, struct err *err);
/* nbdkit has come to its end by itself: the replica is closed next. Without ending_start: nothing. */
void ending_stop(void);

#endif
