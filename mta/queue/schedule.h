/*
 * The schedule: which message goes to which destination next. Pure: it knows no sockets, no clock, no
 * messages; times are arguments, in milliseconds of one clock.
 *
 *   unit   one message to one destination: what an attempt is made at
 *   lane   a destination (a domain, or a volume of ours) with what was learned about it: how many attempts it
 * bears at once, how fast, and whether it is there at all flow   one sender's units that are ready in a lane
 *
 * Fairness: lanes take turns; in a lane higher ranks go first (every SCHED_LOW_TURN-th start is the lowest's,
 * so that none starves), and in a rank the flows take turns. A flow with more than SCHED_BULK units ready
 * counts as bulk, behind everybody who writes a letter. So neither a sender with 100,000 messages nor a
 * destination with as many delays another's.
 *
 * Adaptation: a lane starts with `initial` attempts at once. A success adds to that, up to `max`; a
 * destination that wants less halves it. One that is not there at all (SCHED_DOWN) sleeps as a whole, from
 * retry_min_ms doubling to retry_max_ms, and is then tried with one unit, whichever is first, until one
 * succeeds. Lanes that never succeeded, or failed last, have at most half of all places, so that dead
 * destinations do not keep the living waiting.
 *
 * Costs: every call is O(log n) in units and lanes; sched_wake_lane is O(n). A unit is sizeof(struct unit)
 * bytes.
 */
#ifndef POD_MTA_QUEUE_SCHEDULE_H
#define POD_MTA_QUEUE_SCHEDULE_H

#include <sys/queue.h>

#include "mta/queue/agenda.h"
#include "mta/queue/table.h"

#define SCHED_BULK       50
#define SCHED_LOW_TURN   10
#define SCHED_REASON_MAX 200

/* Lower goes first: MT-PRIORITY 9 is 0; those between are 9 minus it. */
#define SCHED_RANK_NORMAL 9
#define SCHED_RANK_BULK   10
#define SCHED_RANK_REPORT 11
#define SCHED_RANK_LOW    11 /* minus the priority, which is below 0 */

enum unit_state {
	UNIT_OFF,   /* nobody wants it tried */
	UNIT_LATER, /* on its own back-off */
	UNIT_READY, /* as soon as its lane has a place */
	UNIT_RUNNING,
};

struct flow;
struct lane;

/* Embedded in, or beside, what it is about; zeroed memory is a valid one, that is in no lane. */
struct unit {
	struct agenda_entry due; /* first: an entry of the agenda is its unit */
	TAILQ_ENTRY(unit) link;
	struct lane *lane;
	struct flow *flow; /* while it is ready */
	void *owner;       /* the caller's */
	uint64_t from;     /* whose it is: a hash of the sender or login; set before sched_add */
	uint32_t part;     /* the caller's */
	uint32_t epoch;    /* of the lane when it began to run */
	uint8_t state;     /* enum unit_state */
	uint8_t rank;      /* set before sched_add */
	bool unproven;     /* it runs in a place of the unproven */
};

/* What an attempt says about its destination. */
enum sched_outcome {
	SCHED_NOTHING, /* nothing: it was never asked, or what failed was ours */
	SCHED_OK,      /* it answered, whatever the answer was */
	SCHED_LESS,    /* it wants fewer at once */
	SCHED_SLOWER,  /* it wants fewer in a time */
	SCHED_DOWN,    /* it takes no connection, or none that we may use */
};

struct sched_options {
	unsigned int total;                  /* attempts under way at once */
	unsigned int initial, max;           /* in one lane */
	uint64_t retry_min_ms, retry_max_ms; /* sleep of a lane that is down */
};

struct lane {
	struct agenda_entry wake; /* while it sleeps; first: an entry of the agenda is its lane */
	struct table_entry entry;
	TAILQ_ENTRY(lane) link;   /* on a ring of those that may start something, or among the idle */
	struct lane_ring *ring;   /* the ring or list it is on; NULL: none */
	SLIST_HEAD(, tier) tiers; /* by rank */
	size_t units, ready, running;
	double limit;             /* attempts at once */
	unsigned int fails;       /* times it was down, since it last was not */
	unsigned int interval_ms; /* between two starts; 0: none */
	uint32_t epoch;           /* changes when it fails: attempts of before have no say */
	uint32_t starts;
	int64_t failed_ms;           /* when it last failed */
	bool proven;                 /* it worked once and did not fail since */
	char *reason;                /* of the last failure, for people; NULL: none */
	unsigned int recipients_max; /* the caller's: what it takes in one transaction; 0: not known */
	char name[];
};

TAILQ_HEAD(lane_ring, lane);

struct sched {
	struct sched_options o;
	struct table lanes, flows;
	struct agenda later;               /* units */
	struct agenda asleep;              /* lanes */
	struct lane_ring proven, unproven; /* those that may start something */
	struct lane_ring idle;             /* without units, kept for what was learned */
	size_t n_idle, running, running_unproven, units, ready;
	bool turn; /* which ring is asked first */
};

void sched_init(struct sched *s, const struct sched_options *o);
/* New limits; what runs goes on. */
void sched_set_options(struct sched *s, const struct sched_options *o);
/* All units are out of it. */
void sched_done(struct sched *s);

/* Finds or makes a lane. NULL where memory is out. It may go as soon as no unit is in it. */
struct lane *sched_lane(struct sched *s, struct span name);
struct lane *sched_find_lane(const struct sched *s, struct span name); /* NULL: none */

/* Puts a unit into a lane, off; its owner, part, rank and from are set. */
void sched_add(struct sched *s, struct unit *u, struct lane *lane);
/* Takes it out of its lane, whatever it does (that of one that runs has then no say). One in no lane is fine.
 */
void sched_remove(struct sched *s, struct unit *u);
/* To be tried at due_ms, or as soon after as its turn comes; it must not run. -POD_E_NOMEM: it is off. */
int sched_set(struct sched *s, struct unit *u, int64_t due_ms, int64_t now_ms);
/* Not to be tried; it must not run. */
void sched_stop(struct sched *s, struct unit *u);

/* The next to be tried, which runs from now on; NULL: nothing now. */
struct unit *sched_next(struct sched *s, int64_t now_ms);
/* When sched_next is worth a call, though nothing happens; INT64_MAX: never. */
int64_t sched_wake_ms(const struct sched *s);
/*
 * An attempt is over; the unit is off. reason: copied, for SCHED_LESS to SCHED_DOWN. random: any number.
 * Returns when the lane wakes up, where it sleeps because of this, else 0.
 */
int64_t sched_end(struct sched *s, struct unit *u, enum sched_outcome outcome, const char *reason,
                  int64_t now_ms, uint32_t random);
/* The destination is back, or somebody says so: what waits in the lane, or for it, is tried now. */
void sched_wake_lane(struct sched *s, struct lane *lane, int64_t now_ms);

/* The same for all lanes. */
void sched_wake_all(struct sched *s, int64_t now_ms);
/* Every lane, in no order; fn changes nothing. */
void sched_each_lane(const struct sched *s, void (*fn)(void *arg, const struct lane *lane), void *arg);

/* How many it may have under way now. */
unsigned int lane_places(const struct lane *lane);
/* Whether an attempt of it now waits for the lane, and not for its own time. */
bool lane_is_asleep(const struct lane *lane);

/* Milliseconds to wait before the next attempt, after attempts of them: doubling, with up to 10% taken off.
 */
uint64_t queue_backoff_ms(uint32_t attempts, uint64_t min_ms, uint64_t max_ms, uint32_t random);

#endif
