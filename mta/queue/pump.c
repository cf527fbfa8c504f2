/* When something happens: one timer over the schedules and the deadlines. */
#include "mta/queue/internal.h"

#include "base/clock.h"
#include "base/log.h"

#define LOOK_MAX_MS 60000 /* the wall clock may jump: look at it now and then */

static void set_timer(struct queue *q, bool at_once)
{
	const struct agenda_entry *deadline = agenda_first(&q->deadlines);
	int64_t now = clock_wall_ms(), wake = now + LOOK_MAX_MS, wait;
	struct timeval tv;

	if (sched_wake_ms(&q->local) < wake)
		wake = sched_wake_ms(&q->local);
	if (sched_wake_ms(&q->remote) < wake)
		wake = sched_wake_ms(&q->remote);
	if (deadline && deadline->due_ms < wake)
		wake = deadline->due_ms;
	wait = at_once || wake < now ? 0 : wake - now;
	tv = (struct timeval){ wait / 1000, (wait % 1000) * 1000 };
	if (!q->draining && event_add(&q->timer, &tv) < 0)
		log_event(NULL, LOGL_ERROR, "queue.timer_failed");
}

static void meet_deadlines(struct queue *q, int64_t now_ms)
{
	struct agenda_entry *e;

	while ((e = agenda_first(&q->deadlines)) && e->due_ms <= now_ms) {
		struct queued *it = (struct queued *) e;

		/* The commit sets the next one; where it fails it is looked at again soon. */
		(void) agenda_set(&q->deadlines, e, now_ms + LOOK_MAX_MS);
		it->times_up = true;
		queue_commit(q, it);
	}
}

static void on_timer(evutil_socket_t fd, short what, void *queue)
{
	struct queue *q = queue;
	int64_t now = clock_wall_ms();
	struct unit *u;

	if (q->draining)
		return;
	meet_deadlines(q, now);
	while ((u = sched_next(&q->local, now)))
		queue_try_local(q, (struct work *) u);
	while ((u = sched_next(&q->remote, now)))
		queue_try_remote(q, (struct work *) u);
	set_timer(q, false);
}

void queue_pump_start(struct queue *q)
{
	(void) evtimer_assign(&q->timer, q->base, on_timer, q);
	set_timer(q, true);
}

void queue_pump_stop(struct queue *q)
{
	if (event_initialized(&q->timer))
		(void) event_del(&q->timer);
}

void queue_pump(struct queue *q)
{
	set_timer(q, true);
}

void queue_on_volume(void *queue, const char *volume, bool connected)
{
	struct queue *q = queue;
	struct lane *lane = connected ? sched_find_lane(&q->local, span_of(volume)) : NULL;

	if (!lane)
		return;
	sched_wake_lane(&q->local, lane, clock_wall_ms());
	queue_pump(q);
}

void queue_hurry(struct queue *q, struct queued *it)
{
	int64_t now = clock_wall_ms();

	for (struct work *w = it->works; w; w = w->next) {
		if (w->settling || w->unit.state == UNIT_RUNNING)
			continue;
		if (sched_set(queue_sched(q, w), &w->unit, now, now) == 0 && lane_is_asleep(w->unit.lane))
			sched_wake_lane(queue_sched(q, w), w->unit.lane, now);
	}
	queue_pump(q);
}

void queue_drain(struct queue *q)
{
	q->draining = true;
	queue_pump_stop(q);
}
