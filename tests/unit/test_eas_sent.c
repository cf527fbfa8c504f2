/* What a device sent lately, by ClientId: packed, found again, forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/send/memory.h"

#define NOW 1000000000

static int rig_open(void **state)
{
	*state = calloc(1, sizeof(struct sent_memory));
	return 0;
}

static int rig_close(void **state)
{
	free(*state);
	return 0;
}

static void what_was_sent_is_found_again(void **state)
{
	_cleanup_buf_ struct buf value = BUF_INIT;
	struct sent_memory *m = *state, *again = calloc(1, sizeof(*again));
	const struct guid id = { { 1, 2, 3 } };

	assert_int_equal(sent_memory_unpack(SPAN_NONE, m), 0);
	assert_null(sent_memory_find(m, SPAN_LIT("a")));
	sent_memory_add(m, SPAN_LIT("a"), &id, NOW)->done = true;
	(void) sent_memory_add(m, SPAN_LIT("ab"), &id, NOW + 1);
	sent_memory_pack(m, &value);
	assert_int_equal(sent_memory_unpack(buf_span(&value), again), 0);
	assert_int_equal(again->n, 2);
	assert_true(sent_memory_find(again, SPAN_LIT("a"))->done);
	assert_false(sent_memory_find(again, SPAN_LIT("ab"))->done);
	assert_int_equal(sent_memory_find(again, SPAN_LIT("ab"))->at_s, NOW + 1);
	assert_true(guid_eq(&sent_memory_find(again, SPAN_LIT("ab"))->id, &id));
	free(again);
}

static void the_old_is_forgotten_and_so_is_what_is_too_much(void **state)
{
	struct sent_memory *m = *state;
	const struct guid id = { { 0 } };
	char names[SENT_MAX + 10][16];

	(void) sent_memory_add(m, SPAN_LIT("old"), &id, NOW);
	(void) sent_memory_add(m, SPAN_LIT("new"), &id, NOW + SENT_KEEP_S + 1);
	assert_null(sent_memory_find(m, SPAN_LIT("old")));
	for (int i = 0; i < SENT_MAX + 10; i++) {
		(void) snprintf(names[i], sizeof(names[i]), "n%d", i);
		(void) sent_memory_add(m, span_of(names[i]), &id, NOW + SENT_KEEP_S + 2);
		assert_true(m->n <= SENT_MAX);
	}
	assert_null(sent_memory_find(m, SPAN_LIT("n9")));
	assert_non_null(sent_memory_find(m, SPAN_LIT("n10")));
	assert_non_null(sent_memory_find(m, span_of(names[SENT_MAX + 9])));
}

static void damaged_bytes_are_told_from_whole_ones(void **state)
{
	_cleanup_buf_ struct buf value = BUF_INIT;
	struct sent_memory *m = *state;
	const struct guid id = { { 7 } };

	(void) sent_memory_add(m, SPAN_LIT("abc"), &id, NOW);
	sent_memory_pack(m, &value);
	for (size_t cut = 2; cut < value.len; cut++)
		assert_int_equal(sent_memory_unpack(span_head(buf_span(&value), cut), m), -POD_E_CORRUPT);
	value.p[0] = 9;
	assert_int_equal(sent_memory_unpack(buf_span(&value), m), -POD_E_CORRUPT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_sent_is_found_again, rig_open, rig_close),
		cmocka_unit_test_setup_teardown(the_old_is_forgotten_and_so_is_what_is_too_much, rig_open, rig_close),
		cmocka_unit_test_setup_teardown(damaged_bytes_are_told_from_whole_ones, rig_open, rig_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
