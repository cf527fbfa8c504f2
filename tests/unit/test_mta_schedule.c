/* The queue's schedule against simulated destinations, under a simulated clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/queue/schedule.h"

/* A destination: how long an attempt takes, and what it says. */
struct place {
	const char *name;
	int64_t takes_ms;
	unsigned int bears; /* attempts at once; more get 421. 0: any number */
	int64_t every_ms;   /* one message in so long a time; more are told so. 0: any number */
	bool down;
	/* what was seen */
	unsigned int now, most, attempts, delivered;
	int64_t last_ms;
};

struct letter {
	struct unit unit;
	struct place *place;
	struct agenda_entry ends; /* while it runs */
	enum sched_outcome outcome;
	int64_t started_ms, done_ms; /* -1: not yet */
};

struct world {
	struct sched s;
	struct agenda running;
	int64_t now_ms;
};

static const struct sched_options options = {
	.total = 100, .initial = 3, .max = 20, .retry_min_ms = 5000, .retry_max_ms = 3600000
};

static void world_init(struct world *w)
{
	*w = (struct world){ .now_ms = 1000000 };
	sched_init(&w->s, &options);
}

static struct letter *write_letters(struct world *w, struct place *p, uint64_t from, uint8_t rank, size_t n)
{
	struct letter *l = calloc(n, sizeof(*l));

	assert_non_null(l);
	for (size_t i = 0; i < n; i++) {
		struct lane *lane = sched_lane(&w->s, span_of(p->name));

		assert_non_null(lane);
		l[i].place = p;
		l[i].started_ms = l[i].done_ms = -1;
		l[i].unit.owner = &l[i];
		l[i].unit.from = from;
		l[i].unit.rank = rank;
		sched_add(&w->s, &l[i].unit, lane);
		assert_int_equal(sched_set(&w->s, &l[i].unit, w->now_ms, w->now_ms), 0);
	}
	return l;
}

static enum sched_outcome answer(struct place *p, int64_t now_ms)
{
	if (p->down)
		return SCHED_DOWN;
	if (p->bears && p->now > p->bears)
		return SCHED_LESS;
	if (p->every_ms && now_ms - p->last_ms < p->every_ms)
		return SCHED_SLOWER;
	p->last_ms = now_ms;
	return SCHED_OK;
}

static void start(struct world *w)
{
	struct unit *u;

	while ((u = sched_next(&w->s, w->now_ms))) {
		struct letter *l = u->owner;
		struct place *p = l->place;

		if (l->started_ms < 0)
			l->started_ms = w->now_ms;
		p->attempts++;
		p->now++;
		if (p->now > p->most)
			p->most = p->now;
		l->outcome = answer(p, w->now_ms);
		assert_int_equal(agenda_set(&w->running, &l->ends, w->now_ms + p->takes_ms), 0);
	}
}

static void end(struct world *w)
{
	struct agenda_entry *e;

	while ((e = agenda_first(&w->running)) && e->due_ms <= w->now_ms) {
		struct letter *l = (struct letter *) ((uintptr_t) e - offsetof(struct letter, ends));

		agenda_remove(&w->running, e);
		l->place->now--;
		(void) sched_end(&w->s, &l->unit, l->outcome, "no", w->now_ms, 0);
		if (l->outcome == SCHED_OK) {
			l->place->delivered++;
			l->done_ms = w->now_ms;
			sched_remove(&w->s, &l->unit);
		} else {
			assert_int_equal(sched_set(&w->s, &l->unit, w->now_ms, w->now_ms), 0);
		}
	}
}

/* Time goes from event to event. Returns whether nothing was left to do before the time is up. */
static bool run(struct world *w, int64_t for_ms)
{
	int64_t until = w->now_ms + for_ms;

	for (;;) {
		const struct agenda_entry *e;
		int64_t next;

		end(w);
		start(w);
		e = agenda_first(&w->running);
		next = sched_wake_ms(&w->s);
		if (e && e->due_ms < next)
			next = e->due_ms;
		if (next == INT64_MAX)
			return true;
		if (next > until) {
			w->now_ms = until;
			return false;
		}
		if (next > w->now_ms)
			w->now_ms = next;
	}
}

static void give_up(struct world *w, struct letter *l, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		agenda_remove(&w->running, &l[i].ends);
		sched_remove(&w->s, &l[i].unit);
	}
	free(l);
}

static void world_done(struct world *w)
{
	assert_int_equal(w->s.units, 0);
	assert_int_equal(w->s.ready, 0);
	assert_int_equal(w->s.running, 0);
	assert_int_equal(w->s.running_unproven, 0);
	assert_int_equal(w->s.flows.n, 0);
	sched_done(&w->s);
	agenda_done(&w->running);
}

static void a_campaign_delays_nobody_else(void **state)
{
	struct place big = { .name = "big.test", .takes_ms = 100 };
	struct letter *campaign, *letter;
	struct world w;

	world_init(&w);
	campaign = write_letters(&w, &big, 1, SCHED_RANK_NORMAL, 100000);
	(void) run(&w, 10000);
	letter = write_letters(&w, &big, 2, SCHED_RANK_NORMAL, 1);
	(void) run(&w, 1000);
	assert_true(letter[0].done_ms >= 0);
	assert_true(letter[0].done_ms - letter[0].started_ms <= 100);
	assert_true(letter[0].started_ms <= 1010000 + 100); /* at the first place that became free */
	give_up(&w, campaign, 100000);
	give_up(&w, letter, 1);
	world_done(&w);
}

static void two_campaigns_share_a_destination_evenly(void **state)
{
	struct place big = { .name = "big.test", .takes_ms = 100 };
	struct letter *one, *other;
	struct world w;
	int done[2] = { 0 };

	world_init(&w);
	one = write_letters(&w, &big, 1, SCHED_RANK_NORMAL, 10000);
	other = write_letters(&w, &big, 2, SCHED_RANK_NORMAL, 10000);
	(void) run(&w, 20000);
	for (size_t i = 0; i < 10000; i++) {
		done[0] += one[i].done_ms >= 0;
		done[1] += other[i].done_ms >= 0;
	}
	assert_true(done[0] > 1000);
	assert_true(abs(done[0] - done[1]) <= 20);
	give_up(&w, one, 10000);
	give_up(&w, other, 10000);
	world_done(&w);
}

static void a_dead_destination_is_probed_and_not_stormed(void **state)
{
	struct place dead = { .name = "dead.test", .takes_ms = 30000, .down = true };
	struct place fine = { .name = "fine.test", .takes_ms = 100 };
	struct letter *lost, *letters;
	struct world w;

	world_init(&w);
	lost = write_letters(&w, &dead, 1, SCHED_RANK_NORMAL, 10000);
	letters = write_letters(&w, &fine, 1, SCHED_RANK_NORMAL, 100);
	(void) run(&w, 4 * 3600000);
	assert_int_equal(fine.delivered, 100);
	assert_true(dead.attempts < 25); /* one every hour in the end, of 10,000 that wait */
	assert_true(dead.attempts >= 12);
	assert_int_equal(dead.most, 3); /* nothing was known of it when it began */
	/* It comes back, and is given all that waits, at the next probe. */
	dead.down = false;
	dead.takes_ms = 100;
	assert_true(run(&w, 2 * 3600000));
	assert_int_equal(dead.delivered, 10000);
	give_up(&w, lost, 10000);
	give_up(&w, letters, 100);
	world_done(&w);
}

static void probes_are_made_with_one_message_after_another(void **state)
{
	struct place dead = { .name = "dead.test", .takes_ms = 10, .down = true };
	struct letter *l;
	struct world w;
	size_t tried = 0;

	world_init(&w);
	l = write_letters(&w, &dead, 1, SCHED_RANK_NORMAL, 8);
	(void) run(&w, 3600000);
	for (size_t i = 0; i < 8; i++)
		tried += l[i].started_ms >= 0;
	assert_int_equal(tried, 8);
	give_up(&w, l, 8);
	world_done(&w);
}

/* Waits of each of ten thousand dead ones would fill all places for ever. */
static void ten_thousand_dead_destinations_leave_room_for_the_living(void **state)
{
	static char names[10000][32];
	static struct place dead[10000];
	struct place fine = { .name = "fine.test", .takes_ms = 100 },
		     late = { .name = "new.test", .takes_ms = 100 };
	struct letter *lost[10000], *letters, *one;
	struct world w;

	world_init(&w);
	letters = write_letters(&w, &fine, 1, SCHED_RANK_NORMAL, 1);
	(void) run(&w, 1000); /* known to be well */
	give_up(&w, letters, 1);
	for (size_t i = 0; i < 10000; i++) {
		(void) snprintf(names[i], sizeof(names[i]), "dead%zu.test", i);
		dead[i] = (struct place){ .name = names[i], .takes_ms = 30000, .down = true };
		lost[i] = write_letters(&w, &dead[i], 1, SCHED_RANK_NORMAL, 1);
	}
	(void) run(&w, 100000);
	letters = write_letters(&w, &fine, 2, SCHED_RANK_NORMAL, 50);
	(void) run(&w, 2000);
	assert_int_equal(fine.delivered, 51);
	one = write_letters(&w, &late, 2, SCHED_RANK_NORMAL, 1);
	assert_false(
		run(&w, 7200000)); /* one never heard of has to queue up among its like, but gets there */
	assert_int_equal(late.delivered, 1);
	give_up(&w, letters, 50);
	give_up(&w, one, 1);
	for (size_t i = 0; i < 10000; i++)
		give_up(&w, lost[i], 1);
	world_done(&w);
}

static void a_slow_destination_keeps_to_its_places(void **state)
{
	struct place slow = { .name = "slow.test", .takes_ms = 60000 },
		     fine = { .name = "fine.test", .takes_ms = 10 };
	struct letter *many, *letters;
	struct world w;

	world_init(&w);
	many = write_letters(&w, &slow, 1, SCHED_RANK_NORMAL, 20000);
	(void) run(&w, 3600000);
	assert_int_equal(slow.most, 20);
	letters = write_letters(&w, &fine, 1, SCHED_RANK_NORMAL, 1000);
	(void) run(&w, 5000);
	assert_int_equal(fine.delivered, 1000);
	give_up(&w, many, 20000);
	give_up(&w, letters, 1000);
	world_done(&w);
}

static void concurrency_finds_what_a_destination_bears(void **state)
{
	struct place p = { .name = "seven.test", .takes_ms = 200, .bears = 7 };
	struct letter *l;
	struct world w;

	world_init(&w);
	l = write_letters(&w, &p, 1, SCHED_RANK_NORMAL, 20000);
	(void) run(&w, 300000);
	assert_true(p.most <= 20);
	/* 7 at once are 10,500 in that time; the saw's teeth cost less than half, refusals are a small part.
	 */
	assert_true(p.delivered > 5000);
	assert_true(p.attempts - p.delivered < p.attempts / 10);
	give_up(&w, l, 20000);
	world_done(&w);
}

static void a_destination_that_wants_less_in_a_time_gets_less(void **state)
{
	struct place p = { .name = "rate.test", .takes_ms = 50, .every_ms = 500 };
	struct letter *l;
	struct world w;

	world_init(&w);
	l = write_letters(&w, &p, 1, SCHED_RANK_NORMAL, 10000);
	(void) run(&w, 3600000);
	assert_true(p.delivered > 500); /* 7200 would be all it takes */
	assert_true(p.attempts < 2 * p.delivered);
	give_up(&w, l, 10000);
	world_done(&w);
}

static void higher_ranks_go_first_and_the_lowest_still_goes(void **state)
{
	struct place p = { .name = "a.test", .takes_ms = 100 };
	struct letter *low, *high;
	struct world w;
	size_t before = 0;

	world_init(&w);
	low = write_letters(&w, &p, 1, SCHED_RANK_REPORT, 1000);
	high = write_letters(&w, &p, 2, SCHED_RANK_NORMAL - 4, 1000);
	while (p.delivered < 1000)
		(void) run(&w, 100);
	for (size_t i = 0; i < 1000; i++)
		before += low[i].done_ms >= 0;
	assert_true(before >= 80 && before <= 120);
	assert_true(run(&w, 3600000));
	give_up(&w, low, 1000);
	give_up(&w, high, 1000);
	world_done(&w);
}

static void who_writes_much_waits_behind_who_writes_a_letter(void **state)
{
	struct place p = { .name = "a.test", .takes_ms = 100 };
	struct letter *bulk, *some[40];
	struct world w;
	int64_t began;

	world_init(&w);
	bulk = write_letters(&w, &p, 1, SCHED_RANK_NORMAL, 5000);
	(void) run(&w, 5000);
	began = w.now_ms;
	for (uint64_t i = 0; i < 40; i++)
		some[i] = write_letters(&w, &p, 100 + i, SCHED_RANK_NORMAL, 1);
	(void) run(&w, 400);
	for (size_t i = 0; i < 40; i++)
		assert_true(some[i]->started_ms >= began && some[i]->started_ms <= began + 300);
	for (size_t i = 0; i < 40; i++)
		give_up(&w, some[i], 1);
	give_up(&w, bulk, 5000);
	world_done(&w);
}

static void failures_of_attempts_begun_together_count_once(void **state)
{
	struct place p = { .name = "a.test", .takes_ms = 100 };
	struct letter *l;
	struct world w;

	world_init(&w);
	l = write_letters(&w, &p, 1, SCHED_RANK_NORMAL, 10000);
	(void) run(&w, 20000);
	assert_int_equal(p.most, 20);
	p.down = true;
	(void) run(&w, 210);
	assert_int_equal(sched_find_lane(&w.s, SPAN_LIT("A.TEST"))->fails, 1);
	assert_true(sched_wake_ms(&w.s) <= w.now_ms + 5000);
	give_up(&w, l, 10000);
	world_done(&w);
}

static void a_lane_can_be_woken(void **state)
{
	struct place p = { .name = "a.test", .takes_ms = 10, .down = true };
	struct letter *l;
	struct lane *lane;
	struct world w;

	world_init(&w);
	l = write_letters(&w, &p, 1, SCHED_RANK_NORMAL, 10);
	(void) run(&w, 600000);
	lane = sched_find_lane(&w.s, span_of(p.name));
	assert_true(lane_is_asleep(lane));
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(sched_set(&w.s, &l[i].unit, w.now_ms + 1000000 + (int64_t) i, w.now_ms), 0);
	p.down = false;
	sched_wake_lane(&w.s, lane, w.now_ms);
	assert_true(run(&w, 100));
	assert_int_equal(p.delivered, 10);
	give_up(&w, l, 10);
	world_done(&w);
}

static void what_was_learned_stays_while_nothing_waits(void **state)
{
	struct place p = { .name = "a.test", .takes_ms = 10 };
	struct letter *l;
	struct world w;

	world_init(&w);
	l = write_letters(&w, &p, 1, SCHED_RANK_NORMAL, 1000);
	assert_true(run(&w, 600000));
	assert_int_equal(lane_places(sched_find_lane(&w.s, span_of(p.name))), 20);
	give_up(&w, l, 1000);
	for (size_t i = 0; i < 30000; i++) { /* but not for ever */
		char name[32];
		struct unit u = { 0 };

		(void) snprintf(name, sizeof(name), "d%zu.test", i);
		sched_add(&w.s, &u, sched_lane(&w.s, span_of(name)));
		sched_remove(&w.s, &u);
	}
	assert_int_equal(w.s.lanes.n, 20000);
	assert_null(sched_find_lane(&w.s, span_of(p.name)));
	world_done(&w);
}

/* Units put, stopped, run, ended and removed in any order; what is counted stays true. */
static void any_order_of_calls_keeps_the_books(void **state)
{
	static const char *const names[] = { "a.test", "b.test", "c.test", "d.test" };
	static struct unit units[500];
	uint32_t x = 7;
	int64_t now = 0;
	struct sched s;

	sched_init(&s, &options);
	memset(units, 0, sizeof(units));
	for (size_t step = 0; step < 400000; step++) {
		struct unit *u;
		size_t running = 0, ready = 0, in = 0;

		x = x * 1664525 + 1013904223;
		u = &units[(x >> 8) % ARRAY_SIZE(units)];
		now += (x >> 24) % 50;
		if (!u->lane) {
			u->rank = (uint8_t) (x >> 28);
			u->from = (x >> 20) % 5;
			sched_add(&s, u, sched_lane(&s, span_of(names[(x >> 18) % 4])));
		} else if (u->state == UNIT_RUNNING) {
			(void) sched_end(&s, u, (enum sched_outcome)((x >> 5) % 5), "why", now, x);
		} else if ((x >> 4) % 7 == 0) {
			sched_remove(&s, u);
		} else if ((x >> 4) % 7 == 1) {
			sched_stop(&s, u);
		} else {
			assert_int_equal(sched_set(&s, u, now + (int64_t) ((x >> 12) % 200) - 100, now), 0);
		}
		(void) sched_next(&s, now);
		if (step % 1000)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
			running += units[i].lane && units[i].state == UNIT_RUNNING;
			ready += units[i].lane && units[i].state == UNIT_READY;
			in += units[i].lane != NULL;
		}
		assert_int_equal(running, s.running);
		assert_int_equal(ready, s.ready);
		assert_int_equal(in, s.units);
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		sched_remove(&s, &units[i]);
	assert_int_equal(s.running + s.running_unproven + s.ready + s.units + s.flows.n, 0);
	sched_done(&s);
}

static void a_million_units_cost_little(void **state)
{
	enum { N = 1000000, DOMAINS = 20000 };
	struct unit *units = calloc(N, sizeof(*units));
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, bytes;
	struct sched s;
	char name[32];

	assert_non_null(units);
	sched_init(&s, &options);
	for (size_t i = 0; i < N; i++) {
		(void) snprintf(name, sizeof(name), "d%zu.test", i % DOMAINS);
		units[i].rank = SCHED_RANK_NORMAL;
		units[i].from = i % 50021;
		sched_add(&s, &units[i], sched_lane(&s, span_of(name)));
		assert_int_equal(sched_set(&s, &units[i], i % 2 ? 1 : (int64_t) (1000 + i), 1), 0);
	}
	bytes = (mallinfo2().uordblks + mallinfo2().hblkhd - before) / N + sizeof(*units);
	print_message("%zu bytes for each of %d units, %zu of them the unit\n", bytes, N, sizeof(*units));
	assert_true(bytes <
	            260); /* half of them are flows of their own here: one message of a sender to a domain */
	for (size_t i = 0; i < N; i++)
		sched_remove(&s, &units[i]);
	sched_done(&s);
	free(units);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_campaign_delays_nobody_else),
		cmocka_unit_test(two_campaigns_share_a_destination_evenly),
		cmocka_unit_test(a_dead_destination_is_probed_and_not_stormed),
		cmocka_unit_test(probes_are_made_with_one_message_after_another),
		cmocka_unit_test(ten_thousand_dead_destinations_leave_room_for_the_living),
		cmocka_unit_test(a_slow_destination_keeps_to_its_places),
		cmocka_unit_test(concurrency_finds_what_a_destination_bears),
		cmocka_unit_test(a_destination_that_wants_less_in_a_time_gets_less),
		cmocka_unit_test(higher_ranks_go_first_and_the_lowest_still_goes),
		cmocka_unit_test(who_writes_much_waits_behind_who_writes_a_letter),
		cmocka_unit_test(failures_of_attempts_begun_together_count_once),
		cmocka_unit_test(a_lane_can_be_woken),
		cmocka_unit_test(what_was_learned_stays_while_nothing_waits),
		cmocka_unit_test(any_order_of_calls_keeps_the_books),
		cmocka_unit_test(a_million_units_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
