/* What the files of an outbound process share. All on its loop's thread. */
#ifndef POD_MTA_OUTBOUND_INTERNAL_H
#define POD_MTA_OUTBOUND_INTERNAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "dns/dns.h"
#include "http/http.h"
#include "mta/outbound/memory.h"
#include "mta/outbound/outbound.h"
#include "mta/outbound/pool.h"
#include "mta/outbound/routes.h"
#include "mta/tlspolicy/tlspolicy.h"

struct outbound_queue;
struct job;

struct outbound {
	struct event_base *base;
	const struct conf *conf;
	struct outbound_queue *queue;
	struct dns *dns;
	struct tlspolicy *policy;
	struct http_client *http; /* to podfilter */
	struct routes *routes; /* NULL: none */
	struct memory *memory;
	struct pool *pool;
	struct net_addr source_ipv4, source_ipv6; /* len 0: the kernel's choice */
	size_t jobs;                              /* under way */
	size_t connections;
	bool draining;
};

/* ---- queue_end.c: the socket on which jobs come ---- */

int outbound_queue_serve(struct outbound *o, int listen_fd, struct outbound_queue **ret_queue,
                         struct err *err);
struct outbound_queue *outbound_queue_stop(struct outbound_queue *q); /* cancels what is under way */
/* No more jobs are taken. */
void outbound_queue_pause(struct outbound_queue *q);

/* ---- job.c ---- */

/* result is the caller's to read during the call; the job is gone behind it. */
typedef void job_done_fn(void *arg, const Outbound__Result *result);

/* Takes the record and body_fd, which is -1 where the body is these bytes, copied. Calls back from the loop, never inside. NULL where memory is out. */
struct job *job_start(struct outbound *o, Outbound__Job *record, struct span body, int body_fd, job_done_fn *fn,
                      void *arg);
/* No callback follows. */
void job_cancel(struct job *j);

#endif
