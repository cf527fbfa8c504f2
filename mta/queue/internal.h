/* What the files of the queue's process share. All on its loop's thread. */
#ifndef POD_MTA_QUEUE_INTERNAL_H
#define POD_MTA_QUEUE_INTERNAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "directory/directory.h"
#include "mta/queue/agenda.h"
#include "mta/queue/schedule.h"
#include "mta/queue/queue.h"
#include "mta/queue/shelf.h"
#include "storeproto/client.h"


/* A message in the queue. record is always what is durable; a change makes a copy, which replaces it. */
struct queued {
	struct agenda_entry due; /* on the agenda while it waits for an attempt; first: an entry is its item */
	TAILQ_ENTRY(queued) link;
	struct guid id;
	Queue__Item *record;
	bool busy; /* an attempt or a commit is under way */
	bool again; /* and another is wanted after it */
	char waits_for[64]; /* the volume that did not take it; "" several or none */
};

struct queue {
	struct event_base *base;
	const struct conf *conf;
	const char *hostname;
	struct shelf *shelf;
	struct directory *dir;
	struct store_pool *pool;
	struct agenda agenda;
	struct event due; /* the earliest attempt */
	TAILQ_HEAD(queued_list, queued) items;
	size_t n, busy;
	bool draining;
};

/* ---- items.c: what is there, and when it is tried ---- */

int queue_load(struct queue *q, struct err *err);
void queue_unload(struct queue *q);
struct queued *queue_find(struct queue *q, const struct guid *id);
/* Takes record. NULL where memory is out (the record is freed). */
struct queued *queue_add(struct queue *q, Queue__Item *record);
void queue_drop(struct queue *q, struct queued *it);
bool queue_has_state(const Queue__Item *item, Queue__State state);
/* Puts it on the agenda by its next_ms, or takes it off where it is busy or nobody waits for a volume. */
void queue_reconsider(struct queue *q, struct queued *it);
/* An attempt or change begins; it ends, and the next may begin. */
void queue_begin(struct queue *q, struct queued *it);
void queue_end(struct queue *q, struct queued *it);
/* Tries it now, or again after what is under way. */
void queue_hurry(struct queue *q, struct queued *it);
/* A volume is back: whatever waits for it is tried now. */
void queue_on_volume(void *queue, const char *volume, bool connected);
/* No more attempts begin. */
void queue_drain(struct queue *q);
/* A deep copy; NULL where memory is out. */
Queue__Item *queue_item_copy(const Queue__Item *item);
/* Replaces a string of a generated message. -POD_E_NOMEM. */
int queue_set_text(char **field, const char *text);

/* ---- attempt.c ---- */

/* Delivers what waits for volumes, then commits what came of it. */
void queue_attempt(struct queue *q, struct queued *it);

/* ---- settle.c: what follows from the states of recipients ---- */

struct settle {
	Queue__Item *next; /* the record as it is to be; owned by the caller */
	bool late; /* its sender is to hear that it waits */
	int body_fd; /* the message, for reports */
	/* of an item that is not in the queue yet; NULL for one that is */
	const Queue__Summary *summary;
	/* results, owned by the caller */
	bool stays; /* somebody still waits: next is kept; else it goes */
	Queue__Item *report; /* what the sender is told, a message of its own; NULL: nothing */
};

/*
 * Takes FAILED and DELIVERED recipients out of next and makes the change that stores what is left together
 * with the report on those gone, so that none is forgotten and none reported twice.
 */
int queue_settle(struct queue *q, struct settle *st, struct shelf_change **ret_change, struct err *err);

/* ---- submit.c, control.c: the sockets ---- */

struct queue_submit;
int queue_submit_serve(struct queue *q, int fd, struct queue_submit **ret_submit, struct err *err);
struct queue_submit *queue_submit_stop(struct queue_submit *s);

struct queue_control;
int queue_control_serve(struct queue *q, int fd, struct queue_control **ret_control, struct err *err);
struct queue_control *queue_control_stop(struct queue_control *c);

#endif
