/*
 * A bell wakes one thread that waits in poll(2), beside its sockets. Ringing it again before it was heard
 * costs nothing. Who hears it silences it first and looks at what there is to do only then: so nothing that
 * was there when it rang is missed.
 */
#ifndef REPLICATOR_LINK_BELL_H
#define REPLICATOR_LINK_BELL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"

struct bell {
	int fd; /* readable while it rings; -1: none */
	atomic_bool rung;
};

int bell_init(struct bell *b, struct err *err);
void bell_done(struct bell *b);
/* Any thread, never waits. */
void bell_ring(struct bell *b);
/* The thread that waits. */
void bell_silence(struct bell *b);

#endif
