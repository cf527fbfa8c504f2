/* Answering with a message's bytes: inline, as a descriptor, or in pieces. For a reader's thread. */
#ifndef POD_STORE_BODY_OPEN_H
#define POD_STORE_BODY_OPEN_H

#include "store/service/service_internal.h"

/* Opens what the task's message asks for; run once for a task, also where it is parked in between. */
typedef int body_opener_fn(struct task *t, int *ret_fd, uint64_t *ret_size, struct span *ret_parts);
void body_open_answer(struct task *t, body_opener_fn *open);

#endif
