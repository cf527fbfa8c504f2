#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fnv.h"
#include "base/id.h"
#include "base/log.h"
#include "base/metric.h"

static void numbers_fill_the_whole_span_or_are_refused(void **state)
{
	static const struct {
		const char *in;
		int r;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -POD_E_SYNTAX, 0 },
		{ "", -POD_E_SYNTAX, 0 },
		{ "+1", -POD_E_SYNTAX, 0 },
		{ " 1", -POD_E_SYNTAX, 0 },
		{ "12x", -POD_E_SYNTAX, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 0;

		assert_int_equal(span_to_u64(span_of(cases[i].in), &v), cases[i].r);
		assert_int_equal(v, cases[i].value);
	}
}

static void splitting_leaves_a_null_rest_when_the_byte_is_missing(void **state)
{
	struct span rest, head = span_split(SPAN_LIT("a=b=c"), '=', &rest);

	assert_true(span_eq(head, SPAN_LIT("a")));
	assert_true(span_eq(rest, SPAN_LIT("b=c")));
	head = span_split(SPAN_LIT("abc"), '=', &rest);
	assert_true(span_eq(head, SPAN_LIT("abc")));
	assert_null(rest.p);
}

static void searching_ignores_ascii_case_only(void **state)
{
	assert_int_equal(span_find_nocase(SPAN_LIT("xxHeLLo"), SPAN_LIT("hello")), 2);
	assert_int_equal(span_find_nocase(SPAN_LIT("xx"), SPAN_LIT("hello")), SIZE_MAX);
	assert_false(span_eq_nocase(SPAN_LIT("\xc3\x84"), SPAN_LIT("\xc3\xa4")));
}

static void an_arena_stops_at_its_limit_and_starts_over_after_reset(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(4096);

	assert_non_null(arena_alloc(a, 4000));
	assert_null(arena_alloc(a, 4000));
	assert_null(arena_array(a, SIZE_MAX / 2, 4));
	arena_reset(a);
	assert_non_null(arena_alloc(a, 4000));
	assert_string_equal(arena_printf(a, "%d-%s", 7, "x"), "7-x");
	arena_release(a);
	assert_int_equal(arena_used(a), 0);
}

static void a_buf_that_failed_keeps_what_it_had(void **state)
{
	_cleanup_buf_ struct buf b = { .limit = 8 };

	buf_add_str(&b, "12345678");
	assert_false(b.failed);
	buf_add_byte(&b, '9');
	assert_true(b.failed);
	assert_true(span_eq(buf_span(&b), SPAN_LIT("12345678")));
}

static void errors_are_wrapped_from_the_inside_out(void **state)
{
	struct err err = { 0 };
	int r = err_errno(&err, ENOSPC, "writing %s", "f");

	assert_int_equal(r, -POD_E_NOSPACE);
	assert_int_equal(err_wrap(&err, r, "commit of %d", 3), r);
	assert_string_equal(err.text, "commit of 3: writing f: No space left on device");
	assert_string_equal(err_code_name(-POD_E_QUOTA), "QUOTA");
	assert_string_equal(err_code_text(9999), err_code_text(POD_E_INTERNAL));
}

static void guids_survive_their_text_form_and_sort_by_time(void **state)
{
	struct guid a = guid_new(), b;
	char text[ID_TEXT_SIZE];

	guid_format(&a, text);
	assert_int_equal(guid_parse(span_of(text), &b), 0);
	assert_true(guid_eq(&a, &b));
	text[3] = 'g';
	assert_int_equal(guid_parse(span_of(text), &b), -POD_E_SYNTAX);
}

static void log_lines_quote_what_peers_sent(void **state)
{
	char path[] = "/tmp/podmail-log-XXXXXX", text[1024];
	_cleanup_(closep) int fd = mkstemp(path);
	struct log conn = { NULL, { F_STR("conn", "c1") } };
	ssize_t n;

	assert_int_equal(unlink(path), 0);
	log_setup("test", fd, LOG_FORMAT_JSON, LOGL_INFO);
	log_event(&conn, LOGL_INFO, "rcpt.refused", F_SPAN("rcpt", SPAN_LIT("a\"\r\nb")), F_INT("n", -3));
	log_event(&conn, LOGL_DEBUG, "never.seen");
	log_setup("test", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "\"conn\":\"c1\",\"rcpt\":\"a\\\"\\u000d\\u000ab\",\"n\":-3}\n"));
	assert_null(strstr(text, "never.seen"));
}

/* A line is one write that a pipe takes whole; what does not fit goes as whole fields. */
/* The first bytes of fd's file, as text. */
static const char *file_text(int fd, char *text, size_t size)
{
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void gathered_lines_go_out_when_asked_and_before_a_warning(void **state)
{
	int fd = memfd_create("log", 0);
	char text[16384];

	log_setup("test", fd, LOG_FORMAT_TEXT, LOGL_INFO);
	log_gather();
	log_event(NULL, LOGL_INFO, "line.first");
	log_event(NULL, LOGL_INFO, "line.second");
	assert_string_equal(file_text(fd, text, sizeof(text)), "");
	log_event(NULL, LOGL_WARNING, "line.third");
	assert_non_null(strstr(file_text(fd, text, sizeof(text)), "line.third"));
	assert_true(strstr(text, "line.first") < strstr(text, "line.second"));
	log_event(NULL, LOGL_INFO, "line.fourth");
	assert_null(strstr(file_text(fd, text, sizeof(text)), "line.fourth"));
	log_flush();
	assert_non_null(strstr(file_text(fd, text, sizeof(text)), "line.fourth"));
	for (unsigned int i = 0; i < 200; i++)
		log_event(NULL, LOGL_INFO, "line.more", F_UINT("n", i));
	assert_non_null(strstr(file_text(fd, text, sizeof(text)), "n=50"));
	log_at_once();
	log_event(NULL, LOGL_INFO, "line.last");
	assert_non_null(strstr(file_text(fd, text, sizeof(text)), "line.last"));
	assert_non_null(strstr(text, "n=199\n"));
	log_setup("test", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO);
	(void) close(fd);
}

static void log_lines_are_bounded_and_stay_json(void **state)
{
	static const uint8_t noise[5000] = { 1 };
	struct span s = span_make(noise, sizeof(noise));
	char path[] = "/tmp/podmail-log-XXXXXX", text[PIPE_BUF + 2];
	_cleanup_(closep) int fd = mkstemp(path);
	ssize_t n;

	assert_int_equal(unlink(path), 0);
	log_setup("test", fd, LOG_FORMAT_JSON, LOGL_INFO);
	log_event(NULL, LOGL_INFO, "line.long", F_SPAN("a", s), F_SPAN("b", s), F_INT("n", 7),
	          F_SPAN("c", s));
	log_setup("test", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_in_range(n, 1, PIPE_BUF);
	text[n] = '\0';
	assert_non_null(strstr(text, "\"a\":\"\\u0001\\u0000"));
	assert_string_equal(strstr(text, "...\""), "...\",\"n\":7,\"fields_left_out\":2}\n");
}

static void a_metric_cannot_forge_lines_of_others(void **state)
{
	static const struct metric_item items[] = {
		{ METRIC_COUNTER, "podmail_test_total", "Help\npodmail_forged_total 1" },
		{ METRIC_COUNTER, "podmail_a\npodmail_forged_total 1", "Help" },
		{ METRIC_COUNTER, "podmail_honest_total", "Help" },
	};
	char dir[] = "/tmp/podmail-metric-XXXXXX", path[64];
	_cleanup_buf_ struct buf out = BUF_INIT;

	assert_non_null(mkdtemp(dir));
	(void) snprintf(path, sizeof(path), "%s/p", dir);
	assert_int_equal(metric_open(path, items, ARRAY_SIZE(items), NULL), 0);
	assert_int_equal(metric_collect(dir, &out, NULL), 0);
	assert_string_equal(buf_str(&out),
	                    "# HELP podmail_honest_total Help\n# TYPE podmail_honest_total counter\n"
	                    "podmail_honest_total 0\n");
	buf_clear(&out);
	assert_int_equal(truncate(path, 300), 0); /* by another process, at any moment */
	assert_int_equal(metric_collect(dir, &out, NULL), 0);
	assert_int_equal(out.len, 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	buf_done(&out);
}

static void metrics_of_all_processes_are_summed(void **state)
{
	static const struct metric_item items[] = {
		{ METRIC_COUNTER, "podmail_test_total{kind=\"a\"}", "Things counted" },
		{ METRIC_COUNTER, "podmail_test_total{kind=\"b\"}", "Things counted" },
		{ METRIC_GAUGE, "podmail_test_open", "Things open" },
	};
	char dir[] = "/tmp/podmail-metric-XXXXXX", path[64];
	_cleanup_buf_ struct buf out = BUF_INIT;

	assert_non_null(mkdtemp(dir));
	for (int i = 0; i < 2; i++) {
		(void) snprintf(path, sizeof(path), "%s/p.%d", dir, i);
		assert_int_equal(metric_open(path, items, ARRAY_SIZE(items), NULL), 0);
		metric_add(1, 5);
		metric_set(2, 3);
	}
	assert_int_equal(metric_collect(dir, &out, NULL), 0);
	assert_non_null(strstr(buf_str(&out),
	                       "# TYPE podmail_test_total counter\npodmail_test_total{kind=\"a\"} 0\n"
	                       "podmail_test_total{kind=\"b\"} 10\n"));
	assert_non_null(strstr(buf_str(&out), "# TYPE podmail_test_open gauge\npodmail_test_open 6\n"));
	for (int i = 0; i < 2; i++) {
		(void) snprintf(path, sizeof(path), "%s/p.%d", dir, i);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dir), 0);
}

static void two_hexadecimal_digits_are_a_byte(void **state)
{
	static const struct {
		const char *in;
		int byte;
	} cases[] = { { "00", 0 },  { "fF", 255 }, { "7a", 122 }, { "g0", -1 },
		      { "0G", -1 }, { "/0", -1 },  { ":0", -1 },  { " 1", -1 } };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(ascii_hex_pair((const uint8_t *) cases[i].in), cases[i].byte);
}

/* Of draft-eastlake-fnv: what is on disk by these must not change. */
static void hashes_are_those_of_the_draft(void **state)
{
	static const struct {
		const char *in;
		uint32_t h32;
		uint64_t h64;
	} cases[] = {
		{ "", 0x811c9dc5, 0xcbf29ce484222325 },
		{ "a", 0xe40c292c, 0xaf63dc4c8601ec8c },
		{ "foobar", 0xbf9cf968, 0x85944171f73967e8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(fnv32(FNV32_START, span_of(cases[i].in)), cases[i].h32);
		assert_int_equal(fnv64(FNV64_START, span_of(cases[i].in)), cases[i].h64);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_fill_the_whole_span_or_are_refused),
		cmocka_unit_test(splitting_leaves_a_null_rest_when_the_byte_is_missing),
		cmocka_unit_test(searching_ignores_ascii_case_only),
		cmocka_unit_test(two_hexadecimal_digits_are_a_byte),
		cmocka_unit_test(hashes_are_those_of_the_draft),
		cmocka_unit_test(an_arena_stops_at_its_limit_and_starts_over_after_reset),
		cmocka_unit_test(a_buf_that_failed_keeps_what_it_had),
		cmocka_unit_test(errors_are_wrapped_from_the_inside_out),
		cmocka_unit_test(guids_survive_their_text_form_and_sort_by_time),
		cmocka_unit_test(log_lines_quote_what_peers_sent),
		cmocka_unit_test(log_lines_are_bounded_and_stay_json),
		cmocka_unit_test(gathered_lines_go_out_when_asked_and_before_a_warning),
		cmocka_unit_test(a_metric_cannot_forge_lines_of_others),
		cmocka_unit_test(metrics_of_all_processes_are_summed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
