/* Whose turn it is when more want to run than may at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/fiber.h"
#include "imapd/eas/turns.h"

#define ALL (TURNS_AT_ONCE + 20)

/* One that runs until it is let go. */
struct runner {
	struct turn turn;
	struct fiber *fiber; /* NULL: it does not run */
	unsigned int order;  /* the number of its run among all; 0: it has not */
};

struct world {
	struct event_base *base;
	struct turns turns;
	struct runner all[ALL];
};

static unsigned int begun;

static void run(struct turn *t)
{
	struct runner *r = (struct runner *) (void *) t;

	_Static_assert(offsetof(struct runner, turn) == 0, "a turn is its runner");
	r->order = ++begun;
	r->fiber = fiber_self();
	fiber_suspend();
	r->fiber = NULL;
}

static void no_stack(struct turn *t)
{
	fail_msg("no stack");
}

static int set_up(void **state)
{
	static const struct turn_ops ops = { run, no_stack };
	struct world *w = calloc(1, sizeof(*w));

	begun = 0;
	w->base = event_base_new();
	turns_init(&w->turns, w->base);
	for (size_t i = 0; i < ALL; i++) {
		w->all[i].turn.ops = &ops;
		turns_take(&w->turns, &w->all[i].turn);
	}
	*state = w;
	return 0;
}

static void let_go(struct world *w, size_t i)
{
	assert_non_null(w->all[i].fiber);
	fiber_resume(w->all[i].fiber);
	(void) event_base_loop(w->base, EVLOOP_NONBLOCK);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ALL; i++)
		turn_give_up(&w->all[i].turn);
	for (size_t i = 0; i < ALL; i++)
		if (w->all[i].fiber)
			let_go(w, i);
	turns_done(&w->turns);
	event_base_free(w->base);
	fiber_release_stacks();
	free(w);
	return 0;
}

static void so_many_run_and_the_others_wait(void **state)
{
	struct world *w = *state;

	assert_int_equal(begun, TURNS_AT_ONCE);
	assert_int_equal(fiber_count(), TURNS_AT_ONCE);
	turns_take(&w->turns, &w->all[TURNS_AT_ONCE].turn); /* it waits already */
	assert_int_equal(w->turns.waiting_n, ALL - TURNS_AT_ONCE);
	assert_false(turns_are_full(&w->turns));
}

static void who_came_first_runs_when_one_ends(void **state)
{
	struct world *w = *state;

	let_go(w, 7);
	let_go(w, 3);
	assert_int_equal(w->all[TURNS_AT_ONCE].order, TURNS_AT_ONCE + 1);
	assert_int_equal(w->all[TURNS_AT_ONCE + 1].order, TURNS_AT_ONCE + 2);
	assert_int_equal(begun, TURNS_AT_ONCE + 2);
}

static void who_gave_up_is_passed_over(void **state)
{
	struct world *w = *state;

	turn_give_up(&w->all[TURNS_AT_ONCE].turn);
	let_go(w, 0);
	assert_int_equal(w->all[TURNS_AT_ONCE].order, 0);
	assert_int_equal(w->all[TURNS_AT_ONCE + 1].order, TURNS_AT_ONCE + 1);
}

/* Nobody overtakes those who wait, also where one has just made room. */
static void who_comes_later_waits_behind_the_others(void **state)
{
	struct world *w = *state;

	fiber_resume(w->all[0].fiber);
	turns_take(&w->turns, &w->all[0].turn);
	assert_int_equal(begun, TURNS_AT_ONCE);
	(void) event_base_loop(w->base, EVLOOP_NONBLOCK);
	assert_int_equal(w->all[TURNS_AT_ONCE].order, TURNS_AT_ONCE + 1);
	assert_int_equal(w->all[0].order, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(so_many_run_and_the_others_wait),
		T(who_came_first_runs_when_one_ends),
		T(who_gave_up_is_passed_over),
		T(who_comes_later_waits_behind_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
