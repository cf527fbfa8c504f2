/*
 * Outbound: the processes of the mta that look up where mail goes, connect there, and speak SMTP. The queue's
 * process asks them, a job for each message and destination, and never sees a byte of a remote server but
 * what a result says in words.
 *
 * A job's way: mta/outbound/outbound.proto over a SOCK_SEQPACKET socket (wire.h), the body as a descriptor.
 * Each process has a socket of its own, and a destination always goes to the same one, so that open
 * connections are found again.
 *
 * At least once: a message whose last answer was lost is DEFERRED, and comes again.
 */
#ifndef POD_MTA_OUTBOUND_H
#define POD_MTA_OUTBOUND_H

#include <event2/event.h>

#include "base/err.h"
#include "conf/conf.h"
#include "mta/outbound/outbound.pb-c.h"

/* ---- the queue's end; all on base's thread ---- */

struct outbound_client;
struct outbound_call;

/* result has an outcome for each target of the job, and feedback; it is valid during the call. */
typedef void outbound_done_fn(void *arg, const Outbound__Result *result);

/* Connects when first used, and again where a process was restarted. conf: run_dir and how many there are. */
int outbound_client_create(struct event_base *base, const struct conf *conf,
                           struct outbound_client **ret_client, struct err *err);
/* No callback follows. NULL is fine; returns NULL. */
struct outbound_client *outbound_client_free(struct outbound_client *c);
/*
 * Starts a job. The body is these bytes, copied; or where body.p is NULL body_fd, read by offset from 0 and duplicated:
 * that file must not change any more. A small job travels in one packet with its bytes. The
 * answer comes out of the event loop, never from inside this call. A job that a process had when it died ends
 * DEFERRED with trouble LOCAL; one that no process has yet waits for it. NULL where memory or descriptors are
 * out; no callback then.
 */
struct outbound_call *outbound_send(struct outbound_client *c, const Outbound__Job *job, struct span body,
                                    int body_fd, outbound_done_fn *fn, void *arg);
/*
 * No callback follows; call is gone. What was not begun is not; a message whose end was sent is not called
 * back, and may be delivered. NULL is fine.
 */
void outbound_cancel(struct outbound_call *call);

/* ---- the process ---- */

struct outbound_options {
	const struct conf *conf;
	unsigned int index;
	int listen_fd; /* this process's; owned by the caller */
	int admin_fd;  /* of outbound_admin_listen, likewise; -1: none */
};

/* Opens the socket of process index in run_dir; by the parent. */
int outbound_listen(const struct conf *conf, unsigned int index, int *ret_fd, struct err *err);
/* The same for what podd asks of whichever of them is free (admin.h); podd/api_mail_route.c knows its name, too. */
#define OUTBOUND_ADMIN_SOCKET_NAME "mta-outbound.sock"
int outbound_admin_listen(const struct conf *conf, int *ret_fd, struct err *err);
/* Serves until SIGTERM. Returns the exit status. */
int outbound_run(const struct outbound_options *o);

#endif
