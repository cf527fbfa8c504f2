/*
 * What the safety net keeps becomes durable: a thread that flushes the file system it is on when it is told
 * that there is something new. One flush for all that came meanwhile; whoever keeps a message does not wait
 * for it.
 */
#ifndef POD_MTA_QUEUE_SAFETY_FLUSH_H
#define POD_MTA_QUEUE_SAFETY_FLUSH_H

#include "base/err.h"

struct safety_flush;

/* queue_dir: copied. */
int safety_flush_start(const char *queue_dir, struct safety_flush **ret_flush, struct err *err);
/* There is something new; at once. */
void safety_flush_want(struct safety_flush *f);
/* Waits for the flush under way; what is wanted still is done first. NULL is fine; returns NULL. */
struct safety_flush *safety_flush_stop(struct safety_flush *f);

#endif
