/*
 * The queue's process, alone: the test hands messages to it as sessions do, and is the outbound process that it asks.
 * Everything lives in a folder of its own. A killed queue is started again on the same folder.
 */
#ifndef POD_TESTS_QUEUE_RIG_H
#define POD_TESTS_QUEUE_RIG_H

#include <event2/event.h>

#include "base/buf.h"
#include "base/id.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "mta/outbound/outbound.h"
#include "mta/queue/queue.h"

#define RIG_LIMIT_MS 60000 /* what a loaded machine may take */

struct rig {
	char dir[64], mail[96];
	const struct conf *conf;
	struct directory *d;
	struct srs *srs;
	struct event_base *base;
	struct queue_client *client;
	pid_t queue, volume;
	int outbound_fd, conn; /* listening; the queue's connection, -1: none yet */
	int watch; /* readable when the queue has done something */
	unsigned int taken, refused; /* submissions that were answered */
	const struct guid *again; /* the id of the next message, if it is to be one handed in before */
};

/* A job as the outbound process gets it. */
struct rig_job {
	uint64_t number;
	Outbound__Job *job;
	char body[4096]; /* the start of it */
};

/* options: more lines for the configuration's section mta. Alice (vol1) and the alias far@ (to ann@away.test) exist. */
struct rig *rig_open(const char *options);
void rig_close(struct rig *r);
void rig_start(struct rig *r);
void rig_stop(struct rig *r, int sig);

/* A recipient or message with nothing but these said; strings are borrowed. */
Queue__Recipient rig_recipient(const char *address);
Queue__Item rig_item(const char *sender);
/* Hands it over with a new id, and waits until it is durable. */
void rig_submit(struct rig *r, Queue__Item *item, Queue__Recipient *recipients, size_t n, const char *body);
/* One message from sender to address. */
void rig_send(struct rig *r, const char *sender, const char *address);

/* The next job, or false after wait_ms without one. */
bool rig_take(struct rig *r, unsigned int wait_ms, struct rig_job *ret_job);
/* There is one. */
struct rig_job rig_job(struct rig *r);
struct rig_outcome {
	Outbound__State state;
	unsigned int code;
	const char *enhanced, *text, *mta;
	Outbound__Trouble trouble;
	unsigned int recipients_max;
};
/* The same for all its targets; frees it. */
void rig_answer(struct rig *r, struct rig_job *job, const struct rig_outcome *o);
void rig_job_free(struct rig_job *job);

/* A request of the control socket: "GET /queue". The answer with its head. */
void rig_ask(struct rig *r, const char *request, struct buf *answer);
/* Until the answer contains text. */
void rig_wait_for(struct rig *r, const char *request, const char *text);
/* A message in alice's mailbox, as soon as there is one; it is taken out. */
void rig_mail(struct rig *r, struct buf *message);
bool rig_has_mail(const struct rig *r);

#endif
