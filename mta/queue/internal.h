/*
 * What the files of the queue's process share. All on its loop's thread.
 *
 *   items.c    which messages there are, and the works each has: one for each destination
 *   pump.c     starts what the schedules say, sets the one timer
 *   local.c    an attempt at a volume      remote.c  an attempt through the outbound processes
 *   merge.c    what attempts and times make of a record; pure
 *   commit.c   makes that durable, one change of an item after the other
 *   settle.c   the reports that go with it
 */
#ifndef POD_MTA_QUEUE_INTERNAL_H
#define POD_MTA_QUEUE_INTERNAL_H

#include <event2/event_struct.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "directory/directory.h"
#include "mta/outbound/outbound.h"
#include "mta/queue/agenda.h"
#include "mta/queue/merge.h"
#include "mta/queue/queue.h"
#include "mta/queue/schedule.h"
#include "mta/queue/shelf.h"
#include "mta/safetynet/safetynet.h"
#include "storeproto/client.h"

struct queue;
struct queued;

/* A message's recipients of one destination (and part): what the schedule knows as a unit. */
struct work {
	struct unit unit; /* first: a unit is its work; owner is the item */
	struct work *next;
	bool local;    /* in the schedule of volumes */
	bool settling; /* its attempt is over, and is being written down */
};

/* What was found out about a work's recipients, until it is written down. Owned by the item's list, then the
 * commit. */
struct attempt {
	LIST_ENTRY(attempt) all; /* on the queue's list */
	struct attempt *next;    /* on the item's */
	struct queue *q;
	struct queued *it;
	struct work *work;
	struct arena *arena; /* of all that follows */
	int body_fd;
	Queue__Summary *summary;
	struct deliver_mailbox *mailboxes; /* of a volume */
	struct safetynet_watch safety;     /* of a volume, as it was when it was asked */
	struct deliver_call *deliver_call;
	struct outbound_call *outbound_call;
	const Queue__Recipient *first; /* of a job; in the record, while that is asked for */
	struct said *said;             /* for each of its recipients, in the record's order */
	size_t n, cap;
	bool moved; /* recipients of it live elsewhere now: the item's works are looked up anew */
};

/* What somebody wants changed of an item. Freed after done. */
struct wish {
	struct wish *next;
	void (*apply)(struct wish *w, struct queue *q, Queue__Item *next);
	/* r: 0, or why it is not done. it is NULL where it left the queue. */
	void (*done)(struct wish *w, struct queued *it, int r, const struct err *err);
	struct evhttp_request *rq; /* who asked */
	Queue__HoldReason reason;
	int64_t until_s;
	char *text;
};

/* A message in the queue: small, for there may be a million. Its record is on the shelf. */
struct queued {
	struct agenda_entry deadline; /* when time alone changes something; first: an entry is its item */
	struct table_entry entry;     /* by id */
	struct guid id;
	uint64_t trace; /* in binary, for looking it up; 0: not of our making */
	struct work *works;
	struct attempt *attempts; /* over, not written down */
	struct wish *wishes;
	Queue__Item *record;     /* what is durable, while users hold it; else NULL */
	uint32_t users;          /* attempts and the commit under way */
	const Queue__Item *next; /* what that commit makes of record; NULL: there is none under way */
	bool committing;
	bool times_up; /* a deadline passed while it was committing */
	bool held;
};

struct queue {
	struct event_base *base;
	const struct conf *conf;
	const char *hostname;
	const struct srs *srs; /* NULL: senders stay as they are */
	struct shelf *shelf;
	struct directory *dir;
	struct store_pool *pool;
	struct outbound_client *outbound;
	struct queue_client *own; /* to this very queue: what its deliveries are answered with */
	struct sched local, remote;
	struct agenda deadlines;
	struct table items;
	struct event timer;
	LIST_HEAD(, attempt) attempts; /* under way, or not written down */
	LIST_HEAD(, commit) commits;   /* under way */
	size_t busy;                   /* how many there are on both */
	bool draining;
};

/* ---- items.c ---- */

int queue_load(struct queue *q, struct err *err);
void queue_unload(struct queue *q);
struct queued *queue_find(struct queue *q, const struct guid *id);
/* By the trace id, which is what people have in their hands. */
struct queued *queue_find_trace(struct queue *q, struct span trace);
/* record is durable; it is borrowed, and put in order (queue_item_sort). NULL where memory is out. */
struct queued *queue_add(struct queue *q, Queue__Item *record);
void queue_drop(struct queue *q, struct queued *it);
/* Finds or makes the works of its open recipients; those that are off are scheduled. -POD_E_NOMEM. */
int queue_place(struct queue *q, struct queued *it, Queue__Item *record);
/* Takes out works that neither run nor are settled. */
void queue_unplace(struct queue *q, struct queued *it);
void queue_work_drop(struct queue *q, struct queued *it, struct work *w);
struct sched *queue_sched(struct queue *q, const struct work *w);
size_t queue_count_waiting(const struct queue *q); /* messages that are not held */
bool queue_is_busy(const struct queued *it);       /* an attempt or a commit is under way */
/* The record, held until queue_let_go. */
int queue_hold_record(struct queue *q, struct queued *it, struct err *err);
void queue_let_go(struct queued *it);
/* Sets the deadline by the record. */
void queue_set_deadline(struct queue *q, struct queued *it, const Queue__Item *record);
/* The domain of an address: what is behind the last "@". */
struct span queue_domain_of(const char *address);
/* Recipients of one way side by side. */
void queue_item_sort(Queue__Item *item);
/* The same, and parts for remote ones: before a new item is written. */
void queue_item_set_parts(Queue__Item *item);
void queue_set_limits(struct queue *q);
struct merge_times queue_times(const struct queue *q);

/* ---- pump.c ---- */

void queue_pump_start(struct queue *q);
void queue_pump_stop(struct queue *q);
/* Something may be due: the timer is set, or what is due starts from the loop. */
void queue_pump(struct queue *q);
/* A volume is back: what waits for it is tried now. */
void queue_on_volume(void *queue, const char *volume, bool connected);
/* Its works are tried as soon as their lanes have a place, asleep or not. */
void queue_hurry(struct queue *q, struct queued *it);
/* No more attempts begin. */
void queue_drain(struct queue *q);

/* ---- local.c, remote.c ---- */

void queue_try_local(struct queue *q, struct work *w);
void queue_try_remote(struct queue *q, struct work *w);
/* Common: a new attempt, which counts as busy and holds the record. NULL: there is none, the work is
 * postponed. */
struct attempt *queue_attempt_begin(struct queue *q, struct work *w);
/* A recipient it is about; NULL where memory is out. */
struct said *queue_attempt_add(struct attempt *at, const Queue__Recipient *r);
/* It is over: feedback goes to the lane, what was said to the commit. */
void queue_attempt_end(struct attempt *at, enum sched_outcome outcome, const char *reason);
/* It came to nothing for a reason of ours: nothing is written, the work is tried again later. */
void queue_attempt_fail(struct attempt *at, const struct err *err);
void queue_attempt_free(struct attempt *at);

/* ---- commit.c ---- */

/* Forgets those under way, whose done will never be called. */
void queue_commits_drop(struct queue *q);
/* Writes down what attempts, wishes and time have changed; at once, or when the commit under way is done. */
void queue_commit(struct queue *q, struct queued *it);
/* Whether the commit under way ends it for the record's i-th recipient, who is not to be tried any more then.
 */
bool queue_is_closing(const struct queued *it, size_t i);
/* Takes w; its done follows. */
void queue_wish(struct queue *q, struct queued *it, struct wish *w);
/* A deep copy; NULL where memory is out. */
Queue__Item *queue_item_copy(const Queue__Item *item);

/* ---- settle.c: what follows from the states of recipients ---- */

struct settle {
	Queue__Item *next;    /* the record as it is to be; owned by the caller */
	enum merge_late late; /* its sender is to hear that it waits */
	int body_fd;          /* the message; -1: opened where it is needed, */
	struct span body;     /* or these bytes; p NULL: none */
	/* of an item that is not in the queue yet; NULL for one that is */
	const Queue__Summary *summary;
	bool again; /* it may have been there, and left: it is to be delivered once more all the same */
	/* results, owned by the caller */
	bool stays;          /* somebody still waits: next is kept; else it goes */
	Queue__Item *report; /* what the sender is told, a message of its own; NULL: nothing */
};

/*
 * Takes recipients that are over out of next and makes the change that stores what is left together
 * with the report on those gone, so that none is forgotten and none reported twice.
 */
int queue_settle(struct queue *q, struct settle *st, struct shelf_change **ret_change, struct err *err);

/* ---- safety.c: messages that a standby may not have yet ---- */

struct queue_safety;
int queue_safety_start(struct queue *q, struct queue_safety **ret_safety, struct err *err);
struct queue_safety *queue_safety_stop(struct queue_safety *s);
/* Before a volume is given anything; nothing is watched where the safety net is off. */
struct safetynet_watch queue_safety_watch(struct queue *q, struct arena *a, const char *volume);
/* Keeps what an attempt has just delivered to its volume, where a standby may lack it. */
void queue_safety_keep(const struct attempt *at);

/* ---- submit.c, control.c: the sockets ---- */

struct queue_submit;
int queue_submit_serve(struct queue *q, int fd, struct queue_submit **ret_submit, struct err *err);
struct queue_submit *queue_submit_stop(struct queue_submit *s);

struct queue_control;
int queue_control_serve(struct queue *q, int fd, struct queue_control **ret_control, struct err *err);
struct queue_control *queue_control_stop(struct queue_control *c);

#endif
