/*
 * Requests that outlive the connection they were sent on. Several are in flight at once; when the server goes
 * away they wait, and are sent again to the next one (attach.h says why that is right). Knows libnbd, and not
 * where requests come from.
 *
 * One thread owns it: the one that waits for requests_fd() and calls requests_on_ready() and
 * requests_on_time(). Nothing is allocated here after requests_init; libnbd allocates a small record for each
 * request.
 */
#ifndef POD_REPLICATOR_ATTACH_REQUESTS_H
#define POD_REPLICATOR_ATTACH_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replicator/attach/attach.h"

enum request_op { REQUEST_READ, REQUEST_WRITE, REQUEST_FLUSH, REQUEST_ZERO, REQUEST_ZERO_ALLOCATED };
enum request_state { REQUEST_IDLE, REQUEST_QUEUED, REQUEST_SENT, REQUEST_ANSWERED };

/* Embedded by the caller, who fills op, offset, length and data and keeps them until `done`. */
struct request {
	enum request_op op;
	uint64_t offset, length;
	char *data; /* read into, or written from */

	/* What follows is this module's. */
	enum request_state state;
	uint64_t sent_bytes; /* of a ZERO too long for one request */
	int error;           /* an errno value */
	struct requests *owner;
	struct request *next; /* in owner->waiting, or owner->answered */
};

struct request_list {
	struct request *first, **last;
};

struct requests {
	const struct attach_options *options;
	/* Called once for each request that was submitted, with an errno value or 0. It may submit again. */
	void (*done)(void *arg, struct request *rq, int error);
	void *arg;

	struct nbd_handle *nbd; /* NULL: there is no server */
	uint64_t size_bytes;
	struct request_list waiting;   /* for a server, or for the end of draining */
	struct request_list in_flight; /* sent, in that order */
	struct request_list answered;
	bool draining;        /* nothing more is sent on this connection; when all is answered, it ends */
	bool failed;          /* given up: all requests fail */
	uint64_t lost_ms;     /* since when there is no server */
	uint64_t retry_ms;    /* when to look for one */
	uint64_t progress_ms; /* when an answer came last, or the first of those that wait was submitted */
	uint64_t give_up_ms;  /* how long to wait without progress; 0: for ever */
	unsigned int resent;  /* since the connection ended */
	int refusal;          /* why there was no connection at the last attempt */
};

/* Takes nbd, a connection as export_connect makes it, and owns it from now on. */
void requests_init(struct requests *rs, const struct attach_options *o, struct nbd_handle *nbd,
                   uint64_t size_bytes, void (*done)(void *arg, struct request *rq, int error), void *arg);
/* Ends the connection. Requests that wait are forgotten: `done` is not called. */
void requests_done(struct requests *rs);

void requests_submit(struct requests *rs, struct request *rq);
/* Some were submitted and are not done. */
bool requests_any_wait(const struct requests *rs);

/* What to poll for: the descriptor, or -1, and POLLIN | POLLOUT; and for how long at most (-1: without
 * limit). */
int requests_fd(const struct requests *rs, short *ret_events);
int requests_wait_ms(const struct requests *rs, uint64_t now_ms);
void requests_on_ready(struct requests *rs, short revents);
/* Looks for a server where there is none; gives up where that was asked for. */
void requests_on_time(struct requests *rs, uint64_t now_ms);

/*
 * Moves to a new connection, on which the export has its new size, once all that was sent is answered.
 * Reached when size_bytes has changed.
 */
void requests_renew(struct requests *rs);
/* All requests fail from now on. */
void requests_fail(struct requests *rs, const char *why);

#endif
