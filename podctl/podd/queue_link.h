/*
 * One request to mta's queue, over its unix socket: JSON over HTTP as our own API. HTTP/1.0 is spoken, so
 * that the answer is not chunked and ends with the connection. One thread.
 */
#ifndef PODCTL_PODD_QUEUE_LINK_H
#define PODCTL_PODD_QUEUE_LINK_H

#include <event2/event.h>

#include "base/err.h"
#include "base/span.h"

#define QUEUE_SOCKET_NAME "mta-queue.sock" /* in run_dir */
#define QUEUE_ANSWER_MAX  (32u << 20)
#define QUEUE_TIMEOUT_S   10

/* status: of HTTP, or -POD_E_*; body: of the answer, or words for the error. Valid during the call. */
typedef void queue_answer_fn(void *arg, int status, struct span body);

/* Calls answer exactly once, later, unless this fails. target: "/queue", percent-encoded. */
int queue_ask(struct event_base *base, const char *socket_path, const char *method, const char *target,
              queue_answer_fn *answer, void *arg, struct err *err);

/*
 * Cuts an HTTP/1.x answer: returns its status and leaves the body in *ret_body, or -POD_E_PROTOCOL where it
 * is none, or shorter than its Content-Length says.
 */
int queue_answer_parse(struct span in, struct span *ret_body);

#endif
