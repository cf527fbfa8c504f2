/* The parts of SMTP that stand alone: dot-stuffing, parameters, status codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/smtp/internal.h"

static int collect(void *arg, struct span run)
{
	buf_add(arg, run);
	return 0;
}

/* Feeds in as two pieces cut at `cut`; returns the bytes taken. */
static size_t unstuff_in_two(struct smtp_unstuff *u, struct span in, size_t cut, struct buf *out)
{
	int r = 0;
	size_t n = smtp_unstuff(u, span_head(in, cut), collect, out, &r);

	if (u->state != UNSTUFF_END)
		n += smtp_unstuff(u, span_skip(in, cut), collect, out, &r);
	return n;
}

static void dots_are_unstuffed_however_the_bytes_are_cut(void **state)
{
	static const struct {
		const char *in, *out;
		size_t taken; /* 0: all, and not ended */
		bool bare;
	} cases[] = {
		{ ".\r\n", "", 3, false },
		{ "a\r\n.\r\nNEXT\r\n", "a\r\n", 6, false },
		{ "..\r\n.\r\n", ".\r\n", 7, false },
		{ "...a\r\n.b\r\n.\r\n", "..a\r\nb\r\n", 13, false },
		{ "\r\n\r\n.\r\n", "\r\n\r\n", 7, false },
		{ "a.\r\n.\r\n", "a.\r\n", 7, false },
		{ "a\r\n.", "a\r\n", 0, false },
		{ "a\rb\r\n.\r\n", "a\rb\r\n", 8, true },
		{ "a\nb\r\n.\r\n", "a\nb\r\n", 8, true },
		{ "a\r\r\n.\r\n", "a\r\r\n", 7, true },
		{ ".\rb\r\n.\r\n", "\rb\r\n", 8, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span in = span_of(cases[i].in);

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct smtp_unstuff u = { 0 };
			_cleanup_buf_ struct buf out = BUF_INIT;
			size_t n = unstuff_in_two(&u, in, cut, &out);

			assert_string_equal(buf_str(&out), cases[i].out);
			assert_int_equal(n, cases[i].taken ? cases[i].taken : in.len);
			assert_int_equal(u.state == UNSTUFF_END, cases[i].taken != 0);
			assert_int_equal(u.bare, cases[i].bare);
		}
	}
}

/* Every pair of things that some server somewhere takes for a line end, around a dot: only CRLF.CRLF counts. */
static void only_crlf_dot_crlf_ends_data(void **state)
{
	static const char *const ends[] = { "\r\n", "\n", "\r", "\n\r", "\r\r\n", "\n\n", "\r\r", "", " \r\n", "\x85", "\v", "\f" };

	for (size_t mend = 0; mend < 2; mend++)
		for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
			for (size_t k = 0; k < ARRAY_SIZE(ends); k++) {
				char text[64];
				struct smtp_unstuff u = { .mend = mend };
				_cleanup_buf_ struct buf out = BUF_INIT;
				/* "a \r\n." has CRLF before the dot too; so have "\r\r\n" and "\n...": look at the bytes */
				int n = snprintf(text, sizeof(text), "a%s.%sMAIL FROM:<x@y>", ends[i], ends[k]);
				size_t at = span_find(span_of(text), SPAN_LIT("\r\n.\r\n"));
				int r = 0;
				size_t taken = smtp_unstuff(&u, span_make(text, (size_t) n), collect, &out, &r);

				assert_int_equal(u.state == UNSTUFF_END, at != SIZE_MAX);
				assert_int_equal(taken, at != SIZE_MAX ? at + 5 : (size_t) n);
			}
}

static void mended_text_has_only_whole_line_ends(void **state)
{
	struct smtp_unstuff u = { .mend = true };
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r = 0;

	(void) smtp_unstuff(&u, SPAN_LIT("a\nb\rc\r\rd\n.\ne\r\n.\r\n"), collect, &out, &r);
	assert_int_equal(u.state, UNSTUFF_END);
	assert_true(u.bare);
	assert_string_equal(buf_str(&out), "a\r\nb\r\nc\r\n\r\nd\r\n.\r\ne\r\n");
}

static void raw_chunks_keep_their_dots(void **state)
{
	struct smtp_unstuff u = { .raw = true };
	_cleanup_buf_ struct buf out = BUF_INIT;
	int r = 0;

	(void) smtp_unstuff(&u, SPAN_LIT("..a\r\n.\r\n\r"), collect, &out, &r);
	smtp_unstuff_last(&u, collect, &out, &r);
	assert_true(u.bare);
	assert_string_equal(buf_str(&out), "..a\r\n.\r\n\r");
}

static void paths_end_at_the_bracket_that_is_not_quoted(void **state)
{
	static const struct {
		const char *in, *path, *params;
	} cases[] = {
		{ "FROM:<a@b>", "a@b", "" },
		{ "from: <a@b> SIZE=1", "a@b", " SIZE=1" },
		{ "FROM:<\"a>b\"@c> X", "\"a>b\"@c", " X" },
		{ "FROM:<\"a\\\">b\"@c>", "\"a\\\">b\"@c", "" },
		{ "FROM:<>", "", "" },
		{ "FROM:a@b", NULL, NULL },
		{ "FROM:<a@b", NULL, NULL },
		{ "FROM:<a@b>SIZE=1", NULL, NULL },
		{ "TO:<a@b>", NULL, NULL },
		{ "", NULL, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span path, params;
		int r = smtp_path_split(span_of(cases[i].in), SPAN_LIT("FROM:"), &path, &params);

		assert_int_equal(r, cases[i].path ? 0 : -POD_E_SYNTAX);
		if (r == 0) {
			assert_true(span_eq(path, span_of(cases[i].path)));
			assert_true(span_eq(params, span_of(cases[i].params)));
		}
	}
}

static void parameters_are_taken_or_refused_as_their_rfcs_say(void **state)
{
	static const struct {
		unsigned int of;
		const char *in;
		int code; /* 0: taken */
	} cases[] = {
		{ PARAMS_OF_MAIL, "", 0 },
		{ PARAMS_OF_MAIL, "SIZE=0 BODY=7BIT  SMTPUTF8 RET=FULL ENVID=a+20b AUTH=<>", 0 },
		{ PARAMS_OF_MAIL, "auth=a+40b.test body=8bitmime", 0 },
		{ PARAMS_OF_MAIL, "SIZE=", 501 },
		{ PARAMS_OF_MAIL, "SIZE=-1", 501 },
		{ PARAMS_OF_MAIL, "SIZE=999999999999999999999", 501 },
		{ PARAMS_OF_MAIL, "SIZE=1 SIZE=1", 501 },
		{ PARAMS_OF_MAIL, "BODY=BINARYMIME", 504 },
		{ PARAMS_OF_MAIL, "BODY=9BIT", 501 },
		{ PARAMS_OF_MAIL, "SMTPUTF8=1", 501 },
		{ PARAMS_OF_MAIL, "RET=SOME", 501 },
		{ PARAMS_OF_MAIL, "ENVID=a+2", 501 },
		{ PARAMS_OF_MAIL, "ENVID=a+2b", 501 },
		{ PARAMS_OF_MAIL, "ENVID=", 501 },
		{ PARAMS_OF_MAIL, "AUTH=", 501 },
		{ PARAMS_OF_MAIL, "NOTIFY=NEVER", 555 },
		{ PARAMS_OF_MAIL, "=", 555 },
		{ PARAMS_OF_RCPT, "NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c", 0 },
		{ PARAMS_OF_RCPT, "NOTIFY=success,FAILURE,Delay ORCPT=utf-8;\xc3\xa4@c", 0 },
		{ PARAMS_OF_RCPT, "NOTIFY=NEVER,DELAY", 501 },
		{ PARAMS_OF_RCPT, "NOTIFY=", 501 },
		{ PARAMS_OF_RCPT, "NOTIFY=DELAY,", 501 },
		{ PARAMS_OF_RCPT, "ORCPT=a@c", 501 },
		{ PARAMS_OF_RCPT, "ORCPT=rfc822;", 501 },
		{ PARAMS_OF_RCPT, "ORCPT=rfc822;\xc3\xa4@c", 501 },
		{ PARAMS_OF_RCPT, "SIZE=1", 555 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtp_params p;
		struct smtp_status st = { 0 };
		int r = smtp_params_parse(span_of(cases[i].in), cases[i].of, &p, &st);

		if (r == 0 ? cases[i].code != 0 : st.code != cases[i].code)
			fail_msg("\"%s\": %d, expected %d", cases[i].in, st.code, cases[i].code);
	}
}

static void every_error_has_a_reply_whose_two_codes_agree(void **state)
{
	for (int e = 0; e < POD_E_END; e++) {
		struct smtp_status one = smtp_status_of(-e), two = smtp_status_of_rcpt(-e);

		assert_int_equal(one.code / 100, one.enhanced[0] - '0');
		assert_int_equal(two.code / 100, two.enhanced[0] - '0');
		assert_true(*one.text && *two.text);
		assert_true(smtp_status_of_local(-e).code / 100 == 4 || e == POD_E_NONE || e == POD_E_LIMIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dots_are_unstuffed_however_the_bytes_are_cut),
		cmocka_unit_test(only_crlf_dot_crlf_ends_data),
		cmocka_unit_test(mended_text_has_only_whole_line_ends),
		cmocka_unit_test(raw_chunks_keep_their_dots),
		cmocka_unit_test(paths_end_at_the_bracket_that_is_not_quoted),
		cmocka_unit_test(parameters_are_taken_or_refused_as_their_rfcs_say),
		cmocka_unit_test(every_error_has_a_reply_whose_two_codes_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
