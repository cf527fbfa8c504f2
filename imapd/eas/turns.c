#include "imapd/eas/turns.h"

#include "base/fiber.h"

/* Those who may run now. From the loop: the fiber that made room has to end first. */
static void on_next(evutil_socket_t fd, short what, void *arg);

void turns_init(struct turns *ts, struct event_base *base)
{
	*ts = (struct turns){ .running = 0 };
	TAILQ_INIT(&ts->waiting);
	(void) evtimer_assign(&ts->next, base, on_next, ts);
}

void turns_done(struct turns *ts)
{
	(void) event_del(&ts->next);
}

/* In a fiber. */
static void run(void *arg)
{
	struct turn *t = arg;
	struct turns *ts = t->turns;

	t->ops->run(t);
	ts->running--;
	if (!TAILQ_EMPTY(&ts->waiting))
		event_active(&ts->next, EV_TIMEOUT, 0);
}

static void start(struct turns *ts, struct turn *t)
{
	t->turns = ts;
	ts->running++;
	if (fiber_start(run, t) == 0)
		return;
	ts->running--;
	t->ops->fail(t);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
	struct turns *ts = arg;
	struct turn *t;

	while (ts->running < TURNS_AT_ONCE && (t = TAILQ_FIRST(&ts->waiting))) {
		turn_give_up(t);
		start(ts, t);
	}
}

void turns_take(struct turns *ts, struct turn *t)
{
	if (t->waits)
		return;
	if (ts->running < TURNS_AT_ONCE && TAILQ_EMPTY(&ts->waiting)) {
		start(ts, t);
		return;
	}
	t->turns = ts;
	t->waits = true;
	ts->waiting_n++;
	TAILQ_INSERT_TAIL(&ts->waiting, t, entry);
}

bool turns_are_full(const struct turns *ts)
{
	return ts->waiting_n >= TURNS_WAITING;
}

void turn_give_up(struct turn *t)
{
	if (!t->waits)
		return;
	t->waits = false;
	t->turns->waiting_n--;
	TAILQ_REMOVE(&t->turns->waiting, t, entry);
}
