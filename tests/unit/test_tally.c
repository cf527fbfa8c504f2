#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tally/login.h"
#include "tally/tally.h"

#define NOW INT64_C(1000000000000)

struct fixture {
	char dir[40], path[64];
	struct tally *t;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = { 0 };

	assert_non_null(f);
	strcpy(f->dir, "/tmp/podmail-tally-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void) snprintf(f->path, sizeof(f->path), "%s/tally", f->dir);
	if (tally_open(f->path, &f->t, &err) < 0)
		fail_msg("%s", err.text);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->t = tally_close(f->t);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void a_rate_holds_in_any_period_and_says_when_there_is_room(void **state)
{
	struct fixture *f = *state;
	const struct tally_rate ten = { 10, 3600 };
	struct tally_key k = tally_key(f->t, "messages", SPAN_LIT("ann@example.test"));
	struct tally_key other = tally_key(f->t, "messages", SPAN_LIT("bob@example.test"));
	int64_t start = NOW - NOW % 3600000, now = start + 1800000;
	uint32_t wait = 0;

	for (int i = 0; i < 10; i++)
		assert_int_equal(tally_take(f->t, &k, ten, 1, now, &wait), 0);
	assert_int_equal(tally_take(f->t, &k, ten, 1, now, &wait), -POD_E_LIMIT);
	assert_in_range(wait, 1800 + 360, 1800 + 361);
	assert_int_equal(tally_take(f->t, &other, ten, 1, now, &wait), 0);
	/* What the wait promised holds: not before, but then. */
	assert_int_equal(tally_take(f->t, &k, ten, 1, now + (wait - 5) * 1000, &(uint32_t){ 0 }),
	                 -POD_E_LIMIT);
	assert_int_equal(tally_take(f->t, &k, ten, 1, now + wait * 1000, &(uint32_t){ 0 }), 0);
	assert_int_equal(tally_take(f->t, &k, ten, 1, now + wait * 1000, &(uint32_t){ 0 }), -POD_E_LIMIT);
	/* Long after, nothing is left of it. */
	assert_int_equal(tally_take(f->t, &k, ten, 10, now + 4 * 3600000, &wait), 0);
	assert_int_equal(tally_take(f->t, &k, ten, 11, now + 40 * 3600000, &wait), -POD_E_LIMIT);
}

static void what_was_taken_for_nothing_is_given_back(void **state)
{
	struct fixture *f = *state;
	const struct tally_rate two = { 2, 60 };
	struct tally_key k = tally_key(f->t, "m", SPAN_LIT("x"));
	uint32_t wait;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(tally_take(f->t, &k, two, 2, NOW, &wait), 0);
		tally_give_back(f->t, &k, two, 2, NOW);
	}
	tally_give_back(f->t, &k, two, 2, NOW);
	assert_int_equal(tally_take(f->t, &k, two, 3, NOW, &wait), -POD_E_LIMIT);
}

static const struct tally_patience patience = { 2, 1000, 60000, 600000 };

static void failures_make_the_next_try_wait_twice_as_long_each_time(void **state)
{
	struct fixture *f = *state;
	struct tally_key k = tally_key(f->t, "login", SPAN_LIT("192.0.2.1"));
	int64_t now = NOW;
	uint32_t wait = 0;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(tally_try(f->t, &k, &patience, now, &wait), 0);
		tally_failed(f->t, &k, &patience, now);
	}
	for (uint32_t expected = 1000; expected <= 32000; expected *= 2) {
		assert_int_equal(tally_try(f->t, &k, &patience, now, &wait), 0);
		tally_failed(f->t, &k, &patience, now);
		assert_int_equal(tally_try(f->t, &k, &patience, now, &wait), -POD_E_BUSY);
		assert_int_equal(wait, expected);
		now += wait;
	}
	for (int i = 0; i < 100; i++)
		tally_failed(f->t, &k, &patience, now);
	assert_int_equal(tally_try(f->t, &k, &patience, now, &wait), -POD_E_BUSY);
	assert_int_equal(wait, 60000);
	/* A day later nobody remembers. */
	assert_int_equal(tally_try(f->t, &k, &patience, now + 86400000, &wait), 0);
	assert_int_equal(tally_try(f->t, &k, &patience, now + 86400000, &wait), 0);
}

static void of_many_who_try_at_once_one_is_let_in(void **state)
{
	struct fixture *f = *state;
	struct tally_key k = tally_key(f->t, "login", SPAN_LIT("192.0.2.1"));
	uint32_t wait = 0;
	int in = 0;

	for (int i = 0; i < 5; i++)
		tally_failed(f->t, &k, &patience, NOW);
	for (int i = 0; i < 50; i++)
		in += tally_try(f->t, &k, &patience, NOW + 4000, &wait) == 0;
	assert_int_equal(in, 1);
	tally_clear(f->t, &k);
	assert_int_equal(tally_try(f->t, &k, &patience, NOW + 4000, &wait), 0);
}

static void marks_end(void **state)
{
	struct fixture *f = *state;
	struct tally_key k = tally_key2(f->t, "known", SPAN_LIT("ann"), SPAN_LIT("192.0.2.1"));
	struct tally_key other = tally_key2(f->t, "known", SPAN_LIT("ann1"), SPAN_LIT("92.0.2.1"));

	assert_false(tally_is_marked(f->t, &k, NOW));
	tally_mark(f->t, &k, NOW + 1000);
	assert_true(tally_is_marked(f->t, &k, NOW + 999));
	assert_false(tally_is_marked(f->t, &k, NOW + 1000));
	assert_false(tally_is_marked(f->t, &other, NOW));
}

static void levels_are_summed_over_processes_and_go_with_them(void **state)
{
	struct fixture *f = *state;
	struct tally *second = NULL;
	struct tally_key k = tally_key(f->t, "connections", SPAN_LIT("192.0.2.0/24"));

	assert_int_equal(tally_open(f->path, &second, NULL), 0);
	tally_take_slot(f->t, 0);
	tally_take_slot(second, 1);
	assert_int_equal(tally_enter(f->t, &k, 3, NOW), 0);
	assert_int_equal(tally_enter(second, &k, 3, NOW), 0);
	assert_int_equal(tally_enter(second, &k, 3, NOW), 0);
	assert_int_equal(tally_enter(f->t, &k, 3, NOW), -POD_E_LIMIT);
	tally_leave(second, &k, NOW);
	assert_int_equal(tally_enter(f->t, &k, 3, NOW), 0);
	assert_int_equal(tally_enter(second, &k, 3, NOW), -POD_E_LIMIT);
	/* The second dies; its successor begins with nothing. */
	second = tally_close(second);
	assert_int_equal(tally_open(f->path, &second, NULL), 0);
	tally_take_slot(second, 1);
	assert_int_equal(tally_enter(second, &k, 3, NOW), 0);
	assert_int_equal(tally_enter(second, &k, 3, NOW), -POD_E_LIMIT);
	second = tally_close(second);
}

static void processes_that_count_at_the_same_time_lose_nothing(void **state)
{
	enum { PROCESSES = 4, EACH = 2000 };
	struct fixture *f = *state;
	const struct tally_rate rate = { PROCESSES * EACH, 86400 };
	struct tally_key k = tally_key(f->t, "all", SPAN_LIT("x"));
	uint32_t wait;

	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		for (int n = 0; n < EACH; n++)
			if (tally_take(f->t, &k, rate, 1, NOW, &wait) < 0)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		assert_true(wait4(-1, &status, 0, NULL) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(tally_take(f->t, &k, rate, 1, NOW, &wait), -POD_E_LIMIT);
}

static void counts_outlive_who_made_them_and_a_file_of_another_make_is_replaced(void **state)
{
	struct fixture *f = *state;
	const struct tally_rate one = { 1, 3600 };
	struct tally_key k = tally_key(f->t, "m", SPAN_LIT("x"));
	uint32_t wait;
	FILE *file;

	assert_int_equal(tally_take(f->t, &k, one, 1, NOW, &wait), 0);
	f->t = tally_close(f->t);
	assert_int_equal(tally_open(f->path, &f->t, NULL), 0);
	k = tally_key(f->t, "m", SPAN_LIT("x"));
	assert_int_equal(tally_take(f->t, &k, one, 1, NOW, &wait), -POD_E_LIMIT);
	f->t = tally_close(f->t);
	file = fopen(f->path, "r+");
	assert_non_null(file);
	assert_int_equal(fwrite("oldtally", 1, 8, file), 8);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(tally_open(f->path, &f->t, NULL), 0);
	assert_int_equal(tally_take(f->t, &k, one, 1, NOW, &wait), 0);
}

static void a_flood_of_names_makes_it_forget_and_not_fail(void **state)
{
	struct fixture *f = *state;
	const struct tally_rate one = { 1, 3600 };
	uint32_t wait;
	char name[32];

	for (int i = 0; i < 200000; i++) {
		struct tally_key k;

		(void) snprintf(name, sizeof(name), "user%d", i);
		k = tally_key(f->t, "m", span_of(name));
		assert_int_equal(tally_take(f->t, &k, one, 1, NOW + i, &wait), 0);
	}
}

static const struct login_rules rules = { 3, 900000 };

/* One try with a wrong password, if it is let in at all. */
static int guess(struct fixture *f, const char *user, const char *network, int64_t now, uint32_t *ret_wait)
{
	const struct login_try try = { span_of(user), span_of(network) };
	int r = login_may_try(f->t, &rules, &try, now, ret_wait);

	if (r == 0)
		login_failed(f->t, &rules, &try, now);
	return r;
}

static void guessing_is_slow_from_one_network_and_at_one_user_from_many(void **state)
{
	struct fixture *f = *state;
	char name[40];
	uint32_t wait;
	int let_in = 0;

	/* Ten thousand users from one network within ten minutes. */
	for (int i = 0; i < 10000; i++) {
		(void) snprintf(name, sizeof(name), "user%d@example.test", i);
		let_in += guess(f, name, "192.0.2.1/32", NOW + i * 60, &wait) == 0;
	}
	assert_in_range(let_in, 12, 24);
	/* One user from ten thousand networks. */
	let_in = 0;
	for (int i = 0; i < 10000; i++) {
		(void) snprintf(name, sizeof(name), "10.0.%d.%d/32", i / 256, i % 256);
		let_in += guess(f, "ann@example.test", name, NOW + i * 60, &wait) == 0;
	}
	assert_in_range(let_in, 3, 15);
}

static void the_right_user_is_let_in_where_they_are_known_whatever_strangers_do(void **state)
{
	struct fixture *f = *state;
	const struct login_try home = { SPAN_LIT("ann@example.test"), SPAN_LIT("192.0.2.1/32") };
	const struct login_try away = { SPAN_LIT("ann@example.test"), SPAN_LIT("198.51.100.7/32") };
	uint32_t wait = 0;

	assert_int_equal(login_may_try(f->t, &rules, &home, NOW, &wait), 0);
	login_succeeded(f->t, &home, NOW);
	for (int i = 0; i < 1000; i++) {
		(void) guess(f, "ann@example.test", "203.0.113.9/32", NOW + i, &wait);
		(void) guess(f, "bob@example.test", "192.0.2.1/32", NOW + i, &wait);
	}
	assert_int_equal(login_may_try(f->t, &rules, &away, NOW + 1000, &wait), -POD_E_BUSY);
	assert_int_equal(login_may_try(f->t, &rules, &home, NOW + 1000, &wait), 0);
	/* An old password of their own in some device makes them wait, but never for long. */
	for (int i = 0; i < 1000; i++)
		(void) guess(f, "ann@example.test", "192.0.2.1/32", NOW + i * 1000, &wait);
	assert_in_range(wait, 1, 10000);
	login_forgive(f->t, SPAN_LIT("ann@example.test"));
	assert_int_equal(login_may_try(f->t, &rules, &away, NOW + 1000, &wait), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_rate_holds_in_any_period_and_says_when_there_is_room),
		TEST(what_was_taken_for_nothing_is_given_back),
		TEST(failures_make_the_next_try_wait_twice_as_long_each_time),
		TEST(of_many_who_try_at_once_one_is_let_in),
		TEST(marks_end),
		TEST(levels_are_summed_over_processes_and_go_with_them),
		TEST(processes_that_count_at_the_same_time_lose_nothing),
		TEST(counts_outlive_who_made_them_and_a_file_of_another_make_is_replaced),
		TEST(guessing_is_slow_from_one_network_and_at_one_user_from_many),
		TEST(the_right_user_is_let_in_where_they_are_known_whatever_strangers_do),
		TEST(a_flood_of_names_makes_it_forget_and_not_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
