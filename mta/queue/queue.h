/*
 * The queue: messages that were accepted and cannot be delivered now. One process of the mta owns it; what it
 * has taken over is durable before it says so. Sessions hand messages to it over a unix socket, with the body
 * as a descriptor; podd looks into it and acts on it over another (control.c).
 *
 * On disk, under queue_dir: journal/ (two files, where a change becomes durable first), and, a few seconds behind it,
 * index/ (LMDB: items and MIME summaries) and messages/ID, one file per message (a large one from the start). What is in
 * neither journal nor index is not in the queue: a file alone is left over from a crash.
 */
#ifndef POD_MTA_QUEUE_H
#define POD_MTA_QUEUE_H

#include <event2/event.h>

#include "base/err.h"
#include "base/span.h"
#include "conf/conf.h"
#include "mta/queue/queue.pb-c.h"
#include "mta/srs/srs.h"
#include "net/tls.h"

/* ---- the sessions' end ---- */

struct queue_client;
struct queue_call;

/* code 0: it is durable. Else -POD_E_* and words; -POD_E_TIMEOUT, -POD_E_UNAVAILABLE: it may be or not. */
typedef void queue_done_fn(void *arg, int code, const char *text);

/* Connects when first used, and again when the queue's process was restarted. path: copied. */
int queue_client_create(struct event_base *base, const char *path, unsigned int timeout_ms,
                        struct queue_client **ret_client, struct err *err);
/* No callback follows. NULL is fine; returns NULL. */
struct queue_client *queue_client_free(struct queue_client *c);
/*
 * Hands a message over: body_fd from its start, duplicated. The item's id makes a repetition harmless.
 * Recipients that are FAILED or DELIVERED are those its sender is to be told of. NULL where memory or
 * descriptors are out; no callback then.
 */
struct queue_call *queue_submit(struct queue_client *c, const Queue__Submission *submission, int body_fd,
                                queue_done_fn *fn, void *arg);
/* The same with the body in memory, copied: a small one travels in one packet with its envelope. */
struct queue_call *queue_submit_bytes(struct queue_client *c, const Queue__Submission *submission, struct span body,
                                      queue_done_fn *fn, void *arg);
void queue_submit_cancel(struct queue_call *call); /* NULL is fine */

/* A summary as it travels, pointing into the parsed one. */
struct mime_summary;
void queue_summary_set(Queue__Summary *ret_summary, const struct mime_summary *from);

/* ---- the process ---- */

struct queue_options {
	const struct conf *conf;
	const char *hostname;
	struct tls_context *store_tls; /* for volumes on other hosts; NULL: local ones only */
	const struct srs *srs; /* for forwarded mail; NULL: it keeps its sender; the caller's */
	int submit_fd; /* listening, SOCK_SEQPACKET; owned */
	int control_fd;                /* listening; owned */
};

/* Makes queue_dir and what is in it; run by the parent, before privileges go. owner: a user name, ""
 * nobody's. */
int queue_prepare(const char *queue_dir, const char *owner, struct err *err);
/* Opens the sockets in run_dir. */
int queue_listen(const struct conf *conf, int *ret_submit_fd, int *ret_control_fd, struct err *err);
/* Where sessions find the queue; buf holds a socket path. */
char *queue_submit_path(const struct conf *conf, char *buf, size_t size);
/* Serves until SIGTERM. Returns the exit status. */
int queue_run(const struct queue_options *o);

#endif
