/*
 * A level is counted by each process for itself, under a key that has the process' generation in it. Whoever
 * takes a slot over makes a new generation: what the one before counted is then nobody's and fades away.
 */
#include "base/id.h"
#include "tally/tally_internal.h"

#define KEEP_MS (24 * 3600 * INT64_C(1000)) /* beyond any connection */

static struct tally_key in_slot(const struct tally_key *k, uint64_t generation)
{
	return (struct tally_key){ { k->h[0] ^ generation, k->h[1] } };
}

void tally_take_slot(struct tally *t, unsigned int slot)
{
	uint64_t generation;

	t->slot = slot % TALLY_SLOTS;
	random_bytes(&generation, sizeof(generation));
	__atomic_store_n(&t->head->generations[t->slot], generation | 1, __ATOMIC_RELAXED);
}

static uint32_t level_in(struct tally *t, const struct tally_key *k, uint64_t generation, int64_t now_ms)
{
	struct tally_key own = in_slot(k, generation);
	struct tally_entry *e = tally_lock(t, &own, TALLY_LEVEL, false, now_ms);
	uint32_t n = e && e->expires_ms > now_ms ? e->u.level.n : 0;

	if (e)
		tally_unlock(t, &own);
	return n;
}

static uint64_t level_of_others(struct tally *t, const struct tally_key *k, int64_t now_ms)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < TALLY_SLOTS; i++) {
		uint64_t generation = __atomic_load_n(&t->head->generations[i], __ATOMIC_RELAXED);

		if (generation && i != t->slot)
			n += level_in(t, k, generation, now_ms);
	}
	return n;
}

int tally_enter(struct tally *t, const struct tally_key *k, uint32_t limit, int64_t now_ms)
{
	struct tally_key own = in_slot(k, t->head->generations[t->slot]);
	uint64_t others = level_of_others(t, k, now_ms);
	struct tally_entry *e = tally_lock(t, &own, TALLY_LEVEL, true, now_ms);
	int r = 0;

	if (others + e->u.level.n >= limit)
		r = -POD_E_LIMIT;
	else
		e->u.level.n++;
	e->expires_ms = now_ms + (e->u.level.n ? KEEP_MS : 0);
	tally_unlock(t, &own);
	return r;
}

void tally_leave(struct tally *t, const struct tally_key *k, int64_t now_ms)
{
	struct tally_key own = in_slot(k, t->head->generations[t->slot]);
	struct tally_entry *e = tally_lock(t, &own, TALLY_LEVEL, false, now_ms);

	if (!e)
		return;
	if (e->u.level.n > 0)
		e->u.level.n--;
	if (e->u.level.n == 0)
		e->what = TALLY_FREE;
	tally_unlock(t, &own);
}
