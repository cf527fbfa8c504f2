/* The queue's journal: what was written is read again, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mta/queue/journal.h"

/* ---- the format ---- */

static const struct wal_place here = { .nonce = "0123456789abcde", .segment = 7, .number = 0 };

static struct queue_journal_entry entry_of(uint8_t n, const char *body)
{
	return (struct queue_journal_entry){ .kind = QUEUE_JOURNAL_NEW,
		                             .id = { { n } },
		                             .item = SPAN_LIT("item"),
		                             .summary = SPAN_LIT("summary"),
		                             .body = span_of(body) };
}

static void make_batch(struct buf *b, uint64_t number, const char *body)
{
	struct queue_journal_entry e = entry_of((uint8_t) number, body);
	struct wal_place place = here;

	place.number = number;
	wal_batch_begin(b);
	queue_journal_add(b, &e);
	e = (struct queue_journal_entry){ .kind = QUEUE_JOURNAL_REMOVED, .id = { { 99 } } };
	queue_journal_add(b, &e);
	assert_int_equal(wal_batch_seal(b, &place).len % WAL_BLOCK, 0);
}

/* Two batches one after the other. */
static void make_two(struct buf *both)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	make_batch(&b, 0, "first");
	buf_add(both, buf_span(&b));
	make_batch(&b, 1, "second");
	buf_add(both, buf_span(&b));
}

static unsigned int batches(struct span bytes)
{
	struct wal_place place;
	struct span entries;
	unsigned int n = 0;

	while (wal_batch_next(&bytes, n == 0, &place, &entries))
		n++;
	return n;
}

static void a_batch_is_read_as_it_was_made(void **state)
{
	_cleanup_buf_ struct buf both = BUF_INIT;
	struct wal_place place;
	struct queue_journal_entry e;
	struct span rest, entries;

	make_two(&both);
	rest = buf_span(&both);
	assert_true(wal_batch_next(&rest, true, &place, &entries));
	assert_int_equal(place.segment, 7);
	assert_int_equal(queue_journal_entry_next(&entries, &e), 1);
	assert_int_equal(e.kind, QUEUE_JOURNAL_NEW);
	assert_true(span_eq(e.item, SPAN_LIT("item")) && span_eq(e.summary, SPAN_LIT("summary")) &&
	            span_eq(e.body, SPAN_LIT("first")));
	assert_int_equal(queue_journal_entry_next(&entries, &e), 1);
	assert_int_equal(e.kind, QUEUE_JOURNAL_REMOVED);
	assert_int_equal(e.id.b[0], 99);
	assert_int_equal(queue_journal_entry_next(&entries, &e), 0);
	assert_true(wal_batch_next(&rest, false, &place, &entries));
	assert_int_equal(place.number, 1);
	assert_false(wal_batch_next(&rest, false, &place, &entries));
}

static void a_batch_that_is_not_whole_is_the_end(void **state)
{
	_cleanup_buf_ struct buf both = BUF_INIT;
	size_t used = WAL_BLOCK + 48 + 32 + 4 + 7 + 6 + 32; /* to the end of the second one's entries */

	make_two(&both);
	for (size_t i = WAL_BLOCK; i < used; i++) {
		both.p[i] ^= 0x40;
		assert_int_equal(batches(buf_span(&both)), 1);
		both.p[i] ^= 0x40;
		assert_int_equal(batches(span_head(buf_span(&both), i)), 1);
	}
	assert_int_equal(batches(buf_span(&both)), 2);
}

static void a_batch_of_another_segment_nonce_or_number_is_the_end(void **state)
{
	static const struct wal_place others[] = { { "0123456789abcde", 6, 1 },
		                                             { "0123456789abcdE", 7, 1 },
		                                             { "0123456789abcde", 7, 0 },
		                                             { "0123456789abcde", 7, 2 } };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT, both = BUF_INIT;

		make_batch(&both, 0, "first");
		make_batch(&b, 1, "second");
		(void) wal_batch_seal(&b, &others[i]);
		buf_add(&both, buf_span(&b));
		assert_int_equal(batches(buf_span(&both)), 1);
	}
}

static void a_segment_begins_with_number_zero(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	make_batch(&b, 1, "second");
	assert_int_equal(batches(buf_span(&b)), 0);
	assert_int_equal(batches(SPAN_NONE), 0);
}

static void entries_that_lie_about_their_length_are_refused(void **state)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct queue_journal_entry e = entry_of(1, "body");
	struct span entries;

	wal_batch_begin(&b);
	queue_journal_add(&b, &e);
	entries = span_skip(buf_span(&b), 48);
	for (size_t n = 1; n < entries.len; n++) {
		struct span cut = span_head(entries, n);

		assert_int_equal(queue_journal_entry_next(&cut, &e), -POD_E_CORRUPT);
	}
	b.p[48] = 77; /* a kind that there is not */
	assert_int_equal(queue_journal_entry_next(&entries, &e), -POD_E_CORRUPT);
}

/* ---- the files ---- */

struct fixture {
	char dir[64];
	struct wal *j;
	char read[1024]; /* "segment:id " of what was read */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void) snprintf(f->dir, sizeof(f->dir), "/tmp/podmail-journal-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	f->j = wal_close(f->j);
	(void) snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static int note(void *arg, uint64_t segment, const struct queue_journal_entry *e, struct err *err)
{
	struct fixture *f = arg;

	(void) sprintf(f->read + strlen(f->read), "%u:%u ", (unsigned int) segment, e->id.b[0]);
	return 0;
}

static const char *reopen(struct fixture *f, uint64_t settled)
{
	struct err err = { 0 };

	f->j = wal_close(f->j);
	f->read[0] = '\0';
	if (queue_journal_open(f->dir, settled, note, f, &f->j, &err) < 0)
		fail_msg("%s", err.text);
	return f->read;
}

static void append(struct fixture *f, uint8_t n, size_t size)
{
	_cleanup_(freep) char *body = calloc(1, size + 1);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct queue_journal_entry e;

	memset(body, 'b', size);
	e = entry_of(n, body);
	wal_batch_begin(&b);
	queue_journal_add(&b, &e);
	assert_int_equal(wal_append(f->j, &b, NULL), 0);
}

static void what_was_appended_is_read_when_it_is_opened_again(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(reopen(f, 0), "");
	assert_true(wal_is_empty(f->j));
	append(f, 1, 10);
	append(f, 2, 10000);
	assert_string_equal(reopen(f, 0), "1:1 1:2 ");
	append(f, 3, 10); /* goes on behind them */
	assert_string_equal(reopen(f, 0), "1:1 1:2 1:3 ");
	assert_string_equal(reopen(f, 1), ""); /* settled meanwhile */
	assert_int_equal(wal_segment(f->j), 2);
	append(f, 4, 10);
	assert_string_equal(reopen(f, 1), "2:4 ");
}

static void two_segments_are_read_in_their_order(void **state)
{
	struct fixture *f = *state;

	(void) reopen(f, 0);
	append(f, 1, 10);
	wal_turn(f->j);
	append(f, 2, 10);
	append(f, 3, 10);
	assert_string_equal(reopen(f, 0), "1:1 2:2 2:3 ");
	assert_string_equal(reopen(f, 1), "2:2 2:3 ");
	wal_turn(f->j); /* 1 is settled: its file is used again */
	append(f, 4, 10);
	assert_string_equal(reopen(f, 1), "2:2 2:3 3:4 ");
	assert_string_equal(reopen(f, 2), "3:4 ");
}

static void a_segment_that_is_used_again_shows_nothing_of_before(void **state)
{
	struct fixture *f = *state;

	(void) reopen(f, 0);
	for (uint8_t i = 1; i <= 5; i++)
		append(f, i, 10);
	wal_turn(f->j);
	append(f, 6, 10);
	wal_turn(f->j);
	append(f, 7, 10); /* over the first of five */
	assert_string_equal(reopen(f, 1), "2:6 3:7 ");
}

static void a_batch_larger_than_the_file_makes_it_longer_for_a_while(void **state)
{
	struct fixture *f = *state;

	(void) reopen(f, 0);
	append(f, 1, 40 << 20);
	assert_int_equal(wal_room(f->j), 0);
	assert_string_equal(reopen(f, 0), "1:1 ");
	wal_turn(f->j);
	append(f, 2, 10);
	wal_resize(f->j, false);
	wal_turn(f->j);
	assert_int_equal(wal_size(f->j), 32 << 20);
}

static void a_file_grows_while_it_is_full_soon(void **state)
{
	struct fixture *f = *state;
	size_t size;

	(void) reopen(f, 0);
	size = wal_size(f->j);
	append(f, 1, 10);
	wal_resize(f->j, true);
	wal_turn(f->j);
	assert_int_equal(wal_size(f->j), 2 * size);
}

/* A write that was cut off: any number of its blocks came to the disk. */
static void the_rest_of_a_write_that_was_cut_off_is_not_read(void **state)
{
	struct fixture *f = *state;
	uint8_t zeros[WAL_BLOCK] = { 0 };
	char path[96];
	int fd;

	(void) reopen(f, 0);
	append(f, 1, 10);
	append(f, 2, 20000);
	append(f, 3, 10);
	(void) snprintf(path, sizeof(path), "%s/" QUEUE_JOURNAL_FOLDER "/0", f->dir);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 3 * WAL_BLOCK), sizeof(zeros));
	(void) close(fd);
	assert_string_equal(reopen(f, 0), "1:1 ");
	append(f, 4, 10);
	assert_string_equal(reopen(f, 0), "1:1 1:4 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_is_read_as_it_was_made),
		cmocka_unit_test(a_batch_that_is_not_whole_is_the_end),
		cmocka_unit_test(a_batch_of_another_segment_nonce_or_number_is_the_end),
		cmocka_unit_test(a_segment_begins_with_number_zero),
		cmocka_unit_test(entries_that_lie_about_their_length_are_refused),
		cmocka_unit_test_setup_teardown(what_was_appended_is_read_when_it_is_opened_again, setup, teardown),
		cmocka_unit_test_setup_teardown(two_segments_are_read_in_their_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_segment_that_is_used_again_shows_nothing_of_before, setup, teardown),
		cmocka_unit_test_setup_teardown(a_batch_larger_than_the_file_makes_it_longer_for_a_while, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_grows_while_it_is_full_soon, setup, teardown),
		cmocka_unit_test_setup_teardown(the_rest_of_a_write_that_was_cut_off_is_not_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
