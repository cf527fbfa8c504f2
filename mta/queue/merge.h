/*
 * What attempts and the passing of time make of a message's record. Pure: times are arguments, and what was
 * said is borrowed.
 */
#ifndef POD_MTA_QUEUE_MERGE_H
#define POD_MTA_QUEUE_MERGE_H

#include <stdbool.h>

#include "base/err.h"
#include "mta/queue/queue.pb-c.h"

/* What an attempt found out about one recipient. */
struct said {
	const char *address; /* and part: which recipient */
	uint32_t part;
	Queue__State state;                 /* WAITING, OUTBOUND: still */
	int code;                           /* POD_E_* of a volume, positive; 0 */
	unsigned int reply;                 /* of a remote server; 0: none */
	const char *status, *text, *remote; /* "" where there is none */
	int64_t next_ms; /* when it is tried again; 0: as soon as its destination is back */
};

struct merge_times {
	uint64_t lifetime_ms; /* from its arrival, or release, to its return */
	uint64_t warn_ms;     /* and to the warning that it is late; 0: never */
};

bool merge_is_open(const Queue__Recipient *r);
bool merge_has_state(const Queue__Item *item, Queue__State state);
bool merge_is_held(const Queue__Item *item);

/*
 * Writes what was said to the recipients it is about; fast where said is in the record's order. One that is
 * not open any more is left alone. -POD_E_NOMEM: words are missing, states are right.
 */
int merge_said(Queue__Item *item, const struct said *said, size_t n);

enum merge_late { MERGE_IN_TIME, MERGE_LATE, MERGE_BY_PASSED };

/*
 * What time does: a hold that is over ends, recipients whose life or DELIVERBY is over fail, unless busy()
 * says that an attempt at them is under way (NULL: none is). Returns whether the sender is to hear that the
 * others are late, and notes that he was.
 */
enum merge_late merge_time(Queue__Item *item, const struct merge_times *t, int64_t now_s,
                           bool (*busy)(void *arg, const Queue__Recipient *r), void *arg);
/* When its life is over. */
int64_t merge_end_s(const Queue__Item *item, const struct merge_times *t);
/* The next second at which merge_time does something. */
int64_t merge_deadline_s(const Queue__Item *item, const struct merge_times *t);

/* Replaces a string of a generated message. -POD_E_NOMEM. */
int queue_set_text(char **field, const char *text);

#endif
