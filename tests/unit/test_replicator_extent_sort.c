/* Extents sorted, beside an extent map that is given the same ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "replicator/core/extent_sort.h"

#define BLOCK UINT64_C(4096)
#define MOST  300

static struct extent extent_of(uint64_t block, uint64_t blocks, uint64_t lsn)
{
	return (struct extent){ block * BLOCK, blocks * BLOCK, EXTENT_DATA, lsn, lsn * 7 };
}

/* Field by field: between them may be anything. */
static void is_the_same(const struct extent *a, const struct extent *b)
{
	assert_int_equal(a->offset, b->offset);
	assert_int_equal(a->length, b->length);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->lsn, b->lsn);
	assert_int_equal(a->data_lsn, b->data_lsn);
}

static void as_the_map_says(const struct extent *list, size_t n, const struct extent_map *m)
{
	struct extent e;
	uint64_t at = 0;

	for (size_t i = 0; i < n; i++, at = e.offset + e.length) {
		assert_true(extent_map_find(m, at, UINT64_MAX, &e));
		is_the_same(&e, &list[i]);
	}
	assert_false(extent_map_find(m, at, UINT64_MAX, &e));
}

/* n of one length in that many blocks, far apart or close together. */
static void sorts_random(uint64_t blocks, uint64_t length, size_t n)
{
	struct extent list[MOST], scratch[MOST];
	struct extent_map *m;
	size_t left;

	assert_int_equal(extent_map_create(2 * MOST + 1, &m, NULL), 0);
	for (size_t i = 0; i < n; i++) {
		list[i] = extent_of(((uint64_t) random() << 20 | (uint64_t) random()) % blocks * length,
		                    length, i + 1);
		extent_map_insert(m, &list[i]);
	}
	assert_true(extents_sort(list, scratch, n, &left));
	as_the_map_says(list, left, m);
	assert_null(extent_map_free(m));
}

static void the_last_of_the_same_extent_stays_and_all_are_in_order(void **state)
{
	srandom(5);
	for (size_t n = 0; n <= MOST; n += 7) {
		sorts_random(1 + n / 4, 1, n);
		sorts_random(UINT64_C(1) << 18, 1, n);
		sorts_random(UINT64_C(1) << 34, 1, n);
		sorts_random(1 + n, 64, n);
	}
}

static void overlaps_are_said_and_not_guessed(void **state)
{
	static const struct {
		struct extent e[3];
		bool sorted;
		size_t left;
	} cases[] = {
		{ { { 0, 8 * BLOCK, 0, 1, 0 }, { 8 * BLOCK, BLOCK, 0, 2, 0 }, { 9 * BLOCK, BLOCK, 0, 3, 0 } },
		  true,
		  3 },
		{ { { 9 * BLOCK, BLOCK, 0, 1, 0 }, { 0, 8 * BLOCK, 0, 2, 0 }, { 9 * BLOCK, BLOCK, 0, 3, 0 } },
		  true,
		  2 },
		{ { { 0, 8 * BLOCK, 0, 1, 0 }, { 7 * BLOCK, BLOCK, 0, 2, 0 }, { 9 * BLOCK, BLOCK, 0, 3, 0 } },
		  false,
		  0 },
		{ { { 0, 8 * BLOCK, 0, 1, 0 }, { 0, BLOCK, 0, 2, 0 }, { 9 * BLOCK, BLOCK, 0, 3, 0 } },
		  false,
		  0 },
		{ { { 0, BLOCK, 0, 1, 0 }, { 0, 8 * BLOCK, 0, 2, 0 }, { 9 * BLOCK, BLOCK, 0, 3, 0 } },
		  false,
		  0 },
	};
	struct extent list[3], scratch[3];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t left = 0;

		memcpy(list, cases[i].e, sizeof(list));
		assert_int_equal(extents_sort(list, scratch, 3, &left), cases[i].sorted);
		assert_int_equal(left, cases[i].left);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_of_the_same_extent_stays_and_all_are_in_order),
		cmocka_unit_test(overlaps_are_said_and_not_guessed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
