#include "mta/queue/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mta/queue/schedule_internal.h"

static struct lane *lane_of_entry(const struct table_entry *e)
{
	return (struct lane *) ((uintptr_t) e - offsetof(struct lane, entry));
}

static bool is_lane(const struct table_entry *e, const void *name)
{
	return span_eq_nocase(span_of(lane_of_entry(e)->name), *(const struct span *) name);
}

void sched_init(struct sched *s, const struct sched_options *o)
{
	*s = (struct sched){ .o = *o };
	TAILQ_INIT(&s->proven);
	TAILQ_INIT(&s->unproven);
	TAILQ_INIT(&s->idle);
}

static void limit_lane(void *sched, struct table_entry *e)
{
	struct sched *s = sched;
	struct lane *lane = lane_of_entry(e);

	if (lane->limit > s->o.max)
		lane->limit = s->o.max;
}

void sched_set_options(struct sched *s, const struct sched_options *o)
{
	s->o = *o;
	table_each(&s->lanes, limit_lane, s);
}

static void free_lane(void *sched, struct table_entry *e)
{
	lane_free(sched, lane_of_entry(e));
}

void sched_done(struct sched *s)
{
	table_each(&s->lanes, free_lane, s);
	table_done(&s->lanes);
	table_done(&s->flows);
	agenda_done(&s->later);
	agenda_done(&s->asleep);
}

struct lane *sched_find_lane(const struct sched *s, struct span name)
{
	struct table_entry *e = table_find(&s->lanes, table_hash(name), is_lane, &name);

	return e ? lane_of_entry(e) : NULL;
}

struct lane *sched_lane(struct sched *s, struct span name)
{
	struct lane *lane = sched_find_lane(s, name);

	if (lane)
		return lane;
	lane = calloc(1, sizeof(*lane) + name.len + 1);
	if (!lane || table_add(&s->lanes, &lane->entry, table_hash(name)) < 0) {
		free(lane);
		return NULL;
	}
	memcpy(lane->name, name.p, name.len);
	lane->limit = s->o.initial;
	SLIST_INIT(&lane->tiers);
	return lane;
}

void sched_add(struct sched *s, struct unit *u, struct lane *lane)
{
	u->lane = lane;
	u->state = UNIT_OFF;
	lane->units++;
	s->units++;
	lane_place(s, lane);
}

static void leave_place(struct sched *s, struct unit *u)
{
	u->lane->running--;
	s->running--;
	s->running_unproven -= u->unproven;
	u->unproven = false;
	u->state = UNIT_OFF;
}

void sched_stop(struct sched *s, struct unit *u)
{
	if (u->state == UNIT_LATER)
		agenda_remove(&s->later, &u->due);
	else if (u->state == UNIT_READY)
		flow_take(s, u);
	u->state = UNIT_OFF;
	if (u->lane)
		lane_place(s, u->lane);
}

void sched_remove(struct sched *s, struct unit *u)
{
	struct lane *lane = u->lane;

	if (!lane)
		return;
	if (u->state == UNIT_RUNNING)
		leave_place(s, u);
	sched_stop(s, u);
	u->lane = NULL;
	lane->units--;
	s->units--;
	lane_place(s, lane);
}

static int make_ready(struct sched *s, struct unit *u)
{
	int r = flow_put(s, u);

	u->state = r < 0 ? UNIT_OFF : UNIT_READY;
	if (r == 0 && !u->lane->ring)
		lane_place(s, u->lane);
	return r;
}

int sched_set(struct sched *s, struct unit *u, int64_t due_ms, int64_t now_ms)
{
	int r;

	if (u->state == UNIT_READY && due_ms <= now_ms)
		return 0; /* it keeps its place in the row */
	sched_stop(s, u);
	if (due_ms <= now_ms)
		return make_ready(s, u);
	r = agenda_set(&s->later, &u->due, due_ms);
	if (r == 0)
		u->state = UNIT_LATER;
	return r;
}

static void wake_lanes(struct sched *s, int64_t now_ms)
{
	struct agenda_entry *e;

	while ((e = agenda_first(&s->asleep)) && e->due_ms <= now_ms) {
		agenda_remove(&s->asleep, e);
		lane_place(s, (struct lane *) e);
	}
}

static void ripen(struct sched *s, int64_t now_ms)
{
	struct agenda_entry *e;

	while ((e = agenda_first(&s->later)) && e->due_ms <= now_ms) {
		struct unit *u = (struct unit *) e;

		agenda_remove(&s->later, e);
		if (make_ready(s, u) == 0)
			continue;
		/* Without memory for its flow: a little later. There is room on the agenda, it was there. */
		if (agenda_set(&s->later, e, now_ms + 1000) == 0)
			u->state = UNIT_LATER;
	}
}

static struct lane *next_lane(struct sched *s)
{
	struct lane *unproven = s->running_unproven < (s->o.total + 1) / 2 ? TAILQ_FIRST(&s->unproven) : NULL;
	struct lane *proven = TAILQ_FIRST(&s->proven);

	s->turn = !s->turn;
	return (s->turn && unproven) || !proven ? unproven : proven;
}

struct unit *sched_next(struct sched *s, int64_t now_ms)
{
	struct lane *lane;
	struct unit *u;

	wake_lanes(s, now_ms);
	ripen(s, now_ms);
	lane = s->running < s->o.total ? next_lane(s) : NULL;
	if (!lane)
		return NULL;
	u = flow_pick(s, lane);
	u->state = UNIT_RUNNING;
	u->epoch = lane->epoch;
	u->unproven = !lane->proven;
	s->running_unproven += u->unproven;
	s->running++;
	lane->running++;
	if (lane->interval_ms)
		lane_sleep(s, lane, now_ms + lane->interval_ms);
	lane_place(s, lane);
	return u;
}

static int64_t due_of(const struct agenda *a)
{
	const struct agenda_entry *e = agenda_first(a);

	return e ? e->due_ms : INT64_MAX;
}

int64_t sched_wake_ms(const struct sched *s)
{
	int64_t later = due_of(&s->later), asleep = due_of(&s->asleep);

	return later < asleep ? later : asleep;
}

int64_t sched_end(struct sched *s, struct unit *u, enum sched_outcome outcome, const char *reason,
                  int64_t now_ms, uint32_t random)
{
	struct lane *lane = u->lane;

	leave_place(s, u);
	lane_learn(s, lane, u, outcome, reason, now_ms, random);
	lane_place(s, lane);
	return outcome > SCHED_OK && lane_is_asleep(lane) ? lane->wake.due_ms : 0;
}

/* Units of the lane (NULL: of all) become due; the heap stays one, for they all move towards its head. */
static void hasten(struct sched *s, const struct lane *lane, int64_t now_ms)
{
	for (size_t i = 1; i <= s->later.n; i++) {
		struct unit *u = (struct unit *) s->later.heap[i];

		if ((!lane || u->lane == lane) && u->due.due_ms > now_ms)
			(void) agenda_set(&s->later, &u->due, now_ms);
	}
	ripen(s, now_ms);
}

void sched_wake_lane(struct sched *s, struct lane *lane, int64_t now_ms)
{
	agenda_remove(&s->asleep, &lane->wake);
	lane->interval_ms = 0;
	hasten(s, lane, now_ms);
	lane_place(s, lane);
}

void sched_wake_all(struct sched *s, int64_t now_ms)
{
	wake_lanes(s, INT64_MAX);
	hasten(s, NULL, now_ms);
}

struct each_lane {
	void (*fn)(void *arg, const struct lane *lane);
	void *arg;
};

static void give_lane(void *arg, struct table_entry *e)
{
	const struct each_lane *each = arg;

	each->fn(each->arg, lane_of_entry(e));
}

void sched_each_lane(const struct sched *s, void (*fn)(void *arg, const struct lane *lane), void *arg)
{
	struct each_lane each = { fn, arg };

	table_each(&s->lanes, give_lane, &each);
}
