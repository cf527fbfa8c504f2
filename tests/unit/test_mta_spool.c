/* A message's bytes while it comes in: the same in memory and in a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mta/spool/spool.h"

static unsigned int files_in(const char *dir)
{
	unsigned int n = 0;
	struct dirent *e;
	DIR *d = opendir(dir);

	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	(void) closedir(d);
	return n;
}

static void fill(struct spool *sp, struct buf *same, size_t len, size_t piece)
{
	uint8_t bytes[5000];

	for (size_t i = 0; i < len; i += piece) {
		memset(bytes, (int) ('a' + i % 23), piece);
		assert_int_equal(spool_add(sp, span_make(bytes, piece), NULL), 0);
		buf_add(same, span_make(bytes, piece));
	}
}

static void expect_same(struct spool *sp, const struct buf *same)
{
	uint8_t *copy = malloc(same->len + 1);
	struct span bytes;
	int fd = -1;

	assert_int_equal(spool_size(sp), same->len);
	assert_int_equal(spool_bytes(sp, &bytes, NULL), 0);
	assert_true(span_eq(bytes, buf_span(same)));
	assert_int_equal(spool_fd(sp, &fd, NULL), 0);
	assert_int_equal(pread(fd, copy, same->len + 1, 0), (ssize_t) same->len);
	assert_true(span_eq(span_make(copy, same->len), buf_span(same)));
	/* And again, after the descriptor was made. */
	assert_int_equal(spool_bytes(sp, &bytes, NULL), 0);
	assert_true(span_eq(bytes, buf_span(same)));
	free(copy);
}

static void bytes_are_the_same_on_both_sides_of_every_limit(void **state)
{
	static const size_t sizes[] = { 1, 100, 4000, 5000, 100000, 130000, 131072, 140000, 600000 };
	static const size_t limits[] = { 1, 4096, 131072, 262144 };
	char dir[] = "/tmp/podmail-spool-XXXXXX";

	assert_non_null(mkdtemp(dir));
	for (size_t l = 0; l < ARRAY_SIZE(limits); l++) {
		struct spool *sp = spool_create(limits[l], dir);

		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
			for (size_t order = 0; order < 2; order++) {
				_cleanup_buf_ struct buf same = BUF_INIT;
				int fd;

				fill(sp, &same, sizes[i], sizes[i] < 5000 ? sizes[i] : 1000);
				if (order)
					assert_int_equal(spool_fd(sp, &fd, NULL), 0);
				expect_same(sp, &same);
				spool_reset(sp);
			}
		(void) spool_free(sp);
	}
	assert_int_equal(files_in(dir), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void a_folder_that_is_not_there_is_an_error_and_not_a_crash(void **state)
{
	struct spool *sp = spool_create(10, "/nonexistent/podmail");
	struct err err = { 0 };

	assert_int_equal(spool_add(sp, SPAN_LIT("123456789"), &err), 0);
	assert_int_equal(spool_add(sp, SPAN_LIT("123456789"), &err), -POD_E_NOTFOUND);
	assert_non_null(strstr(err.text, "/nonexistent/podmail"));
	spool_reset(sp);
	assert_int_equal(spool_add(sp, SPAN_LIT("1"), &err), 0);
	(void) spool_free(sp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_the_same_on_both_sides_of_every_limit),
		cmocka_unit_test(a_folder_that_is_not_there_is_an_error_and_not_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
