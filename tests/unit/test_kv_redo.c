/* What a transaction changed is done once more, and gives the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "kv/redo.h"

#define MAP_BYTES (8u << 20)

struct side {
	struct kv *kv;
	kv_table tables[2];
};

struct fixture {
	char dir[48];
	struct side first, second;
	struct kv_redo redo;
};

static void open_side(const char *dir, const char *name, bool reversed, struct side *s)
{
	const struct kv_options o = { .map_bytes = MAP_BYTES, .flags = KV_CREATE | KV_NOSYNC };
	char path[64];

	(void) snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(kv_open(path, &o, &s->kv, NULL), 0);
	/* Handles differ, names do not. */
	for (size_t i = 0; i < 2; i++) {
		size_t k = reversed ? 1 - i : i;

		assert_int_equal(kv_table_open(s->kv, k ? "b" : "a", KV_TABLE_CREATE, &s->tables[k], NULL),
		                 0);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void) snprintf(f->dir, sizeof(f->dir), "/tmp/podmail-redo-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	open_side(f->dir, "first", false, &f->first);
	open_side(f->dir, "second", true, &f->second);
	kv_redo_init(&f->redo, f->first.tables, 2);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[80];

	kv_redo_done(&f->redo);
	f->first.kv = kv_close(f->first.kv);
	f->second.kv = kv_close(f->second.kv);
	(void) snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static struct span number(const unsigned int *n)
{
	return span_make(n, sizeof(*n));
}

/* "table:key=value " of all there is. */
static char *dump(const struct side *s, struct buf *out)
{
	KV_TXN txn = { 0 };

	assert_int_equal(kv_txn_begin(s->kv, KV_READ, &txn, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		KV_CURSOR c = { 0 };
		struct span key, value;
		int r;

		assert_int_equal(kv_cursor_open(&txn, s->tables[i], &c, NULL), 0);
		for (r = kv_cursor_seek(&c, SPAN_NONE, &key, &value); r == 0;
		     r = kv_cursor_next(&c, &key, &value))
			buf_printf(out, "%zu:" SPAN_FMT "=%zu/%x ", i, SPAN_ARG(key), value.len,
			           value.len ? value.p[value.len - 1] : 0);
	}
	return (char *) (uintptr_t) buf_str(out);
}

/* All the ways to change something, at random. */
static void change(struct kv_txn *txn, const struct side *s, unsigned int *seed)
{
	kv_table t = s->tables[rand_r(seed) % 2];
	unsigned int n = (unsigned int) rand_r(seed);
	KV_CURSOR c = { 0 };
	char key[8];
	void *room;

	(void) snprintf(key, sizeof(key), "k%02u", n % 40);
	switch (rand_r(seed) % 16) {
	case 0: (void) kv_insert(txn, t, span_of(key), number(&n), NULL); break;
	case 1: (void) kv_delete(txn, t, span_of(key), NULL); break;
	case 2:
		if (n % 20 == 0)
			assert_int_equal(kv_clear(txn, t, NULL), 0);
		break;
	case 3:
	case 4:
		assert_int_equal(kv_cursor_open(txn, t, &c, NULL), 0);
		if (kv_cursor_seek(&c, span_of(key), NULL, NULL) == 0)
			assert_int_equal(kv_cursor_delete(&c, NULL), 0);
		break;
	case 5:
	case 6:
	case 7:
		assert_int_equal(kv_reserve(txn, t, span_of(key), 1 + n % 3000, &room, NULL), 0);
		memset(room, (int) n & 0xff, 1 + n % 3000);
		break;
	default: assert_int_equal(kv_put(txn, t, span_of(key), number(&n), NULL), 0);
	}
}

static void what_transactions_changed_is_done_once_more_in_another_database(void **state)
{
	struct fixture *f = *state;

	for (unsigned int seed = 1, round = 0; round < 200; round++) {
		_cleanup_buf_ struct buf one = BUF_INIT, two = BUF_INIT;
		KV_TXN txn = { 0 };
		struct span changes;

		assert_int_equal(kv_txn_begin(f->first.kv, KV_WRITE, &txn, NULL), 0);
		kv_txn_set_redo(&txn, &f->redo);
		for (int i = 0; i < 20; i++)
			change(&txn, &f->first, &seed);
		assert_int_equal(kv_redo_changes(&f->redo, &changes, NULL), 0);
		assert_int_equal(kv_txn_commit(&txn, NULL), 0);
		for (int twice = 0; twice < 2; twice++) { /* what was done already changes nothing */
			assert_int_equal(kv_txn_begin(f->second.kv, KV_WRITE, &txn, NULL), 0);
			assert_int_equal(kv_redo_apply(&txn, f->second.tables, 2, changes, NULL), 0);
			assert_int_equal(kv_txn_commit(&txn, NULL), 0);
		}
		kv_redo_clear(&f->redo);
		assert_string_equal(dump(&f->first, &one), dump(&f->second, &two));
	}
}

static void a_change_that_failed_is_not_written_down(void **state)
{
	struct fixture *f = *state;
	KV_TXN txn = { 0 };
	struct span changes;

	assert_int_equal(kv_txn_begin(f->first.kv, KV_WRITE, &txn, NULL), 0);
	kv_txn_set_redo(&txn, &f->redo);
	assert_int_equal(kv_delete(&txn, f->first.tables[0], SPAN_LIT("none"), NULL), -POD_E_NOTFOUND);
	assert_int_equal(kv_redo_changes(&f->redo, &changes, NULL), 0);
	assert_int_equal(changes.len, 0);
	assert_int_equal(kv_put(&txn, f->first.tables[0], SPAN_LIT("k"), SPAN_LIT("v"), NULL), 0);
	assert_int_equal(kv_insert(&txn, f->first.tables[0], SPAN_LIT("k"), SPAN_LIT("w"), NULL),
	                 -POD_E_EXISTS);
	assert_int_equal(kv_redo_changes(&f->redo, &changes, NULL), 0);
	assert_int_equal(changes.len, 8 + 2);
}

static void changes_that_are_cut_off_or_of_no_kind_are_refused(void **state)
{
	static const uint8_t whole[] = { 1, 0, 1, 0, 1, 0, 0, 0, 'k', 'v' };
	struct fixture *f = *state;
	uint8_t wrong[sizeof(whole)];

	for (size_t n = 1; n <= sizeof(whole); n++) {
		KV_TXN txn = { 0 };
		int r = n < sizeof(whole) ? -POD_E_CORRUPT : 0;

		assert_int_equal(kv_txn_begin(f->second.kv, KV_WRITE, &txn, NULL), 0);
		assert_int_equal(kv_redo_apply(&txn, f->second.tables, 2, span_make(whole, n), NULL), r);
	}
	for (size_t i = 0; i < 2; i++) {
		KV_TXN txn = { 0 };

		memcpy(wrong, whole, sizeof(whole));
		wrong[i] = 4;
		assert_int_equal(kv_txn_begin(f->second.kv, KV_WRITE, &txn, NULL), 0);
		assert_int_equal(
			kv_redo_apply(&txn, f->second.tables, 2, span_make(wrong, sizeof(wrong)), NULL),
			-POD_E_CORRUPT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_transactions_changed_is_done_once_more_in_another_database, setup, teardown),
		cmocka_unit_test_setup_teardown(a_change_that_failed_is_not_written_down, setup, teardown),
		cmocka_unit_test_setup_teardown(changes_that_are_cut_off_or_of_no_kind_are_refused, setup,
		                                teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
