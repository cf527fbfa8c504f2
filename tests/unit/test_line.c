#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/stream_end.h"

#define MAX 10

struct line_case {
	const char *in;
	const char *out; /* what comes, each followed by "|": a line, <LIMIT> or <SYNTAX> */
	const char *left; /* what stays in the input */
};

static const struct line_case cases[] = {
	{ "", "", "" },
	{ "abc\r\n", "abc|", "" },
	{ "\r\n", "|", "" },
	{ "a\r\nb\r\n\r\nc", "a|b||", "c" },
	{ "0123456789\r\n", "0123456789|", "" },
	{ "0123456789A\r\nok\r\n", "<LIMIT>|ok|", "" },
	{ "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "<LIMIT>|", "" },
	{ "0123456789ABCDEF\r\nok\r\n", "<LIMIT>|ok|", "" },
	{ "0123456789AB\nCD\rEF\r\nok\r\n", "<LIMIT>|ok|", "" },
	{ "a\nb\r\nok\r\n", "<SYNTAX>|ok|", "" },
	{ "a\rb\r\nok\r\n", "<SYNTAX>|ok|", "" },
	{ "a\r\r\nok\r\n", "<SYNTAX>|ok|", "" },
	{ "\n\r\nok\r\n", "<SYNTAX>|ok|", "" },
	{ "\n.\n\r\nok\r\n", "<SYNTAX>|ok|", "" },
	{ "a\n\rb\r\nok\r\n", "<SYNTAX>|ok|", "" },
	{ "abc\r", "", "abc\r" },
	{ "abc\r\n\r", "abc|", "\r" },
	{ "a\nb\r", "<SYNTAX>|", "\r" },
};

static void take_all(struct stream *s, struct buf *out)
{
	struct span line;
	int r;

	while ((r = line_take(s, MAX, &line)) != 0) {
		if (r == 1)
			buf_add(out, line);
		else
			buf_add_str(out, r == -POD_E_LIMIT ? "<LIMIT>" : r == -POD_E_SYNTAX ? "<SYNTAX>" : "<?>");
		buf_add_byte(out, '|');
	}
}

static void open_end(struct stream_end_rec *e, struct event_base *base, int *ret_peer)
{
	int fds[2];

	tcp_pair(fds);
	stream_end_open(e, base, fds[0], NULL);
	*ret_peer = fds[1];
}

/* The same result whatever pieces the bytes come in, and however they lie in the evbuffer. */
static void lines_end_in_crlf_and_in_nothing_else(void **state)
{
	struct event_base *base = event_base_new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t piece = 1; piece <= 5; piece++) {
			_cleanup_buf_ struct buf out = BUF_INIT;
			_cleanup_(closep) int peer = -1;
			struct stream_end_rec e;
			struct span in = span_of(cases[i].in);
			char left[16] = "";

			open_end(&e, base, &peer);
			for (; in.len; in = span_skip(in, piece)) {
				struct evbuffer *part = evbuffer_new(); /* a chain of its own */

				(void) evbuffer_add(part, in.p, in.len < piece ? in.len : piece);
				(void) evbuffer_add_buffer(stream_input(e.s), part);
				evbuffer_free(part);
				take_all(e.s, &out);
			}
			assert_string_equal(buf_str(&out), cases[i].out);
			(void) evbuffer_copyout(stream_input(e.s), left, sizeof(left) - 1);
			assert_string_equal(left, cases[i].left);
			stream_end_close(&e);
		}
	}
	event_base_free(base);
}

static void a_line_in_one_piece_is_not_copied(void **state)
{
	struct event_base *base = event_base_new();
	_cleanup_(closep) int peer = -1;
	struct stream_end_rec e;
	struct evbuffer_iovec run;
	struct span line;

	open_end(&e, base, &peer);
	(void) evbuffer_add(stream_input(e.s), "first\r\nsecond\r\n", 15);
	(void) evbuffer_peek(stream_input(e.s), -1, NULL, &run, 1);
	assert_int_equal(line_take(e.s, 100, &line), 1);
	assert_ptr_equal(line.p, run.iov_base);
	assert_int_equal(line_take(e.s, 100, &line), 1);
	assert_ptr_equal(line.p, (uint8_t *) run.iov_base + 7);
	stream_end_close(&e);
	event_base_free(base);
}

static void a_literal_begins_right_behind_its_line(void **state)
{
	struct event_base *base = event_base_new();
	_cleanup_(closep) int peer = -1;
	struct stream_end_rec e;
	struct span line;
	char literal[8] = "";

	open_end(&e, base, &peer);
	(void) evbuffer_add(stream_input(e.s), "A {3}\r\nxyz next\r\n", 17);
	assert_int_equal(line_take(e.s, 100, &line), 1);
	assert_true(span_eq(line, SPAN_LIT("A {3}")));
	assert_int_equal(evbuffer_remove(stream_input(e.s), literal, 3), 3);
	assert_string_equal(literal, "xyz");
	assert_int_equal(line_take(e.s, 100, &line), 1);
	assert_true(span_eq(line, SPAN_LIT(" next")));
	stream_end_close(&e);
	event_base_free(base);
}

/* 1 MiB of one line, a byte at a time: quadratic scanning would take minutes. */
static void a_dripping_line_is_scanned_once(void **state)
{
	struct event_base *base = event_base_new();
	_cleanup_(closep) int peer = -1;
	struct stream_end_rec e;
	struct span line;
	uint64_t start = clock_mono_ms();
	struct evbuffer *in;

	open_end(&e, base, &peer);
	in = stream_input(e.s); /* kept on purpose: asking again would forget the scan */
	for (size_t i = 0; i < 1u << 20; i++) {
		(void) evbuffer_add(in, "x", 1);
		assert_int_equal(line_take(e.s, 2u << 20, &line), 0);
	}
	(void) evbuffer_add(in, "\r\n", 2);
	assert_int_equal(line_take(e.s, 2u << 20, &line), 1);
	assert_int_equal(line.len, 1u << 20);
	assert_true(clock_mono_ms() - start < 20000);
	stream_end_close(&e);
	event_base_free(base);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_end_in_crlf_and_in_nothing_else),
		cmocka_unit_test(a_line_in_one_piece_is_not_copied),
		cmocka_unit_test(a_literal_begins_right_behind_its_line),
		cmocka_unit_test(a_dripping_line_is_scanned_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
