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
#include "storeproto/storeproto.h"
#include "tests/support/eas_server.h"
#include "tests/support/mail_world.h"

#define SEEN    STORE_FLAG_SEEN
#define FLAGGED STORE_FLAG_FLAGGED
#define DELETED STORE_FLAG_DELETED
#define KEYWORD (1u << STORE_KEYWORD_SHIFT)

enum { INBOX, TRASH, DRAFTS, ARCHIVE, DEEP }; /* DEEP and the ones behind it come one after the other */
enum { PHONES = 3, LOSSES_MAX = 9, HELD = 1 << 30 };

struct phone {
	struct eas_kept kept; /* the server's */
	bool knows_box[WORLD_BOXES];
	uint64_t key[WORLD_BOXES];   /* 0: it begins */
	uint32_t *held[WORLD_BOXES]; /* by uid: HELD and the token */
	size_t held_cap[WORLD_BOXES];
	unsigned int filter;
	uint32_t client_ids;
	bool waits;
	unsigned int losses;
	struct eas_asked pending;
};

struct model {
	struct mail_world w;
	struct eas_server server;
	unsigned int deep; /* the box that is DEEP now */
	bool ends;         /* others do nothing any more */
	struct phone phone[PHONES];
	unsigned int requests, told, died;
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

	(void) world_deliver(&m->w, box, flags[pick(m, ARRAY_SIZE(flags))], m->server.today - pick(m, 6));
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
		m->server.today += pick(m, 8) == 0;
	else if (pick(m, 8) == 0)
		world_rebuild(&m->w);
}

/* While a request runs. */
static void meanwhile(void *arg)
{
	struct model *m = arg;

	for (int i = 0; !m->ends && pick(m, 12) == 0 && i < 3; i++)
		others_act(m);
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

static void take_steps(struct model *m, struct phone *p, unsigned int box, const struct eas_answered *in)
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
static void take_sync(struct model *m, struct phone *p, const struct eas_answered *in)
{
	const struct eas_asked *rq = &p->pending;

	if (in->status == 8) {
		sync_folders(m, p);
		return;
	}
	if (rq->act == EAS_ACT_SET) {
		uint32_t *mine = held(p, rq->box, rq->uid);

		*mine = (*mine & ~rq->bits) | rq->value;
	} else if (rq->act == EAS_ACT_DELETE) {
		*held(p, rq->box, rq->uid) = 0;
	} else if (rq->act == EAS_ACT_ADD) {
		assert_int_equal(*held(p, rq->box, in->uid), 0);
		*held(p, rq->box, in->uid) = HELD | SEEN;
	}
	take_steps(m, p, rq->box, in);
	p->key[rq->box] = in->key;
}

static void take_move(struct phone *p, const struct eas_answered *in)
{
	const struct eas_asked *rq = &p->pending;
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
	struct eas_answered in;
	bool dies;

	lose &= p->losses < LOSSES_MAX;
	dies = lose && pick(m, 5) == 0;
	m->requests++;
	m->died += dies;
	p->waits = true;
	eas_server_ask(&m->server, &p->kept, &p->pending, dies, a, &in);
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

static void want_act(struct model *m, struct phone *p, struct eas_asked *rq)
{
	static const uint32_t bits[] = { SEEN, FLAGGED, KEYWORD };
	uint32_t what = pick(m, 8);

	if (!rq->key || what < 4)
		return;
	rq->uid = pick_held(m, p, rq->box);
	if (what == 4 && rq->box == DRAFTS) {
		rq->act = EAS_ACT_ADD;
		rq->client_id = ++p->client_ids;
	} else if (rq->uid) {
		rq->act = what == 5 ? EAS_ACT_DELETE : EAS_ACT_SET;
		rq->bits = bits[pick(m, ARRAY_SIZE(bits))];
		rq->value = pick(m, 2) ? rq->bits : 0;
	}
}

static void want(struct model *m, struct phone *p)
{
	static const size_t windows[] = { 1, 3, 25, 100, 512 };
	struct eas_asked *rq = &p->pending;

	*rq = (struct eas_asked){ .box = pick_known_box(m, p),
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
		p->pending = (struct eas_asked){ .box = box, .key = key, .window = 25, .filter = p->filter };
		ask(m, p, false);
	} while (p->key[box] != key);
}

static void compare(const struct model *m, struct phone *p, unsigned int box)
{
	const struct world_box *b = &m->w.box[box];

	for (uint32_t uid = 1; uid < b->next_uid; uid++) {
		const struct world_mail *mail = &b->mail[uid];
		bool in_window = !p->filter || mail->date >= eas_server_cutoff(&m->server, p->filter);

		assert_int_equal(*held(p, box, uid), eas_server_shows(mail) && in_window
		                                             ? HELD | eas_engine_token(mail->flags)
		                                             : 0);
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
	*m = (struct model){ .deep = DEEP };
	m->server = (struct eas_server){
		.w = &m->w, .trash = TRASH, .today = 1000, .meanwhile = meanwhile, .arg = m
	};
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
	for (int i = 0; i < PHONES; i++) {
		eas_kept_done(&m->phone[i].kept);
		for (unsigned int box = 0; box < WORLD_BOXES; box++)
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
		all.died += m.died;
		all.server.same += m.server.same;
		all.server.made_anew += m.server.made_anew;
		all.server.moved_again += m.server.moved_again;
		model_done(&m);
	}
	/* The model did what it is for. */
	assert_true(all.requests > 100 * worlds && all.told > all.requests && all.died > worlds);
	assert_true(all.server.same > worlds && all.server.made_anew > worlds &&
	            all.server.moved_again > worlds / 10);
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
