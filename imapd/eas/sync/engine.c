#include "imapd/eas/sync/engine.h"

#include "base/err.h"
#include "storeproto/storeproto.h"

uint32_t eas_engine_token(uint32_t flags)
{
	return flags & ~EAS_TOKEN_STALE & ~(uint32_t) STORE_FLAG_DELETED;
}

bool eas_engine_is_deleted(uint32_t flags)
{
	return flags & STORE_FLAG_DELETED;
}

/* ---- taking in ---- */

static void put(struct eas_uidset *s, uint32_t uid)
{
	eas_uidset_put(s, uid, uid, 0);
}

/* There is nothing to tell of these uids. */
static void forget(struct eas_generation *g, uint32_t first, uint32_t last)
{
	eas_uidset_remove(&g->adds, first, last);
	eas_uidset_remove(&g->changes, first, last);
	eas_uidset_remove(&g->deletes, first, last);
	eas_uidset_remove(&g->softs, first, last);
}

/*
 * A flag's reminder is no flag of the message, so that a flagged message may have changed though its flags
 * have not; unless it was the device that changed it.
 */
static bool differs(const struct eas_generation *g, const struct eas_row *row, uint32_t token)
{
	uint32_t own;

	if (token != eas_engine_token(row->flags))
		return true;
	if (!(row->flags & STORE_FLAG_FLAGGED) || row->modseq <= g->watermark)
		return false;
	return !eas_uidset_get(&g->own, row->uid, &own) || own != (uint32_t) row->modseq;
}

static void add_new(struct eas_generation *g, const struct eas_row *row)
{
	put(&g->adds, row->uid);
	if (row->date > g->newest_add)
		g->newest_add = row->date;
}

void eas_engine_row(struct eas_generation *g, const struct eas_row *row)
{
	bool in_window = row->date >= g->cutoff || g->cutoff == 0,
	     deleted = eas_engine_is_deleted(row->flags);
	uint32_t token = 0;

	forget(g, row->uid, row->uid);
	if (!eas_uidset_get(&g->have, row->uid, &token)) {
		if (in_window && !deleted)
			add_new(g, row);
	} else if (deleted) {
		put(&g->deletes, row->uid);
	} else if (!in_window) {
		put(&g->softs, row->uid);
	} else if (differs(g, row, token)) {
		put(&g->changes, row->uid);
	}
}

/* Runs of the device's that are in the range. */
static void delete_held(struct eas_generation *g, uint32_t first, uint32_t last)
{
	for (size_t i = eas_uidset_find(&g->have, first); i < g->have.n && g->have.r[i].first <= last; i++) {
		uint32_t from = g->have.r[i].first > first ? g->have.r[i].first : first;
		uint32_t to = g->have.r[i].last < last ? g->have.r[i].last : last;

		eas_uidset_put(&g->deletes, from, to, 0);
	}
}

void eas_engine_vanished(struct eas_generation *g, uint32_t first, uint32_t last)
{
	forget(g, first, last);
	delete_held(g, first, last);
}

void eas_engine_seen_until(struct eas_generation *g, uint64_t modseq)
{
	if (modseq > g->watermark) {
		g->watermark = modseq;
		eas_uidset_clear(&g->own);
	}
}

/* ---- a list ---- */

bool eas_engine_needs_list(const struct eas_generation *g, unsigned int filter, int64_t cutoff)
{
	return !g->listed || g->cutoff != cutoff || g->filter != filter;
}

void eas_engine_list_begin(struct eas_listing *l, struct eas_generation *g, unsigned int filter,
                           int64_t cutoff)
{
	l->g = g;
	eas_uidset_init(&l->seen, g->have.a);
	g->filter = filter;
	g->cutoff = cutoff;
	eas_uidset_clear(&g->adds);
	eas_uidset_clear(&g->changes);
	eas_uidset_clear(&g->deletes);
	eas_uidset_clear(&g->softs);
}

void eas_engine_list_row(struct eas_listing *l, const struct eas_row *row)
{
	put(&l->seen, row->uid);
	eas_engine_row(l->g, row);
}

void eas_engine_list_end(struct eas_listing *l, uint64_t modseq)
{
	struct eas_uidset gone;

	eas_uidset_init(&gone, l->seen.a);
	eas_uidset_subtract(&l->g->have, &l->seen, EAS_COMPARE_UIDS, &gone);
	for (size_t i = 0; i < gone.n; i++)
		eas_uidset_put(&l->g->deletes, gone.r[i].first, gone.r[i].last, 0);
	l->g->have.failed |= l->seen.failed || gone.failed;
	l->g->listed = true;
	eas_engine_seen_until(l->g, modseq);
}

uint64_t eas_engine_pending(const struct eas_generation *g)
{
	return eas_uidset_count(&g->adds) + eas_uidset_count(&g->changes) + eas_uidset_count(&g->deletes) +
	       eas_uidset_count(&g->softs);
}

/* ---- plans ---- */

struct planning {
	struct eas_plan *plan;
	size_t window;
};

static void add_step(struct planning *p, enum eas_tell tell, uint32_t uid)
{
	p->plan->steps[p->plan->n++] = (struct eas_step){ tell, uid };
}

static bool is_wanted(const struct eas_uidset *only, const struct eas_uidset *except, uint32_t uid)
{
	return (!only || eas_uidset_get(only, uid, NULL)) && (!except || !eas_uidset_get(except, uid, NULL));
}

static void plan_up(struct planning *p, enum eas_tell tell, const struct eas_uidset *s,
                    const struct eas_uidset *only, const struct eas_uidset *except)
{
	for (size_t i = 0; i < s->n; i++)
		for (uint64_t uid = s->r[i].first; uid <= s->r[i].last; uid++) {
			if (p->plan->n == p->window)
				return;
			if (is_wanted(only, except, (uint32_t) uid))
				add_step(p, tell, (uint32_t) uid);
		}
}

/* The newest first: what a person looks for is at the top of his list while the rest comes. */
static void plan_down(struct planning *p, enum eas_tell tell, const struct eas_uidset *s,
                      const struct eas_uidset *only, const struct eas_uidset *except)
{
	for (size_t i = s->n; i > 0; i--)
		for (uint64_t uid = s->r[i - 1].last; uid >= s->r[i - 1].first; uid--) {
			if (p->plan->n == p->window)
				return;
			if (is_wanted(only, except, (uint32_t) uid))
				add_step(p, tell, (uint32_t) uid);
		}
}

static int begin_plan(struct planning *p, struct eas_plan *plan, size_t window, struct arena *a)
{
	*plan = (struct eas_plan){ .steps = arena_array(a, window ? window : 1, sizeof(*plan->steps)) };
	*p = (struct planning){ plan, window };
	return plan->steps ? 0 : -POD_E_NOMEM;
}

/* Of each kind those of a lost answer, then the others: what that answer had is in the new one. */
static void plan_lost(struct planning *p, const struct eas_generation *g, const struct eas_sent *first)
{
	plan_up(p, EAS_TELL_DELETE, &g->deletes, NULL, NULL);
	plan_up(p, EAS_TELL_SOFT_DELETE, &g->softs, NULL, NULL);
	p->plan->first_row = p->plan->n;
	plan_up(p, EAS_TELL_CHANGE, &g->changes, &first->changes, NULL);
	plan_down(p, EAS_TELL_ADD, &g->adds, &first->adds, NULL);
	plan_up(p, EAS_TELL_CHANGE, &g->changes, NULL, &first->changes);
	plan_down(p, EAS_TELL_ADD, &g->adds, NULL, &first->adds);
}

int eas_engine_plan(const struct eas_generation *g, const struct eas_sent *first, size_t window,
                    struct arena *a, struct eas_plan *ret_plan)
{
	struct planning p;
	int r = begin_plan(&p, ret_plan, window, a);

	if (r < 0)
		return r;
	if (first) {
		plan_lost(&p, g, first);
		return 0;
	}
	plan_up(&p, EAS_TELL_DELETE, &g->deletes, NULL, NULL);
	plan_up(&p, EAS_TELL_SOFT_DELETE, &g->softs, NULL, NULL);
	ret_plan->first_row = ret_plan->n;
	plan_up(&p, EAS_TELL_CHANGE, &g->changes, NULL, NULL);
	plan_down(&p, EAS_TELL_ADD, &g->adds, NULL, NULL);
	return 0;
}

/* ---- told ---- */

/* What the device knows of a flagged message is as new as this modseq: see differs(). */
static void knows(struct eas_generation *g, uint32_t uid, uint32_t token, uint64_t modseq)
{
	eas_uidset_put(&g->have, uid, uid, token);
	if (modseq > g->watermark && token & STORE_FLAG_FLAGGED)
		eas_uidset_put(&g->own, uid, uid, (uint32_t) modseq);
}

static struct eas_uidset *sent_set(struct eas_generation *g, enum eas_tell tell)
{
	switch (tell) {
	case EAS_TELL_DELETE: return &g->sent.deletes;
	case EAS_TELL_SOFT_DELETE: return &g->sent.softs;
	case EAS_TELL_CHANGE: return &g->sent.changes;
	case EAS_TELL_ADD: break;
	}
	return &g->sent.adds;
}

void eas_engine_told(struct eas_generation *g, const struct eas_step *step, uint32_t flags, uint64_t modseq)
{
	forget(g, step->uid, step->uid);
	put(sent_set(g, step->tell), step->uid);
	if (step->tell == EAS_TELL_DELETE || step->tell == EAS_TELL_SOFT_DELETE)
		eas_uidset_remove(&g->have, step->uid, step->uid);
	else
		knows(g, step->uid, eas_engine_token(flags), modseq);
}

void eas_engine_lost(struct eas_generation *g, const struct eas_step *step)
{
	forget(g, step->uid, step->uid);
	if (eas_uidset_get(&g->have, step->uid, NULL))
		put(&g->deletes, step->uid);
}

/* ---- once more ---- */

int eas_engine_replay(const struct eas_generation *now, struct arena *a, struct eas_plan *ret_plan)
{
	const struct eas_sent *s = &now->sent;
	struct planning p;
	int r = begin_plan(&p, ret_plan,
	                   eas_uidset_count(&s->adds) + eas_uidset_count(&s->changes) +
	                           eas_uidset_count(&s->deletes) + eas_uidset_count(&s->softs),
	                   a);

	if (r < 0)
		return r;
	plan_up(&p, EAS_TELL_DELETE, &s->deletes, NULL, NULL);
	plan_up(&p, EAS_TELL_SOFT_DELETE, &s->softs, NULL, NULL);
	ret_plan->first_row = ret_plan->n;
	plan_up(&p, EAS_TELL_CHANGE, &s->changes, NULL, NULL);
	plan_down(&p, EAS_TELL_ADD, &s->adds, NULL, NULL);
	return 0;
}

bool eas_engine_is_as_told(const struct eas_generation *now, const struct eas_step *step, bool is_there,
                           uint32_t token)
{
	uint32_t told;

	if (step->tell == EAS_TELL_DELETE || step->tell == EAS_TELL_SOFT_DELETE)
		return !eas_uidset_get(&now->have, step->uid, NULL);
	return is_there && eas_uidset_get(&now->have, step->uid, &told) && told == token;
}

/* ---- generations ---- */

void eas_engine_step(struct eas_collection_state *s, const struct eas_generation *next, bool again)
{
	uint64_t number = s->now.number + 1;

	if (!again) {
		s->before = s->now;
		s->has_before = true;
		s->replays = 0;
	}
	s->now = *next;
	s->now.number = number;
}

void eas_engine_stay(struct eas_collection_state *s, const struct eas_generation *next)
{
	const struct eas_generation told = s->now;

	s->now = *next;
	s->now.number = told.number;
	s->now.sent = told.sent;
	s->now.client_adds = told.client_adds;
	s->now.client_adds_n = told.client_adds_n;
	s->now.client_adds_cap = told.client_adds_cap;
}

/* ---- the device's own ---- */

/* The answer that comes again says that the message goes: what the device did to it is of before that. */
static bool is_told_gone(const struct eas_generation *g, uint32_t uid)
{
	return eas_uidset_get(&g->sent.deletes, uid, NULL) || eas_uidset_get(&g->sent.softs, uid, NULL);
}

void eas_engine_own(struct eas_generation *g, uint32_t uid, uint32_t known, uint32_t has, uint64_t modseq)
{
	if (is_told_gone(g, uid))
		return;
	eas_uidset_remove(&g->adds, uid, uid);
	eas_uidset_remove(&g->changes, uid, uid);
	knows(g, uid, known, modseq);
	if (known != has && !eas_uidset_get(&g->deletes, uid, NULL) && !eas_uidset_get(&g->softs, uid, NULL))
		put(&g->changes, uid);
}

void eas_engine_own_change(struct eas_generation *g, uint32_t uid, uint32_t bits, uint32_t before,
                           uint32_t has, uint64_t modseq)
{
	uint32_t token = eas_engine_token(has), known = token, knew, set;

	if (eas_uidset_get(&g->have, uid, &knew)) {
		set = (eas_engine_token(before) ^ token) | bits;
		known = (knew & ~set) | (token & set);
	}
	/* The answer that comes again tells what it was before that. */
	if (modseq && eas_uidset_get(&g->sent.changes, uid, NULL))
		known |= EAS_TOKEN_STALE;
	eas_engine_own(g, uid, known, token, modseq);
}

void eas_engine_refuse(struct eas_generation *g, uint32_t uid, uint32_t status)
{
	eas_uidset_put(&g->sent.refused, uid, uid, status);
}

void eas_engine_refuse_conflict(struct eas_generation *g, uint32_t uid, uint32_t status)
{
	uint32_t token;

	eas_engine_refuse(g, uid, status);
	if (eas_uidset_get(&g->have, uid, &token))
		eas_engine_own(g, uid, token | EAS_TOKEN_STALE, 0, 0);
}

uint32_t eas_engine_refusal(const struct eas_generation *g, uint32_t uid)
{
	uint32_t status = 0;

	return eas_uidset_get(&g->sent.refused, uid, &status) ? status : 0;
}

void eas_engine_own_removed(struct eas_generation *g, uint32_t uid)
{
	if (is_told_gone(g, uid))
		return;
	eas_uidset_put(&g->have, uid, uid, 0);
	eas_engine_vanished(g, uid, uid);
}

void eas_engine_own_gone(struct eas_generation *g, uint32_t uid)
{
	forget(g, uid, uid);
	eas_uidset_remove(&g->have, uid, uid);
}
