/*
 * One request to another program of the pod, over its unix socket: JSON over HTTP as our own API. HTTP/1.0 is
 * spoken, so that the answer is not chunked and ends with the connection. One thread.
 */
#ifndef PODCTL_PODD_PEER_LINK_H
#define PODCTL_PODD_PEER_LINK_H

#include <event2/event.h>

#include "base/err.h"
#include "base/span.h"

#define PEER_ANSWER_MAX (32u << 20)

struct peer_request {
	const char *who; /* for errors: "mta's queue"; a literal */
	const char *socket_path;
	const char *method, *target; /* "GET", "/queue", percent-encoded */
	struct span body;            /* may be empty */
	unsigned int timeout_s;
};

/* status: of HTTP, or -POD_E_*; body: of the answer, or words for the error. Valid during the call. */
typedef void peer_answer_fn(void *arg, int status, struct span body);

/* Calls answer exactly once, later, unless this fails. rq is read now only. */
int peer_ask(struct event_base *base, const struct peer_request *rq, peer_answer_fn *answer, void *arg,
             struct err *err);

/*
 * Cuts an HTTP/1.x answer: returns its status and leaves the body in *ret_body, or -POD_E_PROTOCOL where it
 * is none, or shorter than its Content-Length says.
 */
int peer_answer_parse(struct span in, struct span *ret_body);

#endif
