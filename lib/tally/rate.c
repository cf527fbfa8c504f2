/*
 * A rate is kept as two counters, of this period and the one before, which is taken to have been used evenly:
 * what is left of it in the window that ends now is the part of it that the window still covers.
 */
#include "tally/tally_internal.h"

struct window {
	int64_t period_ms, number, into_ms;
};

static struct window window_at(struct tally_rate rate, int64_t now_ms)
{
	int64_t period_ms = (int64_t) rate.period_s * 1000;

	return (struct window){ period_ms, now_ms / period_ms, now_ms % period_ms };
}

/* Makes the entry be of the period that is now. */
static void turn(struct tally_entry *e, struct window w, int64_t now_ms)
{
	if (e->u.rate.window != w.number) {
		e->u.rate.before = e->u.rate.window == w.number - 1 ? e->u.rate.now : 0;
		e->u.rate.now = 0;
		e->u.rate.window = w.number;
	}
	e->expires_ms = now_ms - w.into_ms + 2 * w.period_ms;
}

static uint64_t used(const struct tally_entry *e, struct window w)
{
	uint64_t period = (uint64_t) w.period_ms;
	uint64_t left = (uint64_t) e->u.rate.before * (period - (uint64_t) w.into_ms);

	return e->u.rate.now + (left + period - 1) / period;
}

/* Milliseconds of a period until of `before` no more than `room` is left. */
static int64_t until_faded(uint32_t before, uint64_t room, int64_t period_ms)
{
	if (before <= room)
		return 0;
	return period_ms - (int64_t) (room * (uint64_t) period_ms / before);
}

static uint32_t wait_s(const struct tally_entry *e, struct window w, uint32_t limit, uint32_t n)
{
	uint64_t now = e->u.rate.now;
	int64_t ms;

	if (n > limit)
		return (uint32_t) (2 * w.period_ms / 1000); /* never; say something */
	if (now + n <= limit)
		ms = until_faded(e->u.rate.before, limit - now - n, w.period_ms) - w.into_ms;
	else
		ms = w.period_ms - w.into_ms + until_faded((uint32_t) now, limit - n, w.period_ms);
	return ms <= 0 ? 1 : (uint32_t) (ms / 1000 + 1);
}

int tally_take(struct tally *t, const struct tally_key *k, struct tally_rate rate, uint32_t n, int64_t now_ms,
               uint32_t *ret_wait_s)
{
	struct window w = window_at(rate, now_ms);
	struct tally_entry *e = tally_lock(t, k, TALLY_RATE, true, now_ms);
	int r = 0;

	turn(e, w, now_ms);
	if (used(e, w) + n > rate.limit) {
		*ret_wait_s = wait_s(e, w, rate.limit, n);
		r = -POD_E_LIMIT;
	} else {
		e->u.rate.now += n;
	}
	tally_unlock(t, k);
	return r;
}

void tally_give_back(struct tally *t, const struct tally_key *k, struct tally_rate rate, uint32_t n,
                     int64_t now_ms)
{
	struct tally_entry *e = tally_lock(t, k, TALLY_RATE, false, now_ms);

	if (!e)
		return;
	turn(e, window_at(rate, now_ms), now_ms);
	if (e->u.rate.now >= n)
		e->u.rate.now -= n;
	else if (e->u.rate.before >= n)
		e->u.rate.before -= n; /* the period turned meanwhile */
	tally_unlock(t, k);
}
