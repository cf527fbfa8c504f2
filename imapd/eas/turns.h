/*
 * Whose turn it is: requests and devices that woke run in fibers, so many at a time; the others wait for one
 * to end, first come first served. When all of a worker's phones come back at once, nobody is sent away for
 * being the 257th. On the event loop's thread.
 */
#ifndef POD_IMAPD_EAS_TURNS_H
#define POD_IMAPD_EAS_TURNS_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/queue.h>

#define TURNS_AT_ONCE 256
#define TURNS_WAITING 8192 /* requests; who comes then is put off */

struct turn;
struct turn_ops {
	void (*run)(struct turn *t);  /* in a fiber of its own; t may be freed in it */
	void (*fail)(struct turn *t); /* no stack could be had for it: run does not come */
};

/* Embedded; ops is the caller's to set, the rest begins as zeros. */
struct turn {
	const struct turn_ops *ops;
	TAILQ_ENTRY(turn) entry;
	struct turns *turns;
	bool waits;
};

struct turns {
	TAILQ_HEAD(, turn) waiting;
	struct event next;
	unsigned int running, waiting_n;
};

void turns_init(struct turns *ts, struct event_base *base);
/* When nothing runs and nobody waits. */
void turns_done(struct turns *ts);
/* Runs it, now or when it is its turn. For one that waits already nothing happens. */
void turns_take(struct turns *ts, struct turn *t);
/* Whether so many wait that a new request is better put off. */
bool turns_are_full(const struct turns *ts);
/* It wants no turn any more; also for one that does not wait. */
void turn_give_up(struct turn *t);

#endif
