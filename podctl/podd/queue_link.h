/* One request to mta's queue (mta/queue/control.c). One thread. */
#ifndef PODCTL_PODD_QUEUE_LINK_H
#define PODCTL_PODD_QUEUE_LINK_H

#include "podctl/podd/peer_link.h"

#define QUEUE_SOCKET_NAME "mta-queue.sock" /* in run_dir */
#define QUEUE_TIMEOUT_S   10

/* As peer_ask. */
int queue_ask(struct event_base *base, const char *socket_path, const char *method, const char *target,
              peer_answer_fn *answer, void *arg, struct err *err);

#endif
