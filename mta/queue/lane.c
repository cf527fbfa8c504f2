/* What is known about a destination, and what that lets it do. */
#include <stdlib.h>
#include <string.h>

#include "mta/queue/schedule_internal.h"

#define INTERVAL_FIRST_MS 1000 /* between two starts, once it asked for less in a time */
#define INTERVAL_MAX_MS   60000
#define INTERVAL_MIN_MS   20 /* below this it is not worth the keeping */
#define IDLE_MAX          20000

unsigned int lane_places(const struct lane *lane)
{
	return lane->fails ? 1 : (unsigned int) lane->limit;
}

bool lane_is_asleep(const struct lane *lane)
{
	return lane->wake.place != 0;
}

static void leave_ring(struct sched *s, struct lane *lane)
{
	if (!lane->ring)
		return;
	TAILQ_REMOVE(lane->ring, lane, link);
	if (lane->ring == &s->idle)
		s->n_idle--;
	lane->ring = NULL;
}

void lane_free(struct sched *s, struct lane *lane)
{
	leave_ring(s, lane);
	agenda_remove(&s->asleep, &lane->wake);
	table_remove(&s->lanes, &lane->entry);
	free(lane->reason);
	free(lane);
}

static struct lane_ring *ring_of(struct sched *s, const struct lane *lane)
{
	if (!lane->units)
		return &s->idle;
	if (!lane->ready || lane_is_asleep(lane) || lane->running >= lane_places(lane))
		return NULL;
	return lane->proven ? &s->proven : &s->unproven;
}

void lane_place(struct sched *s, struct lane *lane)
{
	leave_ring(s, lane);
	lane->ring = ring_of(s, lane);
	if (!lane->ring)
		return;
	TAILQ_INSERT_TAIL(lane->ring, lane, link);
	if (lane->ring == &s->idle && ++s->n_idle > IDLE_MAX)
		lane_free(s, TAILQ_FIRST(&s->idle));
}

void lane_sleep(struct sched *s, struct lane *lane, int64_t until_ms)
{
	if (lane_is_asleep(lane) && lane->wake.due_ms >= until_ms)
		return;
	/* Without memory for a place on the agenda it stays awake, and is asked too early. */
	if (agenda_set(&s->asleep, &lane->wake, until_ms) < 0)
		return;
	lane_place(s, lane);
}

static void take_reason(struct lane *lane, const char *reason, int64_t now_ms)
{
	char *copy = strndup(reason ? reason : "", SCHED_REASON_MAX);

	lane->failed_ms = now_ms;
	if (!copy)
		return;
	free(lane->reason);
	lane->reason = copy;
}

static void is_well(struct sched *s, struct lane *lane)
{
	if (lane->fails) {
		lane->limit = s->o.initial;
		agenda_remove(&s->asleep, &lane->wake);
	}
	lane->fails = 0;
	lane->proven = true;
	lane->limit += 1 / lane->limit;
	if (lane->limit > s->o.max)
		lane->limit = s->o.max;
	lane->interval_ms -= lane->interval_ms / 10;
	if (lane->interval_ms < INTERVAL_MIN_MS)
		lane->interval_ms = 0;
	free(lane->reason);
	lane->reason = NULL;
}

static void is_down(struct sched *s, struct lane *lane, int64_t now_ms, uint32_t random)
{
	lane->fails++;
	lane->proven = false;
	lane->limit = s->o.initial;
	lane_sleep(s, lane,
	           now_ms + (int64_t) queue_backoff_ms(lane->fails, s->o.retry_min_ms, s->o.retry_max_ms,
	                                               random));
}

static void is_slower(struct lane *lane)
{
	lane->interval_ms = lane->interval_ms ? 2 * lane->interval_ms : INTERVAL_FIRST_MS;
	if (lane->interval_ms > INTERVAL_MAX_MS)
		lane->interval_ms = INTERVAL_MAX_MS;
}

void lane_learn(struct sched *s, struct lane *lane, const struct unit *u, enum sched_outcome outcome,
                const char *reason, int64_t now_ms, uint32_t random)
{
	if (outcome == SCHED_NOTHING)
		return;
	if (outcome == SCHED_OK) {
		is_well(s, lane);
		return;
	}
	take_reason(lane, reason, now_ms);
	/* Attempts that were under way together fail together, and count once. */
	if (u->epoch != lane->epoch)
		return;
	lane->epoch++;
	if (outcome == SCHED_SLOWER)
		is_slower(lane);
	if (outcome == SCHED_DOWN || lane_places(lane) == 1)
		is_down(s, lane, now_ms, random); /* fewer than one is none */
	else
		lane->limit = lane->limit / 2 < 1 ? 1 : lane->limit / 2;
}
