/* The peers' bitmap against a model with a byte for each chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "replicator/core/bitmap.h"

#define CHUNK       ((uint64_t) BITMAP_CHUNK)
#define PAGE_CHUNKS (BITMAP_PAGE * 8u)
#define CHUNKS      (2 * PAGE_CHUNKS + 1000u) /* three pages, the last in part */

static struct bitmap *bitmap_make(uint64_t chunks)
{
	struct bitmap *b = NULL;
	struct err err;

	assert_int_equal(bitmap_create(chunks * CHUNK, &b, &err), 0);
	return b;
}

static void same_as_model(const struct bitmap *b, const uint8_t *model, size_t chunks)
{
	uint64_t at = 0, offset, length, count = 0;

	while (bitmap_next(b, at * CHUNK, &offset, &length)) {
		assert_true(length > 0);
		for (; at < offset / CHUNK; at++)
			assert_int_equal(model[at], 0);
		for (; at < (offset + length) / CHUNK; at++, count++)
			assert_int_equal(model[at], 1);
		if (at < chunks)
			assert_int_equal(model[at], 0); /* a run is as long as it can be */
	}
	for (; at < chunks; at++)
		assert_int_equal(model[at], 0);
	assert_int_equal(bitmap_count(b), count);
}

/* Saves what is dirty to pages, as the disk room does. */
static void save(struct bitmap *b, uint8_t *pages)
{
	size_t page;

	while (bitmap_take_dirty(b, &page))
		memcpy(pages + page * BITMAP_PAGE, bitmap_page(b, page), BITMAP_PAGE);
}

static void load(struct bitmap *b, const uint8_t *pages)
{
	size_t page;

	for (size_t i = 0; i < bitmap_pages(b); i++)
		bitmap_page_load(b, i, pages + i * BITMAP_PAGE);
	assert_false(bitmap_take_dirty(b, &page));
}

static void agrees_with_a_model_and_survives_saving(void **state)
{
	static uint8_t model[CHUNKS], pages[3 * BITMAP_PAGE];
	struct bitmap *b = bitmap_make(CHUNKS);

	assert_int_equal(bitmap_pages(b), 3);
	srandom(7);
	for (int i = 0; i < 3000; i++) {
		uint64_t first = (uint64_t) random() % CHUNKS,
			 n = 1 + (uint64_t) random() % (random() % 3 ? 5 : 20000);

		n = n > CHUNKS - first ? CHUNKS - first : n;
		if (random() % 2) {
			bitmap_set(b, first * CHUNK + 4096, n * CHUNK - 8192); /* parts of chunks mark them */
			memset(model + first, 1, n);
		} else {
			bitmap_clear(b, first * CHUNK, n * CHUNK);
			memset(model + first, 0, n);
		}
		if (i % 100 == 0) {
			struct bitmap *again = bitmap_make(CHUNKS);

			same_as_model(b, model, CHUNKS);
			save(b, pages);
			load(again, pages);
			same_as_model(again, model, CHUNKS);
			bitmap_free(again);
		}
	}
	bitmap_set_all(b);
	assert_int_equal(bitmap_count(b), CHUNKS);
	bitmap_clear_all(b);
	assert_int_equal(bitmap_count(b), 0);
	assert_null(bitmap_free(b));
}

static void a_chunk_cleared_in_part_stays_marked(void **state)
{
	struct bitmap *b = bitmap_make(8);
	uint64_t offset, length;

	bitmap_set(b, 0, 4 * CHUNK);
	bitmap_clear(b, 4096, 3 * CHUNK - 4096);
	assert_true(bitmap_next(b, 0, &offset, &length));
	assert_int_equal(offset, 0);
	assert_int_equal(length, CHUNK);
	assert_true(bitmap_next(b, CHUNK, &offset, &length));
	assert_int_equal(offset, 3 * CHUNK);
	bitmap_clear(b, 4096, 100); /* nothing whole */
	assert_int_equal(bitmap_count(b), 2);
	bitmap_set(b, 5 * CHUNK, 0);
	assert_int_equal(bitmap_count(b), 2);
	bitmap_free(b);
}

static void only_pages_that_changed_are_to_be_saved(void **state)
{
	struct bitmap *b = bitmap_make(CHUNKS);
	size_t page;

	assert_false(bitmap_take_dirty(b, &page));
	bitmap_set(b, PAGE_CHUNKS * CHUNK, CHUNK);
	assert_true(bitmap_take_dirty(b, &page));
	assert_int_equal(page, 1);
	assert_false(bitmap_take_dirty(b, &page));
	bitmap_set(b, PAGE_CHUNKS * CHUNK, CHUNK); /* it was set */
	assert_false(bitmap_take_dirty(b, &page));
	bitmap_clear(b, 0, PAGE_CHUNKS * CHUNK); /* they were clear */
	assert_false(bitmap_take_dirty(b, &page));
	bitmap_free(b);
}

static void growing_keeps_the_marks_and_saves_the_new_pages(void **state)
{
	struct bitmap *b = bitmap_make(10);
	struct err err;
	size_t page;

	bitmap_set_all(b);
	assert_true(bitmap_take_dirty(b, &page));
	assert_int_equal(bitmap_resize(b, CHUNKS * CHUNK, &err), 0);
	assert_int_equal(bitmap_count(b), 10);
	assert_true(bitmap_take_dirty(b, &page));
	assert_int_equal(page, 1);
	assert_true(bitmap_take_dirty(b, &page));
	assert_int_equal(page, 2);
	assert_false(bitmap_take_dirty(b, &page));
	assert_int_equal(bitmap_resize(b, 4 * CHUNK, &err), 0);
	assert_int_equal(bitmap_count(b), 4);
	assert_int_equal(bitmap_resize(b, 10 * CHUNK, &err), 0);
	assert_int_equal(bitmap_count(b), 4); /* what was cut off does not come back */
	bitmap_free(b);
}

static void marks_behind_the_volume_are_not_loaded(void **state)
{
	static uint8_t ones[BITMAP_PAGE];
	struct bitmap *b = bitmap_make(70);
	uint64_t offset, length;

	memset(ones, 0xff, sizeof(ones));
	bitmap_page_load(b, 0, ones);
	assert_int_equal(bitmap_count(b), 70);
	assert_true(bitmap_next(b, 0, &offset, &length));
	assert_int_equal(length, 70 * CHUNK);
	bitmap_set(b, 60 * CHUNK, 100 * CHUNK);
	assert_int_equal(bitmap_count(b), 70);
	assert_false(bitmap_next(b, 70 * CHUNK, &offset, &length));
	bitmap_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_model_and_survives_saving),
		cmocka_unit_test(a_chunk_cleared_in_part_stays_marked),
		cmocka_unit_test(only_pages_that_changed_are_to_be_saved),
		cmocka_unit_test(growing_keeps_the_marks_and_saves_the_new_pages),
		cmocka_unit_test(marks_behind_the_volume_are_not_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
