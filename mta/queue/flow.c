/* What is ready in a lane, by rank and sender. */
#include <stdlib.h>

#include "base/err.h"
#include "mta/queue/schedule_internal.h"

struct flow_key {
	const struct lane *lane;
	uint64_t from;
	uint8_t rank;
};

static bool is_flow(const struct table_entry *e, const void *key)
{
	const struct flow *f = (const struct flow *) e;
	const struct flow_key *k = key;

	return f->lane == k->lane && f->from == k->from && f->rank == k->rank;
}

static uint64_t hash_of(const struct flow_key *k)
{
	uint64_t h = ((uint64_t) (uintptr_t) k->lane ^ k->from ^ k->rank) * 0x9e3779b97f4a7c15u;

	return h ^ h >> 32;
}

static struct tier *tier_of(struct lane *lane, uint8_t rank)
{
	struct tier *t, *before = NULL;

	SLIST_FOREACH(t, &lane->tiers, link)
	{
		if (t->rank == rank)
			return t;
		if (t->rank > rank)
			break;
		before = t;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->rank = rank;
	TAILQ_INIT(&t->flows);
	if (before)
		SLIST_INSERT_AFTER(before, t, link);
	else
		SLIST_INSERT_HEAD(&lane->tiers, t, link);
	return t;
}

static void leave_tier(struct flow *f)
{
	TAILQ_REMOVE(&f->tier->flows, f, link);
	if (TAILQ_EMPTY(&f->tier->flows)) {
		SLIST_REMOVE(&f->lane->tiers, f->tier, tier, link);
		free(f->tier);
	}
	f->tier = NULL;
}

static struct flow *flow_of(struct sched *s, const struct flow_key *k, struct lane *lane)
{
	uint64_t hash = hash_of(k);
	struct flow *f = (struct flow *) table_find(&s->flows, hash, is_flow, k);
	struct tier *t;

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	t = f ? tier_of(lane, k->rank) : NULL;
	if (!t || table_add(&s->flows, &f->entry, hash) < 0) {
		if (t && TAILQ_EMPTY(&t->flows)) {
			SLIST_REMOVE(&lane->tiers, t, tier, link);
			free(t);
		}
		free(f);
		return NULL;
	}
	f->lane = lane;
	f->tier = t;
	f->from = k->from;
	f->rank = k->rank;
	TAILQ_INIT(&f->units);
	TAILQ_INSERT_TAIL(&t->flows, f, link);
	return f;
}

/* Somebody with so much to say waits behind those with less. Without memory for the tier he stays where he
 * is. */
static void note_bulk(struct flow *f)
{
	struct tier *bulk;

	if (f->tier->rank != SCHED_RANK_NORMAL || f->n <= SCHED_BULK)
		return;
	bulk = tier_of(f->lane, SCHED_RANK_BULK);
	if (!bulk)
		return;
	leave_tier(f);
	f->tier = bulk;
	TAILQ_INSERT_TAIL(&bulk->flows, f, link);
}

int flow_put(struct sched *s, struct unit *u)
{
	struct flow *f = flow_of(s, &(struct flow_key){ u->lane, u->from, u->rank }, u->lane);

	if (!f)
		return -POD_E_NOMEM;
	u->flow = f;
	f->n++;
	u->lane->ready++;
	s->ready++;
	TAILQ_INSERT_TAIL(&f->units, u, link);
	note_bulk(f);
	return 0;
}

void flow_take(struct sched *s, struct unit *u)
{
	struct flow *f = u->flow;

	u->flow = NULL;
	TAILQ_REMOVE(&f->units, u, link);
	f->n--;
	f->lane->ready--;
	s->ready--;
	if (f->n)
		return;
	leave_tier(f);
	table_remove(&s->flows, &f->entry);
	free(f);
}

struct unit *flow_pick(struct sched *s, struct lane *lane)
{
	struct tier *t = SLIST_FIRST(&lane->tiers);
	struct flow *f;
	struct unit *u;

	if (++lane->starts % SCHED_LOW_TURN == 0)
		while (SLIST_NEXT(t, link))
			t = SLIST_NEXT(t, link);
	f = TAILQ_FIRST(&t->flows);
	u = TAILQ_FIRST(&f->units);
	TAILQ_REMOVE(&t->flows, f, link);
	TAILQ_INSERT_TAIL(&t->flows, f, link);
	flow_take(s, u);
	return u;
}
