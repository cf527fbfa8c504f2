/* The small parts of store/index: ranges of uids, claims on \Recent, cached uids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "store/index/ranges.h"
#include "store/index/recent.h"
#include "store/index/uids_cache.h"

static void neighbours_join_and_holes_stay(void **state)
{
	struct arena *a = arena_create(1 << 20);
	struct ranges_builder b = { .a = a };

	for (uint32_t uid = 1; uid <= 1000; uid++)
		if (uid % 100)
			assert_int_equal(ranges_add(&b, uid, uid), 0);
	assert_int_equal(b.list.n, 10);
	assert_int_equal(b.list.r[9].first, 901);
	assert_int_equal(b.list.r[9].last, 999);
	assert_int_equal(ranges_count(&b.list), 990);
	assert_int_equal(ranges_find(&b.list, 1), 0);
	assert_int_equal(ranges_find(&b.list, 100), 1);
	assert_int_equal(ranges_find(&b.list, 1000), 10);
	(void) arena_free(a);
}

static void ranges_in_any_order_become_ascending_and_disjoint(void **state)
{
	struct uid_range r[] = { { 50, 60 }, { 1, 2 }, { 3, 3 }, { 55, 70 }, { 72, 72 }, { UINT32_MAX, UINT32_MAX }, { 5, UINT32_MAX } };
	struct uid_ranges list = { r, 5 };

	ranges_normalise(&list);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.r[0].last, 3);
	assert_int_equal(list.r[1].first, 50);
	assert_int_equal(list.r[1].last, 70);
	list = (struct uid_ranges){ r + 5, 2 };
	ranges_normalise(&list);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.r[0].first, 5);
	list.n = 0;
	ranges_normalise(&list);
	assert_int_equal(list.n, 0);
}

static void claims_are_kept_for_many_mailboxes(void **state)
{
	struct recent r;

	recent_init(&r);
	for (uint32_t m = 1; m <= 5000; m++)
		assert_int_equal(recent_claim(&r, m, 2, m + 7), 2);
	for (uint32_t m = 1; m <= 5000; m++)
		assert_int_equal(recent_from(&r, m, 1), m + 7);
	assert_int_equal(recent_from(&r, 5001, 3), 3);
	assert_int_equal(recent_from(&r, 1, 100), 100); /* the index knows of a later one */
	assert_int_equal(recent_claim(&r, 9, 2, 16), 0); /* claimed by another */
	assert_int_equal(recent_claim(&r, 9, 2, 12), 0); /* by one with a newer snapshot, whose claim stays */
	assert_int_equal(recent_claim(&r, 9, 2, 18), 16);
	recent_done(&r);
}

static void put(struct uids_cache *c, uint32_t mailbox, uint64_t modseq, uint32_t first_unseen)
{
	struct uid_range r = { 1, 5000 };
	const struct known_uids known = { modseq, { &r, 1 }, first_unseen };

	uids_cache_put(c, mailbox, &known);
}

/* The modseq of what is kept, as a snapshot of this modseq may use it; 0: nothing. */
static uint64_t get(struct uids_cache *c, struct arena *a, uint32_t mailbox, uint64_t modseq)
{
	struct known_uids known = { .modseq = modseq };
	int r = uids_cache_get(c, mailbox, a, &known);

	if (r == 1)
		assert_int_equal(known.uids.r[0].last, 5000);
	return r == 1 ? known.modseq : 0;
}

static void cached_uids_are_for_their_modseq_and_later_ones(void **state)
{
	struct uids_cache *c = calloc(1, sizeof(*c));
	struct arena *a = arena_create(1 << 20);
	struct known_uids known = { .modseq = 10 };

	assert_non_null(c);
	uids_cache_init(c);
	put(c, 7, 10, 3);
	assert_int_equal(uids_cache_get(c, 7, a, &known), 1);
	assert_int_equal(known.first_unseen, 3);
	assert_int_equal(get(c, a, 7, 12), 10);
	assert_int_equal(get(c, a, 7, 9), 0);
	put(c, 7, 9, 4); /* older: not kept */
	assert_int_equal(get(c, a, 7, 10), 10);
	for (uint32_t m = 100; m < 100 + UIDS_CACHE_ENTRIES; m++)
		put(c, m, 1, 0);
	assert_int_equal(get(c, a, 7, 10), 0);
	assert_int_equal(get(c, a, 100, 1), 1);
	uids_cache_done(c);
	free(c);
	(void) arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_join_and_holes_stay),
		cmocka_unit_test(ranges_in_any_order_become_ascending_and_disjoint),
		cmocka_unit_test(claims_are_kept_for_many_mailboxes),
		cmocka_unit_test(cached_uids_are_for_their_modseq_and_later_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
