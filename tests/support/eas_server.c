#include "tests/support/eas_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "imapd/eas/sync/fold.h"

#define SAME_MAX 3 /* as in part.c */

/* ---- look.c ---- */

int64_t eas_server_cutoff(const struct eas_server *s, unsigned int filter)
{
	return filter ? s->today - 2 * (int64_t) filter : 0;
}

static struct eas_row row_of(const struct world_box *b, uint32_t uid)
{
	const struct world_mail *mail = &b->mail[uid];

	return (struct eas_row){ uid, mail->flags, mail->modseq, mail->date };
}

static void list(const struct mail_world *w, const struct world_box *b, struct eas_generation *g,
                 unsigned int filter, int64_t cutoff)
{
	struct eas_listing l;

	eas_engine_list_begin(&l, g, filter, cutoff);
	for (uint32_t uid = 1; uid < b->next_uid; uid++) {
		const struct eas_row row = row_of(b, uid);

		if (b->mail[uid].there)
			eas_engine_list_row(&l, &row);
	}
	eas_engine_list_end(&l, w->modseq);
}

/* All that is not there is gone, also what has no uid yet. */
static void take_gaps(const struct world_box *b, struct eas_generation *g)
{
	uint32_t next = 1;

	for (uint32_t uid = 1; uid < b->next_uid; uid++) {
		if (!b->mail[uid].there)
			continue;
		if (uid > next)
			eas_engine_vanished(g, next, uid - 1);
		next = uid + 1;
	}
	eas_engine_vanished(g, next, UINT32_MAX);
}

static void take_log(const struct world_box *b, struct eas_generation *g, bool there)
{
	for (size_t i = world_log_from(b, g->watermark); i < b->log_n; i++) {
		uint32_t uid = b->log[i].uid;
		const struct eas_row row = row_of(b, uid);

		if (b->mail[uid].there != there || b->log[i].modseq != row.modseq)
			continue;
		if (there)
			eas_engine_row(g, &row);
		else
			eas_engine_vanished(g, uid, uid);
	}
}

static void refresh(const struct eas_server *s, unsigned int box, struct eas_generation *g,
                    unsigned int filter)
{
	const struct world_box *b = &s->w->box[box];
	int64_t cutoff = eas_server_cutoff(s, filter);

	if (eas_engine_needs_list(g, filter, cutoff)) {
		list(s->w, b, g, filter, cutoff);
		return;
	}
	take_log(b, g, true);
	if (g->watermark < b->floor)
		take_gaps(b, g);
	else
		take_log(b, g, false);
	eas_engine_seen_until(g, s->w->modseq);
}

/* ---- client.c ---- */

struct serving {
	struct eas_server *srv;
	struct mail_world *w;
	struct eas_kept *kept;
	const struct eas_asked *rq;
	struct eas_answered *out;
	struct arena *a;
	struct eas_collection_state s;
	struct eas_generation next, *at;
	bool again;
};

static bool is_known(const struct serving *v)
{
	return eas_uidset_get(&v->at->have, v->rq->uid, NULL) ||
	       (v->s.has_before && eas_uidset_get(&v->s.before.have, v->rq->uid, NULL));
}

static bool conflicts(const struct serving *v, uint32_t flags)
{
	uint32_t knows, theirs;

	if (!eas_uidset_get(&v->at->have, v->rq->uid, &knows))
		return false;
	theirs = (knows ^ eas_engine_token(flags)) & v->rq->bits;
	return theirs &&
	       !(theirs == STORE_FLAG_SEEN && (v->rq->value & STORE_FLAG_SEEN) == (flags & STORE_FLAG_SEEN));
}

static unsigned int serve_set(struct serving *v)
{
	const struct eas_asked *rq = v->rq;
	struct world_mail *mail = &v->w->box[rq->box].mail[rq->uid];
	uint32_t before = mail->flags;
	bool changed;

	if (!is_known(v) || !mail->there)
		return 8;
	if (v->at == &v->s.now && eas_engine_refusal(v->at, rq->uid))
		return eas_engine_refusal(v->at, rq->uid);
	if (conflicts(v, before)) {
		eas_engine_refuse_conflict(v->at, rq->uid, 7);
		return 7;
	}
	changed = world_flag(v->w, rq->box, rq->uid, (before & ~rq->bits) | rq->value);
	eas_engine_own_change(v->at, rq->uid, rq->bits, before, mail->flags, changed ? mail->modseq : 0);
	return 1;
}

static unsigned int serve_delete(struct serving *v)
{
	const struct eas_asked *rq = v->rq;

	if (!is_known(v))
		return 8;
	if (v->w->box[rq->box].mail[rq->uid].there && rq->box != v->srv->trash)
		(void) world_move(v->w, rq->box, rq->uid, v->srv->trash);
	else if (v->w->box[rq->box].mail[rq->uid].there)
		world_expunge(v->w, rq->box, rq->uid);
	eas_engine_own_gone(v->at, rq->uid);
	return 1;
}

static const struct eas_client_add *made_before(const struct serving *v, const char *id)
{
	const struct eas_client_add *add = eas_generation_client_add(v->at, span_of(id));

	return add || !v->again ? add : eas_generation_client_add(&v->s.now, span_of(id));
}

/* The store, too, remembers what it took: a server may have died before it wrote that down. */
static uint32_t add_once(struct serving *v)
{
	struct eas_kept *p = v->kept;

	if (p->done.client_id != v->rq->client_id) {
		p->done = *v->rq;
		p->done_uid = world_deliver(v->w, v->rq->box, STORE_FLAG_SEEN, v->srv->today);
	}
	return p->done_uid;
}

static unsigned int serve_add(struct serving *v)
{
	const char *id = arena_printf(v->a, "%u", v->rq->client_id);
	const struct eas_client_add *before = made_before(v, id);
	uint32_t uid = before ? before->uid : add_once(v);
	const struct eas_client_add made = { id, uid, 1 };
	const struct world_mail *mail = &v->w->box[v->rq->box].mail[uid];
	uint32_t known = STORE_FLAG_SEEN;

	if (before)
		(void) eas_uidset_get(&v->s.now.have, uid, &known);
	if (!before || before != eas_generation_client_add(v->at, span_of(id)))
		assert_int_equal(eas_generation_remember_add(v->at, v->a, &made), 0);
	if (mail->there)
		eas_engine_own(v->at, uid, known, eas_engine_token(mail->flags), before ? 0 : mail->modseq);
	else
		eas_engine_own_removed(v->at, uid);
	v->out->uid = uid;
	return 1;
}

static void serve_act(struct serving *v)
{
	switch (v->rq->act) {
	case EAS_ACT_NONE: break;
	case EAS_ACT_SET: v->out->act_status = serve_set(v); break;
	case EAS_ACT_DELETE: v->out->act_status = serve_delete(v); break;
	case EAS_ACT_ADD: v->out->act_status = serve_add(v); break;
	}
}

/* ---- tell.c, part.c ---- */

/* room: how many messages there is room for. */
static void tell(struct serving *v, const struct eas_plan *plan, size_t room)
{
	const struct world_box *b = &v->w->box[v->rq->box];

	v->out->steps = arena_array(v->a, plan->n + 1, sizeof(*v->out->steps));
	v->out->flags = arena_array(v->a, plan->n + 1, sizeof(*v->out->flags));
	for (size_t i = 0; i < plan->n && (i < plan->first_row || room); i++) {
		const struct eas_step *s = &plan->steps[i];

		if (i >= plan->first_row && !eas_server_shows(&b->mail[s->uid])) {
			eas_engine_lost(&v->next, s);
			continue;
		}
		room -= i >= plan->first_row;
		eas_engine_told(&v->next, s, b->mail[s->uid].flags, b->mail[s->uid].modseq);
		v->out->flags[v->out->n] = b->mail[s->uid].flags;
		v->out->steps[v->out->n++] = *s;
	}
}

static bool tell_again(struct serving *v)
{
	const struct world_box *b = &v->w->box[v->rq->box];
	struct eas_plan plan;

	assert_int_equal(eas_engine_replay(&v->s.now, v->a, &plan), 0);
	for (size_t i = 0; i < plan.n; i++) {
		const struct world_mail *mail = &b->mail[plan.steps[i].uid];

		if (!eas_engine_is_as_told(&v->s.now, &plan.steps[i], eas_server_shows(mail),
		                           eas_engine_token(mail->flags)))
			return false;
	}
	eas_generation_copy(&v->next, &v->s.now, v->a);
	tell(v, &plan, SIZE_MAX);
	return true;
}

static size_t window(const struct serving *v)
{
	unsigned int halvings = v->s.replays > SAME_MAX ? v->s.replays - SAME_MAX : 0;
	size_t w = v->again ? v->rq->window >> halvings : v->rq->window;

	return w ? w : 1;
}

static void go_on(struct serving *v)
{
	struct eas_plan plan;
	bool learnt;

	eas_generation_copy(&v->next, v->again ? &v->s.before : &v->s.now, v->a);
	v->at = &v->next;
	serve_act(v);
	v->srv->meanwhile(v->srv->arg);
	refresh(v->srv, v->rq->box, &v->next, v->rq->filter);
	v->srv->meanwhile(v->srv->arg);
	assert_int_equal(eas_engine_plan(&v->next, v->again ? &v->s.now.sent : NULL, window(v), v->a, &plan),
	                 0);
	tell(v, &plan, world_pick(v->w, 8) ? SIZE_MAX : 1 + world_pick(v->w, 4));
	v->out->more = eas_engine_pending(&v->next) > 0;
	learnt =
		v->next.listed != v->s.now.listed || v->next.filter != v->s.now.filter || world_pick(v->w, 2);
	if (v->out->n || v->rq->act || v->out->more || v->again)
		eas_engine_step(&v->s, &v->next, v->again);
	else if (learnt)
		eas_engine_stay(&v->s, &v->next);
}

static void go_on_again(struct serving *v)
{
	bool options_changed = v->s.filter != v->rq->filter;

	v->s.replays++;
	if (options_changed || v->s.replays > SAME_MAX || !tell_again(v)) {
		v->srv->made_anew++;
		go_on(v);
		return;
	}
	v->srv->same++;
	v->out->more = eas_engine_pending(&v->s.now) > 0;
	v->at = &v->s.now;
	serve_act(v);
}

static void save(struct eas_kept *p, unsigned int box, const struct eas_collection_state *s)
{
	buf_clear(&p->state[box]);
	eas_collection_encode(s, &p->state[box]);
	assert_false(p->state[box].failed);
}

static void load(struct eas_kept *p, unsigned int box, struct arena *a, struct eas_collection_state *s)
{
	assert_int_equal(eas_collection_decode(buf_span(&p->state[box]), a, s), 0);
}

static void begin(struct serving *v)
{
	eas_collection_init(&v->s, v->a);
	v->s.epoch = ++v->kept->epoch;
	v->s.now.number = 1;
}

/* dies: what the phone did is done, and nothing was written down. */
static void serve_sync(struct serving *v, bool dies)
{
	const struct eas_asked *rq = v->rq;

	v->out->status = v->w->box[rq->box].exists ? 1 : 8;
	if (v->out->status != 1)
		return;
	if (rq->key == 0) {
		begin(v);
	} else {
		load(v->kept, rq->box, v->a, &v->s);
		v->again = v->s.has_before && rq->key == v->s.before.number;
		assert_true(v->again || rq->key == v->s.now.number);
		if (v->again)
			go_on_again(v);
		else
			go_on(v);
		v->s.filter = rq->filter;
	}
	v->out->key = v->s.now.number;
	if (!dies)
		save(v->kept, rq->box, &v->s);
}

/* ---- cmd_moveitems.c ---- */

static bool find_moved(struct serving *v, const char *to)
{
	const struct eas_moved *moved;

	if (!v->kept->state[v->rq->box].len)
		return false;
	load(v->kept, v->rq->box, v->a, &v->s);
	moved = eas_collection_find_moved(&v->s, v->rq->uid);
	if (!moved || strcmp(moved->to_folder, to) != 0)
		return false;
	v->out->uid = moved->to_uid;
	v->srv->moved_again++;
	return true;
}

/* The store answers a repeated move as the first time. */
static uint32_t move_once(struct serving *v)
{
	const struct eas_asked *rq = v->rq, *done = &v->kept->done;

	if (done->is_move && done->box == rq->box && done->uid == rq->uid && done->target == rq->target)
		return v->kept->done_uid;
	if (!v->w->box[rq->box].mail[rq->uid].there)
		return 0;
	v->kept->done = *rq;
	v->kept->done_uid = world_move(v->w, rq->box, rq->uid, rq->target);
	return v->kept->done_uid;
}

static void fold(struct serving *v, const struct eas_fold *f)
{
	struct eas_kept *p = v->kept;
	uint32_t known = eas_engine_token(f->to_flags);
	bool had = true;

	if (p->state[v->rq->box].len) {
		load(p, v->rq->box, v->a, &v->s);
		assert_int_equal(eas_fold_out(&v->s, f, &had, &known), 0);
		save(p, v->rq->box, &v->s);
	}
	if (!had || !p->state[v->rq->target].len)
		return;
	load(p, v->rq->target, v->a, &v->s);
	eas_fold_in(&v->s, f, known);
	save(p, v->rq->target, &v->s);
}

static void serve_move(struct serving *v, bool dies)
{
	const struct eas_asked *rq = v->rq;
	const struct world_box *from = &v->w->box[rq->box], *to = &v->w->box[rq->target];
	struct eas_fold f = { rq->uid, 0, 0, 0, arena_printf(v->a, "%u", rq->target) };
	bool was_there = from->exists && from->mail[rq->uid].there, there = from->exists && to->exists;
	uint32_t flags = from->mail[rq->uid].flags;

	f.to_uid = there ? move_once(v) : 0;
	if (dies)
		return;
	if (!f.to_uid || !to->mail[f.to_uid].there) {
		v->out->status = find_moved(v, f.to_folder) ? 3 : 1;
		return;
	}
	f.to_flags = to->mail[f.to_uid].flags;
	f.flags = was_there ? flags : f.to_flags;
	fold(v, &f);
	v->out->uid = f.to_uid;
	v->out->status = 3;
}

void eas_server_ask(struct eas_server *s, struct eas_kept *kept, const struct eas_asked *asked, bool dies,
                    struct arena *a, struct eas_answered *ret)
{
	struct serving v = { .srv = s, .w = s->w, .kept = kept, .rq = asked, .out = ret, .a = a };

	*ret = (struct eas_answered){ 0 };
	if (asked->is_move)
		serve_move(&v, dies);
	else
		serve_sync(&v, dies);
}

void eas_kept_done(struct eas_kept *kept)
{
	for (unsigned int box = 0; box < WORLD_BOXES; box++)
		buf_done(&kept->state[box]);
}
