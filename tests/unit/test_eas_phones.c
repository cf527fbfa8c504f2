/*
 * A model of phones, without a store and a network: several of them and other clients change the folders of
 * one user, answers get lost, servers die between what a phone did and its state, folders go, the log does
 * not reach back. Each phone asks the same again until it gets an answer. It must be told nothing twice and
 * nothing of what it has not; and in the end have what the mailboxes have.
 *
 * State is decoded, changed and encoded by the real code at each request; the order of things in a request is
 * that of part.c, client.c and cmd_moveitems.c. EAS_PHONES_WORLDS in the environment makes more worlds,
 * EAS_PHONES_SEED others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imapd/eas/sync/engine.h"
#include "imapd/eas/sync/fold.h"
#include "storeproto/storeproto.h"
#include "tests/support/mail_world.h"

#define SEEN    STORE_FLAG_SEEN
#define FLAGGED STORE_FLAG_FLAGGED
#define DELETED STORE_FLAG_DELETED
#define KEYWORD (1u << STORE_KEYWORD_SHIFT)

enum { INBOX, TRASH, DRAFTS, ARCHIVE, DEEP }; /* DEEP and the ones behind it come one after the other */
enum { PHONES = 3, SAME_MAX = 3, LOSSES_MAX = 9, HELD = 1 << 30 };

enum act { NOTHING, SET, DELETE, ADD };
struct request {
	bool is_move;
	unsigned int box, target;
	uint64_t key;
	uint32_t uid, bits, value, client_id;
	enum act act;
	size_t window;
	unsigned int filter;
};

struct answer {
	unsigned int status; /* of the folder, or the move */
	uint64_t key;
	uint32_t uid; /* of what was moved or added */
	unsigned int act_status;
	struct eas_step *steps;
	uint32_t *flags; /* of each */
	size_t n;
	bool more;
};

struct phone {
	struct buf state[WORLD_BOXES]; /* len 0: there is none */
	uint64_t epoch;
	/* What it believes. */
	bool knows_box[WORLD_BOXES];
	uint64_t key[WORLD_BOXES];   /* 0: it begins */
	uint32_t *held[WORLD_BOXES]; /* by uid: HELD and the token */
	size_t held_cap[WORLD_BOXES];
	unsigned int filter;
	uint32_t client_ids;
	bool waits;
	unsigned int losses;
	struct request pending;
	/* What the store remembers of its last move and add. */
	struct request done;
	uint32_t done_uid;
};

struct model {
	struct mail_world w;
	unsigned int deep; /* the box that is DEEP now */
	int64_t today;
	bool ends; /* others do nothing any more */
	struct phone phone[PHONES];
	unsigned int requests, told, same, made_anew, died, moved_again, gone_again;
};

static uint32_t pick(struct model *m, uint32_t n)
{
	return world_pick(&m->w, n);
}

/* ---- others ---- */

static unsigned int pick_box(struct model *m)
{
	static const unsigned int boxes[] = { INBOX, INBOX, ARCHIVE, ARCHIVE, TRASH, DRAFTS };
	uint32_t i = pick(m, 2 + ARRAY_SIZE(boxes));

	return i < ARRAY_SIZE(boxes) ? boxes[i] : m->deep;
}

static void renew_deep(struct model *m)
{
	if (m->deep + 1 == WORLD_BOXES)
		return;
	m->w.box[m->deep].exists = false;
	m->w.box[++m->deep].exists = true;
}

static void deliver(struct model *m, unsigned int box)
{
	static const uint32_t flags[] = { 0, 0, SEEN, SEEN | FLAGGED, DELETED, KEYWORD };

	(void) world_deliver(&m->w, box, flags[pick(m, ARRAY_SIZE(flags))], m->today - pick(m, 6));
}

static void change_flags(struct model *m, unsigned int box, uint32_t uid)
{
	static const uint32_t bits[] = { SEEN, SEEN, FLAGGED, FLAGGED, DELETED, KEYWORD };

	(void) world_flag(&m->w, box, uid, m->w.box[box].mail[uid].flags ^ bits[pick(m, ARRAY_SIZE(bits))]);
}

static void others_act(struct model *m)
{
	unsigned int box = pick_box(m);
	uint32_t uid = world_pick_mail(&m->w, box), what = pick(m, 100);

	if (what < 40 || !uid)
		deliver(m, box);
	else if (what < 65)
		change_flags(m, box, uid);
	else if (what < 77)
		world_expunge(&m->w, box, uid);
	else if (what < 84)
		(void) world_copy(&m->w, box, uid, pick_box(m));
	else if (what < 95)
		(void) world_move(&m->w, box, uid, pick_box(m));
	else if (what < 97)
		world_forget(&m->w, box);
	else if (what < 98)
		renew_deep(m);
	else if (what < 99)
		m->today += pick(m, 8) == 0;
	else if (pick(m, 8) == 0)
		world_rebuild(&m->w);
}

/* While a request runs. */
static void meanwhile(struct model *m)
{
	for (int i = 0; !m->ends && pick(m, 12) == 0 && i < 3; i++)
		others_act(m);
}

/* ---- the server: look.c ---- */

static int64_t cutoff_of(const struct model *m, unsigned int filter)
{
	return filter ? m->today - 2 * (int64_t) filter : 0;
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

static void refresh(struct model *m, unsigned int box, struct eas_generation *g, unsigned int filter)
{
	const struct world_box *b = &m->w.box[box];
	int64_t cutoff = cutoff_of(m, filter);

	if (eas_engine_needs_list(g, filter, cutoff)) {
		list(&m->w, b, g, filter, cutoff);
		return;
	}
	take_log(b, g, true);
	if (g->watermark < b->floor)
		take_gaps(b, g);
	else
		take_log(b, g, false);
	eas_engine_seen_until(g, m->w.modseq);
}

/* ---- the server: client.c ---- */

struct serving {
	struct model *m;
	struct phone *p;
	const struct request *rq;
	struct answer *out;
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
	return theirs && !(theirs == SEEN && (v->rq->value & SEEN) == (flags & SEEN));
}

static unsigned int serve_set(struct serving *v)
{
	const struct request *rq = v->rq;
	struct world_mail *mail = &v->m->w.box[rq->box].mail[rq->uid];
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
	changed = world_flag(&v->m->w, rq->box, rq->uid, (before & ~rq->bits) | rq->value);
	eas_engine_own_change(v->at, rq->uid, rq->bits, before, mail->flags, changed ? mail->modseq : 0);
	return 1;
}

static unsigned int serve_delete(struct serving *v)
{
	const struct request *rq = v->rq;

	if (!is_known(v))
		return 8;
	if (v->m->w.box[rq->box].mail[rq->uid].there && rq->box != TRASH)
		(void) world_move(&v->m->w, rq->box, rq->uid, TRASH);
	else if (v->m->w.box[rq->box].mail[rq->uid].there)
		world_expunge(&v->m->w, rq->box, rq->uid);
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
	struct phone *p = v->p;

	if (p->done.client_id != v->rq->client_id) {
		p->done = *v->rq;
		p->done_uid = world_deliver(&v->m->w, v->rq->box, SEEN, v->m->today);
	}
	return p->done_uid;
}

static unsigned int serve_add(struct serving *v)
{
	const char *id = arena_printf(v->a, "%u", v->rq->client_id);
	const struct eas_client_add *before = made_before(v, id);
	uint32_t uid = before ? before->uid : add_once(v);
	const struct eas_client_add made = { id, uid, 1 };
	const struct world_mail *mail = &v->m->w.box[v->rq->box].mail[uid];
	uint32_t known = SEEN;

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
	case NOTHING: break;
	case SET: v->out->act_status = serve_set(v); break;
	case DELETE: v->out->act_status = serve_delete(v); break;
	case ADD: v->out->act_status = serve_add(v); break;
	}
}

/* ---- the server: tell.c, part.c ---- */

static bool is_visible(const struct world_mail *mail)
{
	return mail->there && !(mail->flags & DELETED);
}

/* room: how many messages there is room for. */
static void tell(struct serving *v, const struct eas_plan *plan, size_t room)
{
	const struct world_box *b = &v->m->w.box[v->rq->box];

	v->out->steps = arena_array(v->a, plan->n + 1, sizeof(*v->out->steps));
	v->out->flags = arena_array(v->a, plan->n + 1, sizeof(*v->out->flags));
	for (size_t i = 0; i < plan->n && (i < plan->first_row || room); i++) {
		const struct eas_step *s = &plan->steps[i];

		if (i >= plan->first_row && !is_visible(&b->mail[s->uid])) {
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
	const struct world_box *b = &v->m->w.box[v->rq->box];
	struct eas_plan plan;

	assert_int_equal(eas_engine_replay(&v->s.now, v->a, &plan), 0);
	for (size_t i = 0; i < plan.n; i++) {
		const struct world_mail *mail = &b->mail[plan.steps[i].uid];

		if (!eas_engine_is_as_told(&v->s.now, &plan.steps[i], is_visible(mail),
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
	meanwhile(v->m);
	refresh(v->m, v->rq->box, &v->next, v->rq->filter);
	meanwhile(v->m);
	assert_int_equal(eas_engine_plan(&v->next, v->again ? &v->s.now.sent : NULL, window(v), v->a, &plan),
	                 0);
	tell(v, &plan, pick(v->m, 8) ? SIZE_MAX : 1 + pick(v->m, 4));
	v->out->more = eas_engine_pending(&v->next) > 0;
	learnt = v->next.listed != v->s.now.listed || v->next.filter != v->s.now.filter || pick(v->m, 2);
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
		v->m->made_anew++;
		go_on(v);
		return;
	}
	v->m->same++;
	v->out->more = eas_engine_pending(&v->s.now) > 0;
	v->at = &v->s.now;
	serve_act(v);
}

static void save(struct phone *p, unsigned int box, const struct eas_collection_state *s)
{
	buf_clear(&p->state[box]);
	eas_collection_encode(s, &p->state[box]);
	assert_false(p->state[box].failed);
}

static void load(struct phone *p, unsigned int box, struct arena *a, struct eas_collection_state *s)
{
	assert_int_equal(eas_collection_decode(buf_span(&p->state[box]), a, s), 0);
}

static void begin(struct serving *v)
{
	eas_collection_init(&v->s, v->a);
	v->s.epoch = ++v->p->epoch;
	v->s.now.number = 1;
}

/* dies: what the phone did is done, and nothing was written down. */
static void serve_sync(struct serving *v, bool dies)
{
	const struct request *rq = v->rq;

	v->out->status = v->m->w.box[rq->box].exists ? 1 : 8;
	if (v->out->status != 1)
		return;
	if (rq->key == 0) {
		begin(v);
	} else {
		load(v->p, rq->box, v->a, &v->s);
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
		save(v->p, rq->box, &v->s);
}

/* ---- the server: cmd_moveitems.c ---- */

static bool find_moved(struct serving *v, const char *to)
{
	const struct eas_moved *moved;

	if (!v->p->state[v->rq->box].len)
		return false;
	load(v->p, v->rq->box, v->a, &v->s);
	moved = eas_collection_find_moved(&v->s, v->rq->uid);
	if (!moved || strcmp(moved->to_folder, to) != 0)
		return false;
	v->out->uid = moved->to_uid;
	v->m->moved_again++;
	return true;
}

/* The store answers a repeated move as the first time. */
static uint32_t move_once(struct serving *v)
{
	const struct request *rq = v->rq, *done = &v->p->done;

	if (done->is_move && done->box == rq->box && done->uid == rq->uid && done->target == rq->target)
		return v->p->done_uid;
	if (!v->m->w.box[rq->box].mail[rq->uid].there)
		return 0;
	v->p->done = *rq;
	v->p->done_uid = world_move(&v->m->w, rq->box, rq->uid, rq->target);
	return v->p->done_uid;
}

static void fold(struct serving *v, const struct eas_fold *f)
{
	struct phone *p = v->p;
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
	const struct request *rq = v->rq;
	const struct world_box *from = &v->m->w.box[rq->box], *to = &v->m->w.box[rq->target];
	struct eas_fold f = { rq->uid, 0, 0, 0, arena_printf(v->a, "%u", rq->target) };
	bool was_there = from->exists && from->mail[rq->uid].there, there = from->exists && to->exists;
	uint32_t flags = from->mail[rq->uid].flags;

	f.to_uid = there ? move_once(v) : 0;
	if (dies)
		return;
	if (!f.to_uid || !to->mail[f.to_uid].there) {
		v->m->gone_again += !there && v->p->losses;
		v->out->status = find_moved(v, f.to_folder) ? 3 : 1;
		return;
	}
	f.to_flags = to->mail[f.to_uid].flags;
	f.flags = was_there ? flags : f.to_flags;
	fold(v, &f);
	v->out->uid = f.to_uid;
	v->out->status = 3;
}

/* ---- a phone ---- */

static uint32_t *held(struct phone *p, unsigned int box, uint32_t uid)
{
	size_t cap = p->held_cap[box] ? p->held_cap[box] : 64;

	while (cap <= uid)
		cap *= 2;
	if (cap != p->held_cap[box]) {
		p->held[box] = realloc(p->held[box], cap * sizeof(uint32_t));
		assert_non_null(p->held[box]);
		memset(p->held[box] + p->held_cap[box], 0, (cap - p->held_cap[box]) * sizeof(uint32_t));
		p->held_cap[box] = cap;
	}
	return &p->held[box][uid];
}

static void forget_box(struct phone *p, unsigned int box)
{
	if (p->held[box])
		memset(p->held[box], 0, p->held_cap[box] * sizeof(uint32_t));
	p->key[box] = 0;
}

static void sync_folders(struct model *m, struct phone *p)
{
	for (unsigned int box = 0; box < WORLD_BOXES; box++) {
		if (!m->w.box[box].exists && p->knows_box[box])
			forget_box(p, box);
		p->knows_box[box] = m->w.box[box].exists;
	}
}

static void take_steps(struct model *m, struct phone *p, unsigned int box, const struct answer *in)
{
	for (size_t i = 0; i < in->n; i++) {
		uint32_t *mine = held(p, box, in->steps[i].uid);
		bool adds = in->steps[i].tell == EAS_TELL_ADD;

		if (!*mine != adds)
			fail_msg("uid %u of box %u is told %d, and what the phone has is %x",
			         in->steps[i].uid, box, (int) in->steps[i].tell, *mine);
		*mine = adds || in->steps[i].tell == EAS_TELL_CHANGE ? HELD | eas_engine_token(in->flags[i])
		                                                     : 0;
		m->told++;
	}
}

/* What it did it has done, whatever the server thinks of it. */
static void take_sync(struct model *m, struct phone *p, const struct answer *in)
{
	const struct request *rq = &p->pending;

	if (in->status == 8) {
		sync_folders(m, p);
		return;
	}
	if (rq->act == SET) {
		uint32_t *mine = held(p, rq->box, rq->uid);

		*mine = (*mine & ~rq->bits) | rq->value;
	} else if (rq->act == DELETE) {
		*held(p, rq->box, rq->uid) = 0;
	} else if (rq->act == ADD) {
		assert_int_equal(*held(p, rq->box, in->uid), 0);
		*held(p, rq->box, in->uid) = HELD | SEEN;
	}
	take_steps(m, p, rq->box, in);
	p->key[rq->box] = in->key;
}

static void take_move(struct phone *p, const struct answer *in)
{
	const struct request *rq = &p->pending;
	uint32_t data = *held(p, rq->box, rq->uid);

	if (in->status != 3)
		return;
	*held(p, rq->box, rq->uid) = 0;
	if (!p->key[rq->target])
		return;
	assert_int_equal(*held(p, rq->target, in->uid), 0);
	*held(p, rq->target, in->uid) = data;
}

static void ask(struct model *m, struct phone *p, bool lose)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 64 << 20);
	struct answer in = { 0 };
	struct serving v = { .m = m, .p = p, .rq = &p->pending, .out = &in, .a = a };
	bool dies;

	lose &= p->losses < LOSSES_MAX;
	dies = lose && pick(m, 5) == 0;
	m->requests++;
	m->died += dies;
	p->waits = true;
	if (p->pending.is_move)
		serve_move(&v, dies);
	else
		serve_sync(&v, dies);
	if (lose) {
		p->losses++;
		return;
	}
	p->waits = false;
	p->losses = 0;
	if (p->pending.is_move)
		take_move(p, &in);
	else
		take_sync(m, p, &in);
}

static uint32_t pick_held(struct model *m, const struct phone *p, unsigned int box)
{
	for (int i = 0; i < 20 && p->held_cap[box]; i++) {
		uint32_t uid = pick(m, (uint32_t) p->held_cap[box]);

		if (p->held[box][uid])
			return uid;
	}
	return 0;
}

static unsigned int pick_known_box(struct model *m, const struct phone *p)
{
	for (;;) {
		unsigned int box = pick(m, m->deep + 1);

		if (p->knows_box[box])
			return box;
	}
}

static void want_act(struct model *m, struct phone *p, struct request *rq)
{
	static const uint32_t bits[] = { SEEN, FLAGGED, KEYWORD };
	uint32_t what = pick(m, 8);

	if (!rq->key || what < 4)
		return;
	rq->uid = pick_held(m, p, rq->box);
	if (what == 4 && rq->box == DRAFTS) {
		rq->act = ADD;
		rq->client_id = ++p->client_ids;
	} else if (rq->uid) {
		rq->act = what == 5 ? DELETE : SET;
		rq->bits = bits[pick(m, ARRAY_SIZE(bits))];
		rq->value = pick(m, 2) ? rq->bits : 0;
	}
}

static void want(struct model *m, struct phone *p)
{
	static const size_t windows[] = { 1, 3, 25, 100, 512 };
	struct request *rq = &p->pending;

	*rq = (struct request){ .box = pick_known_box(m, p),
		                .window = windows[pick(m, ARRAY_SIZE(windows))] };
	rq->key = p->key[rq->box];
	rq->filter = p->filter;
	rq->target = pick_known_box(m, p);
	if (pick(m, 5))
		want_act(m, p, rq);
	else if (rq->target != rq->box)
		rq->uid = pick_held(m, p, rq->box);
	rq->is_move = !rq->act && rq->uid;
}

static void turn(struct model *m, struct phone *p)
{
	if (!p->waits && pick(m, 8) == 0)
		sync_folders(m, p);
	if (!p->waits && pick(m, 60) == 0)
		p->filter = pick(m, 3);
	if (!p->waits && pick(m, 500) == 0)
		forget_box(p, pick_known_box(m, p));
	if (!p->waits)
		want(m, p);
	ask(m, p, pick(m, 5) == 0);
}

/* ---- pictures ---- */

static void pull(struct model *m, struct phone *p, unsigned int box)
{
	uint64_t key;

	do {
		key = p->key[box];
		p->pending = (struct request){ .box = box, .key = key, .window = 25, .filter = p->filter };
		ask(m, p, false);
	} while (p->key[box] != key);
}

static void compare(const struct model *m, struct phone *p, unsigned int box)
{
	const struct world_box *b = &m->w.box[box];

	for (uint32_t uid = 1; uid < b->next_uid; uid++) {
		const struct world_mail *mail = &b->mail[uid];
		bool in_window = !p->filter || mail->date >= cutoff_of(m, p->filter);

		assert_int_equal(*held(p, box, uid),
		                 is_visible(mail) && in_window ? HELD | eas_engine_token(mail->flags) : 0);
	}
	for (size_t uid = b->next_uid; uid < p->held_cap[box]; uid++)
		assert_int_equal(p->held[box][uid], 0);
}

static bool is_quiet(struct model *m, struct phone *p)
{
	for (unsigned int box = 0; box < WORLD_BOXES; box++) {
		uint64_t key = p->key[box];

		if (!p->knows_box[box])
			continue;
		pull(m, p, box);
		if (key != p->key[box])
			return false;
	}
	return true;
}

static void settle(struct model *m)
{
	m->ends = true;
	for (int i = 0; i < PHONES; i++)
		while (m->phone[i].waits)
			ask(m, &m->phone[i], false);
	for (int i = 0; i < PHONES; i++) {
		struct phone *p = &m->phone[i];

		sync_folders(m, p);
		while (!is_quiet(m, p))
			sync_folders(m, p);
		for (unsigned int box = 0; box < WORLD_BOXES; box++)
			if (m->w.box[box].exists)
				compare(m, p, box);
	}
}

/* ---- worlds ---- */

static void model_init(struct model *m, unsigned int seed, unsigned int mails)
{
	*m = (struct model){ .deep = DEEP, .today = 1000 };
	world_init(&m->w, seed);
	for (unsigned int box = 0; box <= DEEP; box++)
		m->w.box[box].exists = true;
	for (unsigned int i = 0; i < mails; i++)
		deliver(m, pick(m, 2) ? INBOX : ARCHIVE);
	for (int i = 0; i < PHONES; i++)
		sync_folders(m, &m->phone[i]);
}

static void model_done(struct model *m)
{
	world_done(&m->w);
	for (int i = 0; i < PHONES; i++)
		for (unsigned int box = 0; box < WORLD_BOXES; box++) {
			buf_done(&m->phone[i].state[box]);
			free(m->phone[i].held[box]);
		}
}

static void run(struct model *m, unsigned int steps)
{
	for (unsigned int i = 0; i < steps; i++) {
		for (uint32_t n = pick(m, 4); n > 0; n--)
			others_act(m);
		turn(m, &m->phone[pick(m, PHONES)]);
	}
	settle(m);
}

static unsigned int setting(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? (unsigned int) strtoul(value, NULL, 10) : otherwise;
}

static void phones_end_with_what_the_mailboxes_have(void **state)
{
	unsigned int worlds = setting("EAS_PHONES_WORLDS", 1000), seed = setting("EAS_PHONES_SEED", 1);
	struct model all = { 0 };

	for (unsigned int i = 0; i < worlds; i++) {
		struct model m;

		model_init(&m, seed + i, (seed + i) % 3 ? (seed + i) % 50 : 0);
		run(&m, 400);
		all.requests += m.requests;
		all.told += m.told;
		all.same += m.same;
		all.made_anew += m.made_anew;
		all.died += m.died;
		all.moved_again += m.moved_again;
		all.gone_again += m.gone_again;
		model_done(&m);
	}
	print_message("%u requests, %u told, %u the same again, %u anew, %u died, %u moved again, %u of "
	              "folders gone\n",
	              all.requests, all.told, all.same, all.made_anew, all.died, all.moved_again,
	              all.gone_again);
	/* The model did what it is for. */
	assert_true(all.same > worlds && all.made_anew > worlds && all.died > worlds &&
	            all.moved_again > worlds / 10 && all.gone_again > worlds / 50);
}

static void phones_of_large_folders_end_with_what_they_have(void **state)
{
	unsigned int worlds = setting("EAS_PHONES_WORLDS", 1000) / 500, seed = setting("EAS_PHONES_SEED", 1);

	for (unsigned int i = 0; i < worlds; i++) {
		struct model m;

		model_init(&m, seed + i, 6000);
		run(&m, 3000);
		model_done(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(phones_end_with_what_the_mailboxes_have),
		cmocka_unit_test(phones_of_large_folders_end_with_what_they_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
