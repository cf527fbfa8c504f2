/*
 * What a device is told of a folder, without a store: sets of uids, keys, states as bytes, and a model in
 * which a mailbox changes, a device changes it too, and answers get lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imapd/eas/state/sync_key.h"
#include "imapd/eas/sync/engine.h"
#include "imapd/eas/sync/filter.h"
#include "storeproto/storeproto.h"

#define SEEN    STORE_FLAG_SEEN
#define FLAGGED STORE_FLAG_FLAGGED
#define DELETED STORE_FLAG_DELETED

/* ---- sets ---- */

#define UIDS 200

static void check_set(const struct eas_uidset *s, const uint32_t *model)
{
	uint64_t n = 0;

	assert_false(s->failed);
	for (uint32_t uid = 1; uid < UIDS; uid++) {
		uint32_t token = 0;
		bool has = eas_uidset_get(s, uid, &token);

		assert_int_equal(has, model[uid] != 0);
		if (has)
			assert_int_equal(token, model[uid]);
		n += has;
	}
	assert_int_equal(eas_uidset_count(s), n);
	for (size_t i = 1; i < s->n; i++) {
		assert_true(s->r[i].first > s->r[i - 1].last);
		assert_false(s->r[i].first == s->r[i - 1].last + 1 && s->r[i].token == s->r[i - 1].token);
	}
}

static void check_bytes(const struct eas_uidset *s, struct arena *a)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct eas_uidset again;
	struct span in;

	eas_uidset_init(&again, a);
	eas_uidset_encode(s, &b);
	in = buf_span(&b);
	assert_int_equal(eas_uidset_decode(&in, &again), 0);
	assert_int_equal(in.len, 0);
	assert_int_equal(again.n, s->n);
	if (s->n)
		assert_memory_equal(again.r, s->r, s->n * sizeof(*s->r));
	for (size_t cut = 0; cut < b.len; cut++) {
		in = span_make(b.p, cut);
		assert_int_equal(eas_uidset_decode(&in, &again), -POD_E_CORRUPT);
	}
}

static void sets_are_as_arrays_of_tokens(void **state)
{
	for (unsigned int seed = 1; seed <= 50; seed++) {
		_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 64 << 20);
		uint32_t model[UIDS] = { 0 };
		struct eas_uidset s;

		eas_uidset_init(&s, a);
		for (int i = 0; i < 200; i++) {
			uint32_t first = 1 + (uint32_t) rand_r(&seed) % (UIDS - 2);
			uint32_t last = first + (uint32_t) rand_r(&seed) % (UIDS - first),
				 token = 1 + (uint32_t) rand_r(&seed) % 3;
			bool remove = rand_r(&seed) % 3 == 0;

			if (rand_r(&seed) % 2)
				last = first;
			if (remove)
				eas_uidset_remove(&s, first, last);
			else
				eas_uidset_put(&s, first, last, token);
			for (uint32_t uid = first; uid <= last; uid++)
				model[uid] = remove ? 0 : token;
			check_set(&s, model);
		}
		check_bytes(&s, a);
	}
}

static void the_difference_of_sets_makes_one_out_of_the_other(void **state)
{
	for (unsigned int seed = 1; seed <= 200; seed++) {
		_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 16 << 20);
		struct eas_uidset from, to, other, gone;

		eas_uidset_init(&from, a);
		eas_uidset_init(&to, a);
		eas_uidset_init(&other, a);
		eas_uidset_init(&gone, a);
		for (int i = 0; i < 40; i++) {
			uint32_t uid = 1 + (uint32_t) rand_r(&seed) % 60;

			eas_uidset_put(i % 2 ? &from : &to, uid, uid + (uint32_t) rand_r(&seed) % 4,
			               (uint32_t) rand_r(&seed) % 3);
		}
		eas_uidset_subtract(&to, &from, EAS_COMPARE_TOKENS, &other);
		eas_uidset_subtract(&from, &to, EAS_COMPARE_UIDS, &gone);
		for (size_t i = 0; i < gone.n; i++)
			eas_uidset_remove(&from, gone.r[i].first, gone.r[i].last);
		for (size_t i = 0; i < other.n; i++)
			eas_uidset_put(&from, other.r[i].first, other.r[i].last, other.r[i].token);
		assert_int_equal(from.n, to.n);
		assert_memory_equal(from.r, to.r, to.n * sizeof(*to.r));
	}
}

static void the_largest_uid_is_a_uid(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct eas_uidset s;

	eas_uidset_init(&s, a);
	eas_uidset_put(&s, UINT32_MAX - 1, UINT32_MAX, 5);
	eas_uidset_put(&s, UINT32_MAX, UINT32_MAX, 6);
	assert_int_equal(eas_uidset_count(&s), 2);
	check_bytes(&s, a);
	eas_uidset_remove(&s, 1, UINT32_MAX);
	assert_int_equal(s.n, 0);
}

/* ---- keys, filters ---- */

static void keys_are_taken_as_they_were_given_out_and_no_others(void **state)
{
	static const char *const bad[] = { "",
		                           "1",
		                           "00",
		                           "0123456789abcdef",
		                           "0123456789abcdef.",
		                           "0123456789abcdef.0",
		                           "0123456789abcdef.01",
		                           "0123456789ABCDEF.1",
		                           "0123456789abcdef.-1",
		                           "0123456789abcdef.18446744073709551616",
		                           "g123456789abcdef.1",
		                           " 0" };
	struct eas_sync_key key = { 0xfedcba9876543210, 42 }, again;
	char text[EAS_SYNC_KEY_SIZE];

	eas_sync_key_format(&key, text);
	assert_string_equal(text, "fedcba9876543210.42");
	assert_int_equal(eas_sync_key_parse(span_of(text), &again), 0);
	assert_memory_equal(&again, &key, sizeof(key));
	assert_int_equal(eas_sync_key_parse(SPAN_LIT("0"), &again), 0);
	assert_int_equal(again.number, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(eas_sync_key_parse(span_of(bad[i]), &again), -POD_E_SYNTAX);
}

static void a_filter_begins_with_a_day(void **state)
{
	const int64_t now = 1700000000, midnight = now / 86400 * 86400;

	assert_int_equal(eas_filter_cutoff(0, now), 0);
	assert_int_equal(eas_filter_cutoff(1, now), midnight - 86400);
	assert_int_equal(eas_filter_cutoff(5, now), midnight - 31 * 86400);
	assert_int_equal(eas_filter_cutoff(6, now), 0);
	assert_int_equal(eas_filter_cutoff(8, now), 0);
}

/* ---- the model ---- */

enum { MESSAGES = 400 };

struct message {
	bool there;
	uint32_t flags;
	uint64_t modseq;
	int64_t date;
};

struct world {
	unsigned int seed;
	struct message mail[MESSAGES];
	uint32_t next_uid;
	uint64_t modseq;
	uint64_t gone_at[MESSAGES]; /* modseq of the expunge */
	uint64_t floor;             /* what vanished before is forgotten */
	int64_t cutoff;
	unsigned int filter;
	/* The server's state, as bytes; it lives in no other way between requests. */
	struct buf bytes;
	/* The device. */
	bool has[MESSAGES];
	uint32_t knows[MESSAGES];
	uint64_t key;
	uint32_t last_uids[MESSAGES]; /* of a lost answer, to be compared with the next */
	size_t last_n;
	uint64_t last_key;
	unsigned int told, replayed, same;
};

static uint32_t pick(struct world *w, uint32_t n)
{
	return (uint32_t) rand_r(&w->seed) % n;
}

static bool is_visible(const struct world *w, uint32_t uid)
{
	const struct message *m = &w->mail[uid];

	return m->there && !(m->flags & DELETED) && m->date >= w->cutoff;
}

static void save(struct world *w, const struct eas_collection_state *s)
{
	buf_clear(&w->bytes);
	eas_collection_encode(s, &w->bytes);
	assert_false(w->bytes.failed);
}

static void load(struct world *w, struct arena *a, struct eas_collection_state *s)
{
	assert_int_equal(eas_collection_decode(buf_span(&w->bytes), a, s), 0);
}

static void begin(struct world *w)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct eas_collection_state s;

	eas_collection_init(&s, a);
	s.epoch = 7;
	s.now.number = 1;
	save(w, &s);
	w->key = 1;
	w->last_n = 0;
	memset(w->has, 0, sizeof(w->has));
}

/* As look.c does it with the store's answers. */
static void refresh(struct world *w, struct eas_generation *g)
{
	struct eas_listing l;
	bool lists = eas_engine_needs_list(g, w->filter, w->cutoff);

	if (lists)
		eas_engine_list_begin(&l, g, w->filter, w->cutoff);
	for (uint32_t uid = 1; uid < w->next_uid; uid++) {
		const struct message *m = &w->mail[uid];
		const struct eas_row row = { uid, m->flags, m->modseq, m->date };

		if (m->there && lists)
			eas_engine_list_row(&l, &row);
		else if (m->there && m->modseq > g->watermark)
			eas_engine_row(g, &row);
	}
	for (uint32_t uid = 1; !lists && uid < w->next_uid; uid++)
		if (!w->mail[uid].there && (w->gone_at[uid] > g->watermark || g->watermark < w->floor))
			eas_engine_vanished(g, uid, uid);
	if (lists)
		eas_engine_list_end(&l, w->modseq);
	else
		eas_engine_seen_until(g, w->modseq);
}

struct answer {
	uint64_t key;
	struct eas_step steps[MESSAGES];
	uint32_t flags[MESSAGES];
	size_t n;
	bool more;
};

static void tell(struct world *w, struct eas_generation *next, const struct eas_plan *plan,
                 struct answer *out)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct eas_step *s = &plan->steps[i];
		const struct message *m = &w->mail[s->uid];

		if (i >= plan->first_row && (!m->there || m->flags & DELETED)) {
			eas_engine_lost(next, s);
			continue;
		}
		eas_engine_told(next, s, m->flags, m->modseq);
		out->flags[out->n] = m->flags;
		out->steps[out->n++] = *s;
	}
}

/* As part.c: with the newest key, or with the one before. */
static void answer(struct world *w, uint64_t key, size_t window, struct answer *out)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 16 << 20);
	struct eas_collection_state s;
	struct eas_generation next;
	struct eas_plan plan;
	bool again, exact = true;

	*out = (struct answer){ .key = key };
	load(w, a, &s);
	again = s.has_before && key == s.before.number;
	assert_true(again || key == s.now.number);
	if (again) {
		assert_int_equal(eas_engine_replay(&s.now, a, &plan), 0);
		for (size_t i = 0; i < plan.n; i++) {
			const struct message *m = &w->mail[plan.steps[i].uid];

			exact &= eas_engine_is_as_told(&s.now, &plan.steps[i],
			                               m->there && !(m->flags & DELETED),
			                               eas_engine_token(m->flags));
		}
		if (exact && s.now.filter == w->filter && s.now.cutoff == w->cutoff) {
			eas_generation_copy(&next, &s.now, a);
			tell(w, &next, &plan, out);
			out->key = s.now.number;
			out->more = eas_engine_pending(&s.now) > 0;
			return;
		}
	}
	eas_generation_copy(&next, again ? &s.before : &s.now, a);
	refresh(w, &next);
	assert_int_equal(eas_engine_plan(&next, again ? &s.now.sent : NULL, window, a, &plan), 0);
	assert_true(plan.n <= window);
	tell(w, &next, &plan, out);
	out->more = eas_engine_pending(&next) > 0;
	if (out->n || again || out->more)
		eas_engine_step(&s, &next, again);
	else
		eas_engine_stay(&s, &next);
	out->key = s.now.number;
	save(w, &s);
}

/* The device believes what it is told, and checks that it is told nothing twice and nothing of what it has
 * not. */
static void receive(struct world *w, const struct answer *in)
{
	for (size_t i = 0; i < in->n; i++) {
		uint32_t uid = in->steps[i].uid;

		switch (in->steps[i].tell) {
		case EAS_TELL_ADD:
			assert_false(w->has[uid]);
			w->has[uid] = true;
			break;
		case EAS_TELL_CHANGE: assert_true(w->has[uid]); break;
		case EAS_TELL_DELETE:
		case EAS_TELL_SOFT_DELETE:
			assert_true(w->has[uid]);
			w->has[uid] = false;
			break;
		}
		w->knows[uid] = eas_engine_token(in->flags[i]);
		w->told++;
	}
	w->key = in->key;
	w->last_n = 0;
}

/* An answer that comes again under the same key says the same; under another, no less as long as it is there
 * to say. */
static void check_again(struct world *w, const struct answer *in, size_t window)
{
	w->replayed++;
	w->same += in->key == w->last_key;
	if (in->key == w->last_key)
		assert_int_equal(in->n, w->last_n);
	for (size_t i = 0; i < w->last_n && window >= MESSAGES; i++) {
		uint32_t uid = w->last_uids[i];
		bool found = !is_visible(w, uid) || w->has[uid];

		for (size_t j = 0; j < in->n; j++)
			found |= in->steps[j].uid == uid;
		assert_true(found);
	}
}

static void sync_once(struct world *w, bool lose)
{
	size_t window = pick(w, 3) ? 1 + pick(w, 20) : MESSAGES;
	struct answer in;

	answer(w, w->key, window, &in);
	if (w->last_n)
		check_again(w, &in, window);
	if (!lose) {
		receive(w, &in);
		return;
	}
	w->last_n = 0;
	w->last_key = in.key;
	for (size_t i = 0; i < in.n && in.key != w->key; i++)
		w->last_uids[w->last_n++] = in.steps[i].uid;
}

static uint32_t pick_there(struct world *w)
{
	for (int i = 0; i < 20; i++) {
		uint32_t uid = 1 + pick(w, w->next_uid);

		if (uid < w->next_uid && w->mail[uid].there)
			return uid;
	}
	return 0;
}

static void touch(struct world *w, uint32_t uid, uint32_t flags)
{
	w->mail[uid].flags = flags;
	w->mail[uid].modseq = ++w->modseq;
}

/* The device changes or deletes one of its messages, in a request of its own: as client.c does it. */
static void device_acts(struct world *w)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 16 << 20);
	uint32_t uid = 1 + pick(w, w->next_uid);
	struct eas_collection_state s;
	struct eas_generation next;

	load(w, a, &s);
	if (uid >= w->next_uid || !w->has[uid] || w->key != s.now.number || !w->mail[uid].there)
		return;
	eas_generation_copy(&next, &s.now, a);
	if (pick(w, 3) == 0) { /* it sets what is set already, whether it has heard of that or not */
		uint32_t has = eas_engine_token(w->mail[uid].flags);

		w->knows[uid] = (w->knows[uid] & ~SEEN) | (has & SEEN);
		eas_engine_own(&next, uid, w->knows[uid], has, 0);
	} else if (pick(w, 2)) {
		uint32_t before = eas_engine_token(w->mail[uid].flags), after, knew = 0;

		assert_true(eas_uidset_get(&next.have, uid, &knew));
		touch(w, uid, w->mail[uid].flags ^ SEEN);
		after = eas_engine_token(w->mail[uid].flags);
		w->knows[uid] = (knew & ~(before ^ after)) | (after & (before ^ after));
		eas_engine_own(&next, uid, w->knows[uid], after, w->modseq);
	} else {
		w->mail[uid].there = false;
		w->gone_at[uid] = ++w->modseq;
		w->has[uid] = false;
		eas_engine_own_gone(&next, uid);
	}
	eas_engine_step(&s, &next, false);
	save(w, &s);
	w->key = s.now.number;
}

static void deliver(struct world *w)
{
	static const uint32_t flags[] = { 0, SEEN, SEEN | FLAGGED, DELETED, 1u << 9 };

	if (w->next_uid == MESSAGES)
		return;
	w->mail[w->next_uid] =
		(struct message){ true, flags[pick(w, ARRAY_SIZE(flags))], ++w->modseq, 100 + pick(w, 100) };
	w->next_uid++;
}

static void others_act(struct world *w)
{
	uint32_t uid = pick_there(w);

	switch (pick(w, 8)) {
	case 0:
	case 1:
	case 2: deliver(w); break;
	case 3:
		if (uid)
			touch(w, uid, w->mail[uid].flags ^ SEEN);
		break;
	case 4:
		if (uid)
			touch(w, uid, w->mail[uid].flags ^ DELETED);
		break;
	case 5:
		if (uid)
			touch(w, uid, w->mail[uid].flags ^ FLAGGED);
		break;
	default:
		if (uid) {
			w->mail[uid].there = false;
			w->gone_at[uid] = ++w->modseq;
		}
	}
}

/* The index is made anew: all has a new modseq, and nobody knows what vanished. */
static void rebuild(struct world *w)
{
	w->modseq += 1000;
	w->floor = w->modseq;
	for (uint32_t uid = 1; uid < w->next_uid; uid++)
		w->mail[uid].modseq = w->modseq;
}

static void move_window(struct world *w)
{
	w->filter = pick(w, 3);
	w->cutoff = w->filter ? 90 + pick(w, 110) : 0;
}

static void happen(struct world *w)
{
	switch (pick(w, 40)) {
	case 0: rebuild(w); break;
	case 1: move_window(w); break;
	case 2:
		if (pick(w, 10) == 0)
			begin(w);
		break;
	default:
		if (pick(w, 3) == 0)
			sync_once(w, pick(w, 3) == 0);
		else if (pick(w, 4) == 0 && w->last_n == 0)
			device_acts(w);
		else
			others_act(w);
	}
}

static void check_picture(struct world *w)
{
	struct answer in;

	do {
		answer(w, w->key, 7, &in);
		receive(w, &in);
	} while (in.n || in.more);
	for (uint32_t uid = 1; uid < w->next_uid; uid++) {
		assert_int_equal(w->has[uid], is_visible(w, uid));
		if (w->has[uid])
			assert_int_equal(w->knows[uid], eas_engine_token(w->mail[uid].flags));
	}
}

static void a_device_ends_with_what_the_mailbox_has_whatever_gets_lost(void **state)
{
	unsigned int told = 0, replayed = 0, same = 0;

	for (unsigned int seed = 1; seed <= 300; seed++) {
		struct world w = { .seed = seed, .next_uid = 1, .modseq = 10 };

		begin(&w);
		for (int i = 0; i < 600; i++) {
			happen(&w);
			if (i % 150 == 149)
				check_picture(&w);
		}
		told += w.told;
		replayed += w.replayed;
		same += w.same;
		buf_done(&w.bytes);
	}
	/* The model did what it is for. */
	assert_true(told > 20000 && replayed > 2000 && same > 200 && same < replayed);
}

static void what_the_device_did_itself_is_nothing_to_tell(void **state)
{
	struct world w = { .seed = 1, .next_uid = 1, .modseq = 10 };
	struct answer in;

	begin(&w);
	for (int i = 0; i < 50; i++)
		deliver(&w);
	check_picture(&w);
	for (int i = 0; i < 200; i++)
		device_acts(&w);
	answer(&w, w.key, 512, &in);
	assert_int_equal(in.n, 0);
	assert_int_equal(in.key, w.key);
	buf_done(&w.bytes);
}

static void what_others_did_to_a_message_is_told_though_the_device_did_something_to_it_too(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	const struct eas_row row = { 1, FLAGGED, 11, 0 };
	struct eas_generation g;
	uint32_t knows = 1;

	eas_generation_init(&g, a);
	g.listed = true;
	eas_uidset_put(&g.have, 1, 1, 0);
	eas_engine_row(&g, &row);
	eas_engine_seen_until(&g, 11);
	assert_int_equal(eas_engine_pending(&g), 1);
	/* It says that the message is not read, which is so; of the flag it has not heard. */
	eas_engine_own(&g, 1, 0, FLAGGED, 0);
	assert_int_equal(eas_engine_pending(&g), 1);
	eas_engine_own(&g, 1, FLAGGED, FLAGGED, 12);
	assert_int_equal(eas_engine_pending(&g), 0);
	assert_true(eas_uidset_get(&g.have, 1, &knows));
	assert_int_equal(knows, FLAGGED);
}

static void a_change_among_100000_messages_takes_no_walk(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 256 << 20);
	const struct eas_row row = { 50000, SEEN, 11, 0 };
	struct eas_collection_state s, again;
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct eas_generation next;
	struct eas_plan plan;

	eas_collection_init(&s, a);
	s.now.listed = true;
	s.now.watermark = 10;
	s.now.number = 5;
	eas_uidset_put(&s.now.have, 1, 100000, 0);
	eas_generation_copy(&next, &s.now, a);
	eas_engine_row(&next, &row);
	eas_engine_seen_until(&next, 11);
	assert_int_equal(eas_engine_plan(&next, NULL, 100, a, &plan), 0);
	assert_int_equal(plan.n, 1);
	eas_engine_told(&next, &plan.steps[0], SEEN, 11);
	eas_engine_step(&s, &next, false);
	eas_collection_encode(&s, &b);
	assert_true(b.len < 200);
	assert_int_equal(eas_collection_decode(buf_span(&b), a, &again), 0);
	assert_int_equal(again.before.have.n, 1);
	assert_int_equal(again.now.have.n, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_as_arrays_of_tokens),
		cmocka_unit_test(the_difference_of_sets_makes_one_out_of_the_other),
		cmocka_unit_test(the_largest_uid_is_a_uid),
		cmocka_unit_test(keys_are_taken_as_they_were_given_out_and_no_others),
		cmocka_unit_test(a_filter_begins_with_a_day),
		cmocka_unit_test(a_device_ends_with_what_the_mailbox_has_whatever_gets_lost),
		cmocka_unit_test(what_the_device_did_itself_is_nothing_to_tell),
		cmocka_unit_test(
			what_others_did_to_a_message_is_told_though_the_device_did_something_to_it_too),
		cmocka_unit_test(a_change_among_100000_messages_takes_no_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
