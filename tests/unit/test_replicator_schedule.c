/* When automatic snapshots are due, what they are called and which go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "replicator/core/record.h"
#include "replicator/core/schedule.h"

#define HOUR   INT64_C(3600000)
#define MINUTE INT64_C(60000)
#define DAY    (24 * HOUR)
#define NOV_26 INT64_C(1795651200000) /* 2026-11-26 00:00 UTC */

static void slots_are_three_a_day_and_due_after_the_spread(void **state)
{
	static const struct {
		int64_t now;
		unsigned int spread;
		int64_t slot, next;
	} cases[] = {
		{ NOV_26, 0, NOV_26, NOV_26 + 8 * HOUR },
		{ NOV_26 - 1, 0, NOV_26 - 8 * HOUR, NOV_26 },
		{ NOV_26 + 7 * HOUR + 59 * MINUTE, 0, NOV_26, NOV_26 + 8 * HOUR },
		{ NOV_26 + 8 * HOUR, 0, NOV_26 + 8 * HOUR, NOV_26 + 16 * HOUR },
		{ NOV_26 + 8 * HOUR, 17, NOV_26, NOV_26 + 8 * HOUR + 17 * MINUTE },
		{ NOV_26 + 8 * HOUR + 17 * MINUTE - 1, 17, NOV_26, NOV_26 + 8 * HOUR + 17 * MINUTE },
		{ NOV_26 + 8 * HOUR + 17 * MINUTE, 17, NOV_26 + 8 * HOUR, NOV_26 + 16 * HOUR + 17 * MINUTE },
		{ NOV_26 + 23 * HOUR, 59, NOV_26 + 16 * HOUR, NOV_26 + DAY + 59 * MINUTE },
		{ 0, 5, -8 * HOUR, 5 * MINUTE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(schedule_slot_ms(cases[i].now, cases[i].spread), cases[i].slot);
		assert_int_equal(schedule_next_due_ms(cases[i].now, cases[i].spread), cases[i].next);
	}
}

static void each_volume_has_a_minute_of_its_own_and_keeps_it(void **state)
{
	unsigned int used[SCHEDULE_SPREAD] = { 0 }, different = 0;

	for (unsigned int i = 0; i < 600; i++) {
		uint8_t id[16] = { (uint8_t) i, (uint8_t) (i >> 8) };
		unsigned int spread = schedule_spread_minutes(id);

		assert_true(spread < SCHEDULE_SPREAD);
		assert_int_equal(spread, schedule_spread_minutes(id));
		used[spread]++;
	}
	for (unsigned int i = 0; i < SCHEDULE_SPREAD; i++) {
		different += used[i] > 0;
		assert_true(used[i] < 40);
	}
	assert_true(different > SCHEDULE_SPREAD * 9 / 10);
}

static void a_name_says_its_slot_and_nothing_else_is_taken_for_one(void **state)
{
	static const struct {
		const char *name;
		int64_t slot; /* -1: none */
	} cases[] = {
		{ "auto-20261126t000000z", NOV_26 },
		{ "auto-20261126t080000z", NOV_26 + 8 * HOUR },
		{ "auto-20261126t160000z", NOV_26 + 16 * HOUR },
		{ "auto-19700101t000000z", 0 },
		{ "auto-20261126t090000z", -1 },
		{ "auto-20261126t080001z", -1 },
		{ "auto-20261126T080000Z", -1 },
		{ "auto-2026112t0080000z", -1 },
		{ "auto-20261132t080000z", -1 },
		{ "auto-20260231t080000z", -1 },
		{ "auto- 20261126t080000z", -1 },
		{ "auto-20261126t080000z.1", -1 },
		{ "auto-20261126t080000", -1 },
		{ "auto-", -1 },
		{ "before-upgrade", -1 },
		{ "", -1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char name[SCHEDULE_NAME_SIZE];
		int64_t slot = -1;

		assert_int_equal(schedule_name_parse(cases[i].name, &slot), cases[i].slot >= 0);
		assert_int_equal(slot, cases[i].slot);
		if (slot < 0)
			continue;
		schedule_name(slot, name);
		assert_string_equal(name, cases[i].name);
		assert_true(record_name_ok(name));
	}
}

#define WORD_MAX 32

/*
 * Snapshots as a word, the newest first: C is complete, I is not; c and i the same but held; m one by hand.
 * What goes becomes '-'.
 */
static void pruned(const char *word, char after[WORD_MAX])
{
	struct schedule_snapshot all[WORD_MAX];
	char names[WORD_MAX][SCHEDULE_NAME_SIZE];
	bool prune[WORD_MAX];
	size_t n = strlen(word), count = 0;

	for (size_t i = 0; i < n; i++) {
		size_t at = n - 1 - i; /* the order in which they are given is another */

		if (word[i] == 'm')
			(void) snprintf(names[at], sizeof(names[at]), "by-hand-%zu", i);
		else
			schedule_name(NOV_26 - (int64_t) i * SCHEDULE_PERIOD_MS, names[at]);
		all[at] = (struct schedule_snapshot){ .name = names[at],
			                              .held = word[i] == 'c' || word[i] == 'i',
			                              .complete = strchr("Ccm", word[i]) != NULL };
	}
	assert_true(n < WORD_MAX);
	(void) strcpy(after, word);
	count = schedule_prune(all, n, prune);
	for (size_t i = 0; i < n; i++)
		if (prune[n - 1 - i]) {
			after[i] = '-';
			count--;
		}
	assert_int_equal(count, 0);
}

static void five_complete_ones_are_kept_and_none_goes_before_the_newest_is_complete(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "", "" },
		{ "C", "C" },
		{ "CCCCC", "CCCCC" },
		{ "CCCCCC", "CCCCC-" },
		{ "ICCCCC", "ICCCCC" }, /* the newest is not confirmed at both sites yet */
		{ "CCCCCCCC", "CCCCC---" },
		{ "CICCCCC", "CICCCC-" },
		{ "CCCCCI", "CCCCC-" },             /* it will never be complete, and is older */
		{ "IIIIICCCCC", "IIIIICCCCC" },     /* a site is away */
		{ "IIIIIIICCCCC", "IIIII--CCCCC" }, /* for long: the complete ones stay */
		{ "CIIIIIICCCC", "CIIIII-CCCC" },
		{ "cCCCCC", "cCCCCC" }, /* held ones are not counted */
		{ "CCCCCc", "CCCCCc" }, /* nor pruned */
		{ "CCCCCiCm", "CCCCCi-m" },
		{ "mCmCmCmCmCmCm", "mCmCmCmCmCm-m" },
		{ "mmmmmmmm", "mmmmmmmm" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char after[WORD_MAX];

		pruned(cases[i].before, after);
		assert_string_equal(after, cases[i].after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_three_a_day_and_due_after_the_spread),
		cmocka_unit_test(each_volume_has_a_minute_of_its_own_and_keeps_it),
		cmocka_unit_test(a_name_says_its_slot_and_nothing_else_is_taken_for_one),
		cmocka_unit_test(five_complete_ones_are_kept_and_none_goes_before_the_newest_is_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
