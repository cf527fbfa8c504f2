/* A write-ahead journal of one file: a segment after the other in the same place. Two files:
 * test_mta_queue_journal.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "wal/wal.h"

struct fixture {
	char dir[48];
	int fd;
	struct wal *w;
	char read[256]; /* "segment:entries " */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void) snprintf(f->dir, sizeof(f->dir), "/tmp/podmail-wal-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[80];

	f->w = wal_close(f->w);
	(void) close(f->fd);
	(void) snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static int note(void *arg, uint64_t segment, struct span entries, struct err *err)
{
	struct fixture *f = arg;

	(void) sprintf(f->read + strlen(f->read), "%u:" SPAN_FMT " ", (unsigned int) segment,
	               SPAN_ARG(entries));
	return span_eq(entries, SPAN_LIT("bad")) ? err_set(err, POD_E_CORRUPT, "bad") : 0;
}

static int open_at(struct fixture *f, uint64_t settled)
{
	const struct wal_options o = { .dir = f->fd,
		                       .folder = "wal",
		                       .name = "the test's journal",
		                       .files = 1,
		                       .room_first = 64 << 10,
		                       .room_most = 256 << 10 };

	f->w = wal_close(f->w);
	f->read[0] = '\0';
	return wal_open(&o, settled, note, f, &f->w, NULL);
}

static const char *reopen(struct fixture *f, uint64_t settled)
{
	assert_int_equal(open_at(f, settled), 0);
	return f->read;
}

static void append(struct fixture *f, const char *entries)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	wal_batch_begin(&b);
	buf_add_str(&b, entries);
	assert_int_equal(wal_append(f->w, &b, NULL), 0);
}

static void segments_follow_each_other_in_one_file(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(reopen(f, 0), "");
	append(f, "a");
	append(f, "b");
	assert_string_equal(reopen(f, 0), "1:a 1:b ");
	wal_turn(f->w);
	assert_true(wal_is_empty(f->w));
	append(f, "c"); /* over a; b lies behind it */
	assert_string_equal(reopen(f, 1), "2:c ");
	assert_string_equal(reopen(f, 2), "");
	assert_int_equal(wal_segment(f->w), 3);
}

static void what_was_settled_is_read_until_it_is_erased(void **state)
{
	struct fixture *f = *state;

	(void) reopen(f, 0);
	append(f, "a");
	append(f, "b");
	wal_turn(f->w);
	assert_string_equal(reopen(f, 0), "1:a 1:b ");
	wal_turn(f->w);
	assert_int_equal(wal_erase(f->w, NULL), 0);
	assert_string_equal(reopen(f, 0), "");
}

static void an_empty_file_grows_and_no_further_than_it_may(void **state)
{
	struct fixture *f = *state;

	(void) reopen(f, 0);
	for (size_t size = 64 << 10; size < 256 << 10; size *= 2) {
		assert_int_equal(wal_size(f->w), size);
		wal_resize(f->w, true);
	}
	wal_resize(f->w, true);
	assert_int_equal(wal_size(f->w), 256 << 10);
	append(f, "a");
	assert_int_equal(wal_room(f->w), (256 << 10) - WAL_BLOCK);
	assert_string_equal(reopen(f, 0), "1:a ");
}

static void an_error_of_the_reader_is_returned(void **state)
{
	struct fixture *f = *state;

	(void) reopen(f, 0);
	append(f, "good");
	append(f, "bad");
	append(f, "never read");
	assert_int_equal(open_at(f, 0), -POD_E_CORRUPT);
	assert_string_equal(f->read, "1:good 1:bad ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(segments_follow_each_other_in_one_file, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_settled_is_read_until_it_is_erased, setup, teardown),
		cmocka_unit_test_setup_teardown(an_empty_file_grows_and_no_further_than_it_may, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(an_error_of_the_reader_is_returned, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
