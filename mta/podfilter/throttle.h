/*
 * How many connections, and how many a minute, one client may have. In memory only: what a restart forgets is
 * a minute old. Time is an argument (monotonic milliseconds).
 *
 * Threads: any number at once.
 */
#ifndef POD_FILTER_THROTTLE_H
#define POD_FILTER_THROTTLE_H

#include "kv/kv.h"

struct throttle;

struct throttle_limits {
	double open;       /* connections at one time */
	double per_minute; /* new ones, as a bucket of that size that fills evenly */
};

enum throttle_answer { THROTTLE_PASS, THROTTLE_TOO_MANY, THROTTLE_TOO_FAST };

/* At most so many clients are known at a time; above that the longest idle one is forgotten. NULL: no memory.
 */
struct throttle *throttle_create(size_t clients_max);
struct throttle *throttle_free(struct throttle *t);
/* A connection begins. With THROTTLE_PASS, and only then, throttle_leave has to follow. */
enum throttle_answer throttle_enter(struct throttle *t, const struct key *client,
                                    const struct throttle_limits *limits, uint64_t now_ms);
void throttle_leave(struct throttle *t, const struct key *client);
size_t throttle_clients(struct throttle *t);

#endif
