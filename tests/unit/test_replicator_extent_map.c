/* The extent map against a model that keeps an array with an entry for each block. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "replicator/core/extent_map.h"

#define BLOCK  4096u
#define BLOCKS 512u

struct model_block {
	uint64_t lsn; /* 0: nothing */
	enum extent_kind kind;
	uint64_t data_lsn;
};

static struct extent_map *map_make(size_t nodes)
{
	struct extent_map *m = NULL;
	struct err err;

	assert_int_equal(extent_map_create(nodes, &m, &err), 0);
	return m;
}

static void model_insert(struct model_block *model, const struct extent *e)
{
	for (uint64_t i = 0; i < e->length / BLOCK; i++)
		model[e->offset / BLOCK + i] =
			(struct model_block){ e->lsn, e->kind,
			                      e->kind == EXTENT_DATA ? e->data_lsn + i * BLOCK : 0 };
}

static void model_remove(struct model_block *model, uint64_t first, uint64_t n, uint64_t lsn)
{
	for (uint64_t i = first; i < first + n; i++)
		if (model[i].lsn <= lsn)
			model[i] = (struct model_block){ 0 };
}

/* Walks [first, end) by find and compares each block of it with the model. */
static void same_as_model(const struct extent_map *m, const struct model_block *model, uint64_t first,
                          uint64_t end)
{
	uint64_t at = first;

	while (at < end) {
		struct extent e;
		bool found = extent_map_find(m, at * BLOCK, end * BLOCK, &e);
		uint64_t from = found ? e.offset / BLOCK : end;

		for (; at < from; at++)
			assert_int_equal(model[at].lsn, 0);
		if (!found)
			return;
		assert_true(e.length > 0 && e.offset + e.length <= end * BLOCK);
		for (uint64_t i = 0; i < e.length / BLOCK; i++, at++) {
			assert_int_equal(model[at].lsn, e.lsn);
			assert_int_equal(model[at].kind, e.kind);
			if (e.kind == EXTENT_DATA)
				assert_int_equal(model[at].data_lsn, e.data_lsn + i * BLOCK);
		}
	}
}

static void random_operations(unsigned int seed, size_t nodes, unsigned int rounds)
{
	struct extent_map *m = map_make(nodes);
	struct model_block model[BLOCKS] = { 0 };
	uint64_t lsn = 1;

	srandom(seed);
	for (unsigned int i = 0; i < rounds; i++) {
		uint64_t first = (uint64_t) random() % BLOCKS;
		uint64_t n = 1 + (uint64_t) random() % (random() % 4 ? 8 : BLOCKS);
		long what = random() % 100;

		if (n > BLOCKS - first)
			n = BLOCKS - first;
		if (what < 60 && extent_map_has_room(m)) {
			struct extent e = { first * BLOCK, n * BLOCK, (enum extent_kind)(random() % 3), lsn,
				            lsn * 3 };

			extent_map_insert(m, &e);
			model_insert(model, &e);
			lsn += n * BLOCK;
		} else if (what == 99 && random() % 50 == 0) {
			extent_map_clear(m);
			memset(model, 0, sizeof(model));
		} else {
			uint64_t up_to = random() % 2 ? lsn : (uint64_t) random() % lsn;

			/* With no node to spare, only removals that cut nothing in two are allowed. */
			if (!extent_map_has_room(m))
				first = 0, n = BLOCKS;
			extent_map_remove(m, first * BLOCK, n * BLOCK, up_to);
			model_remove(model, first, n, up_to);
		}
		first = (uint64_t) random() % BLOCKS;
		same_as_model(m, model, first, first + 1 + (uint64_t) random() % (BLOCKS - first));
		assert_true(extent_map_count(m) <= nodes);
	}
	same_as_model(m, model, 0, BLOCKS);
	extent_map_remove(m, 0, BLOCKS * (uint64_t) BLOCK, lsn);
	assert_int_equal(extent_map_count(m), 0);
	assert_null(extent_map_free(m));
}

static void agrees_with_a_naive_model_under_random_operations(void **state)
{
	for (unsigned int seed = 1; seed <= 20; seed++)
		random_operations(seed, 4 * BLOCKS, 4000);
}

static void agrees_with_the_model_when_it_is_often_full(void **state)
{
	for (unsigned int seed = 1; seed <= 20; seed++)
		random_operations(seed, 3 + seed * 3, 4000);
}

static void a_newer_write_in_the_middle_cuts_the_older_in_two(void **state)
{
	struct extent_map *m = map_make(16);
	struct extent e;

	extent_map_insert(m, &(struct extent){ 0, 16 * BLOCK, EXTENT_DATA, 100, 1000000 });
	extent_map_insert(m, &(struct extent){ 4 * BLOCK, 4 * BLOCK, EXTENT_TRIM, 200, 0 });
	assert_int_equal(extent_map_count(m), 3);
	assert_true(extent_map_find(m, 8 * BLOCK, 16 * BLOCK, &e));
	assert_int_equal(e.lsn, 100);
	assert_int_equal(e.data_lsn, 1000000 + 8 * BLOCK);
	extent_map_remove(m, 0, 16 * BLOCK, 100); /* the newer one stays */
	assert_int_equal(extent_map_count(m), 1);
	assert_true(extent_map_find(m, 0, 16 * BLOCK, &e));
	assert_int_equal(e.kind, EXTENT_TRIM);
	assert_int_equal(e.offset, 4 * BLOCK);
	assert_false(extent_map_find(m, 8 * BLOCK, 16 * BLOCK, &e));
	extent_map_free(m);
}

static void a_full_map_says_so_before_an_insertion_could_fail(void **state)
{
	struct extent_map *m = map_make(64);
	uint64_t n = 0;

	/* The worst that an insertion can do: cut an extent in two. */
	extent_map_insert(m, &(struct extent){ 0, 4096 * BLOCK, EXTENT_ZERO, 1, 0 });
	while (extent_map_has_room(m)) {
		n++;
		extent_map_insert(m, &(struct extent){ 8 * n * BLOCK, BLOCK, EXTENT_DATA, n + 1, n });
	}
	assert_true(extent_map_count(m) <= 63);
	extent_map_remove(m, (8 * n + 4) * BLOCK, BLOCK, UINT64_MAX); /* and a cutting removal fits yet */
	extent_map_remove(m, 0, 4096 * BLOCK, UINT64_MAX);
	assert_true(extent_map_has_room(m));
	assert_int_equal(extent_map_count(m), 0);
	extent_map_free(m);
}

static void refuses_a_size_that_no_memory_has(void **state)
{
	struct extent_map *m = NULL;
	struct err err;

	assert_int_equal(extent_map_create(SIZE_MAX / 2, &m, &err), -POD_E_LIMIT);
	assert_int_equal(extent_map_create(2, &m, &err), -POD_E_LIMIT);
	assert_null(m);
	assert_null(extent_map_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_naive_model_under_random_operations),
		cmocka_unit_test(agrees_with_the_model_when_it_is_often_full),
		cmocka_unit_test(a_newer_write_in_the_middle_cuts_the_older_in_two),
		cmocka_unit_test(a_full_map_says_so_before_an_insertion_could_fail),
		cmocka_unit_test(refuses_a_size_that_no_memory_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
