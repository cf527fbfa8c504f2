/* What the files of the schedule share. */
#ifndef POD_MTA_QUEUE_SCHEDULE_INTERNAL_H
#define POD_MTA_QUEUE_SCHEDULE_INTERNAL_H

#include "mta/queue/schedule.h"

/* The flows of one rank in a lane. It is there while it has any. */
struct tier {
	SLIST_ENTRY(tier) link;
	uint8_t rank;
	TAILQ_HEAD(, flow) flows; /* whose turn it is first */
};

struct flow {
	struct table_entry entry;
	TAILQ_ENTRY(flow) link;
	struct lane *lane;
	struct tier *tier;
	uint64_t from;
	uint8_t rank; /* of its units; the tier's may be that of bulk */
	size_t n;
	TAILQ_HEAD(, unit) units;
};

/* ---- flow.c: what is ready in a lane ---- */

/* -POD_E_NOMEM. */
int flow_put(struct sched *s, struct unit *u);
void flow_take(struct sched *s, struct unit *u);
/* The unit whose turn it is; the lane has one ready. It is taken out. */
struct unit *flow_pick(struct sched *s, struct lane *lane);

/* ---- lane.c: what is known about a destination ---- */

/* Onto the ring it belongs to now, at its end, or off. */
void lane_place(struct sched *s, struct lane *lane);
/* Asleep until then; one that sleeps longer goes on. */
void lane_sleep(struct sched *s, struct lane *lane, int64_t until_ms);
void lane_learn(struct sched *s, struct lane *lane, const struct unit *u, enum sched_outcome outcome,
                const char *reason, int64_t now_ms, uint32_t random);
void lane_free(struct sched *s, struct lane *lane);

#endif
