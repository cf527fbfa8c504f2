#include <math.h>

#include "tally/tally_internal.h"

#define DOUBLINGS_MAX 30

/* Halved for each forget_ms that went by; whole halvings are enough. */
static void forget(struct tally_entry *e, const struct tally_patience *p, int64_t now_ms)
{
	int64_t gone = (now_ms - e->u.failures.last_ms) / p->forget_ms;

	if (!(e->u.failures.failures >= 0) || gone < 0 || gone > DOUBLINGS_MAX) {
		e->u.failures.failures = 0;
		gone = 0;
		e->u.failures.last_ms = now_ms;
	}
	e->u.failures.failures = ldexp(e->u.failures.failures, (int) -gone);
	e->u.failures.last_ms += gone * p->forget_ms;
}

static int64_t delay_ms(const struct tally_entry *e, const struct tally_patience *p)
{
	double over = e->u.failures.failures - p->free;
	double ms;

	if (over < 1)
		return 0;
	ms = ldexp(p->first_ms, over > DOUBLINGS_MAX ? DOUBLINGS_MAX : (int) over - 1);
	return ms < p->longest_ms ? (int64_t) ms : p->longest_ms;
}

static void keep(struct tally_entry *e, const struct tally_patience *p, int64_t now_ms)
{
	int64_t wait = delay_ms(e, p);

	e->u.failures.next_ms = now_ms + wait;
	e->expires_ms = now_ms + wait + (int64_t) p->forget_ms * (1 + ilogb(e->u.failures.failures + 1));
}

int tally_try(struct tally *t, const struct tally_key *k, const struct tally_patience *p, int64_t now_ms,
              uint32_t *ret_wait_ms)
{
	struct tally_entry *e = tally_lock(t, k, TALLY_FAILURES, false, now_ms);
	int64_t wait;

	if (!e)
		return 0;
	wait = e->u.failures.next_ms - now_ms;
	if (wait > p->longest_ms) /* the clock went back */
		wait = p->longest_ms;
	if (wait <= 0) {
		forget(e, p, now_ms);
		keep(e, p, now_ms);
	}
	tally_unlock(t, k);
	if (wait <= 0)
		return 0;
	*ret_wait_ms = (uint32_t) wait;
	return -POD_E_BUSY;
}

void tally_failed(struct tally *t, const struct tally_key *k, const struct tally_patience *p, int64_t now_ms)
{
	struct tally_entry *e = tally_lock(t, k, TALLY_FAILURES, true, now_ms);

	if (e->u.failures.last_ms == 0)
		e->u.failures.last_ms = now_ms;
	forget(e, p, now_ms);
	e->u.failures.failures += 1;
	keep(e, p, now_ms);
	tally_unlock(t, k);
}

void tally_clear(struct tally *t, const struct tally_key *k)
{
	struct tally_entry *e = tally_lock(t, k, TALLY_FAILURES, false, 0);

	if (!e)
		return;
	e->what = TALLY_FREE;
	tally_unlock(t, k);
}

void tally_mark(struct tally *t, const struct tally_key *k, int64_t until_ms)
{
	struct tally_entry *e = tally_lock(t, k, TALLY_MARK, true, 0);

	e->expires_ms = until_ms;
	tally_unlock(t, k);
}

bool tally_is_marked(struct tally *t, const struct tally_key *k, int64_t now_ms)
{
	struct tally_entry *e = tally_lock(t, k, TALLY_MARK, false, now_ms);
	bool marked = e && e->expires_ms > now_ms;

	if (e)
		tally_unlock(t, k);
	return marked;
}
