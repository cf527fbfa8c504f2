/*
 * A file system held still for a moment, so that a snapshot of its device needs no journal. It is held by a process of
 * its own, which lets go when it is told to, when its time is over, and when podd is gone: whatever happens to podd, no
 * file system stays frozen. One thread.
 */
#ifndef PODCTL_PODD_FREEZE_H
#define PODCTL_PODD_FREEZE_H

#include <event2/event.h>
#include <stdbool.h>

#include "base/err.h"

struct freeze;

/*
 * Freezes the file system mounted at dir, for limit_ms at most. on_frozen is called once, later: whether it is still
 * now (it may not be to be had, or not within limit_ms). In either case freeze_end ends it.
 */
typedef void freeze_fn(void *arg, bool frozen);
int freeze_begin(struct event_base *base, const char *dir, unsigned int limit_ms, freeze_fn *on_frozen, void *arg,
                 struct freeze **ret_freeze, struct err *err);
/* Lets go, and returns whether it was still without a gap up to now. NULL is fine: false. */
bool freeze_end(struct freeze *f);

#endif
