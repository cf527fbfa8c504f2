#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/support/stream_end.h"

struct fixture {
	struct event_base *base;
	struct stream_end_rec a, b;
};

static void fixture_start(struct fixture *f)
{
	int fds[2];

	tcp_pair(fds);
	f->base = event_base_new();
	stream_end_open(&f->a, f->base, fds[0], NULL);
	stream_end_open(&f->b, f->base, fds[1], NULL);
}

static void fixture_stop(struct fixture *f)
{
	stream_end_close(&f->a);
	stream_end_close(&f->b);
	(void) event_base_dispatch(f->base); /* returns when a stream that was finished has lingered out */
	event_base_free(f->base);
}

/* A descriptor of a file with size bytes that are a function of their place. */
static int make_file(size_t size)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	_cleanup_(freep) uint8_t *p = malloc(size + 1);

	assert_true(fd >= 0);
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t) (i * 7 + i / 251);
	assert_int_equal(write(fd, p, size), size);
	return fd;
}

static bool is_file(const uint8_t *p, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != (uint8_t) ((from + i) * 7 + (from + i) / 251))
			return false;
	return true;
}

static void bytes_go_both_ways(void **state)
{
	struct fixture f;

	fixture_start(&f);
	f.b.echo = true;
	stream_write(f.a.s, SPAN_LIT("hello "));
	stream_printf(f.a.s, "%d", 42);
	LOOP_UNTIL(f.base, f.a.got.len == 8);
	assert_string_equal(buf_str(&f.a.got), "hello 42");
	fixture_stop(&f);
}

static void nothing_is_called_from_inside_the_owners_calls(void **state)
{
	struct fixture f;

	fixture_start(&f);
	stream_write(f.b.s, SPAN_LIT("x"));
	LOOP_UNTIL(f.base, f.a.inputs == 1);
	f.a.keep_input = true;
	stream_write(f.b.s, SPAN_LIT("y"));
	LOOP_UNTIL(f.base, f.a.inputs == 2);
	stream_pause(f.a.s);
	stream_resume(f.a.s);
	stream_set_output_mark(f.a.s, 0);
	stream_write(f.a.s, SPAN_LIT("z"));
	assert_int_equal(f.a.inputs, 2);
	assert_int_equal(f.a.writables, 0);
	fixture_stop(&f);
}

static void resuming_shows_what_is_still_there_once(void **state)
{
	struct fixture f;

	fixture_start(&f);
	f.a.keep_input = true;
	stream_write(f.b.s, SPAN_LIT("waiting"));
	LOOP_UNTIL(f.base, f.a.inputs == 1);
	stream_pause(f.a.s);
	stream_write(f.b.s, SPAN_LIT(" more"));
	LOOP_UNTIL(f.base, evbuffer_get_length(stream_output(f.b.s)) == 0);
	for (int i = 0; i < 5; i++)
		(void) event_base_loop(f.base, EVLOOP_NONBLOCK);
	assert_int_equal(f.a.inputs, 1);
	stream_resume(f.a.s);
	LOOP_UNTIL(f.base, evbuffer_get_length(stream_input(f.a.s)) == 12);
	assert_true(f.a.inputs == 2 || f.a.inputs == 3);
	fixture_stop(&f);
}

static void the_end_comes_once_and_after_the_input(void **state)
{
	struct fixture f;

	fixture_start(&f);
	stream_write(f.a.s, SPAN_LIT("last words"));
	stream_finish(f.a.s);
	f.a.s = NULL;
	LOOP_UNTIL(f.base, f.b.ends > 0);
	assert_string_equal(buf_str(&f.b.got), "last words");
	assert_int_equal(f.b.ends, 1);
	assert_int_equal(f.b.why, STREAM_EOF);
	assert_int_equal(f.a.ends, 0);
	fixture_stop(&f);
}

static void an_end_waits_until_a_paused_owner_resumes(void **state)
{
	struct fixture f;

	fixture_start(&f);
	stream_pause(f.b.s);
	stream_write(f.a.s, SPAN_LIT("QUIT"));
	stream_finish(f.a.s);
	f.a.s = NULL;
	for (int i = 0; i < 10; i++)
		(void) event_base_loop(f.base, EVLOOP_NONBLOCK);
	assert_int_equal(f.b.ends, 0);
	stream_resume(f.b.s);
	LOOP_UNTIL(f.base, f.b.ends == 1);
	assert_string_equal(buf_str(&f.b.got), "QUIT");
	fixture_stop(&f);
}

/* A full read makes the stream look for more in the same turn, and there it finds the end. */
static void an_end_met_with_the_last_input_waits_for_a_pause_too(void **state)
{
	static const char bytes[16384];
	struct event_base *base = event_base_new();
	struct stream_end_rec e;
	int fds[2];

	tcp_pair(fds);
	stream_end_open(&e, base, fds[0], NULL);
	e.pause_on_input = true;
	assert_int_equal(send(fds[1], bytes, sizeof(bytes), 0), sizeof(bytes));
	(void) close(fds[1]);
	LOOP_UNTIL(base, e.got.len == sizeof(bytes));
	for (int i = 0; i < 10; i++)
		(void) event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(e.ends, 0);
	e.pause_on_input = false;
	stream_resume(e.s);
	LOOP_UNTIL(base, e.ends == 1);
	assert_int_equal(e.why, STREAM_EOF);
	stream_end_close(&e);
	event_base_free(base);
}

static void an_answer_still_reaches_a_peer_that_half_closed(void **state)
{
	struct event_base *base = event_base_new();
	struct stream_end_rec e;
	char got[16] = "";
	int fds[2];
	ssize_t n;

	tcp_pair(fds);
	stream_end_open(&e, base, fds[0], NULL);
	assert_int_equal(send(fds[1], "QUIT\r\n", 6, 0), 6);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	LOOP_UNTIL(base, e.ends == 1);
	stream_write(e.s, SPAN_LIT("221 bye\r\n"));
	stream_finish(e.s);
	e.s = NULL;
	LOOP_UNTIL(base, (n = recv(fds[1], got, sizeof(got), MSG_DONTWAIT)) > 0);
	assert_string_equal(got, "221 bye\r\n");
	LOOP_UNTIL(base, (n = recv(fds[1], got, sizeof(got), MSG_DONTWAIT)) == 0);
	(void) close(fds[1]);
	stream_end_close(&e);
	(void) event_base_dispatch(base);
	event_base_free(base);
}

/* Unread input at close(2) makes the kernel send a reset, which may overtake the last reply. */
static void the_last_reply_survives_input_nobody_reads(void **state)
{
	for (int round = 0; round < 20; round++) {
		struct event_base *base = event_base_new();
		struct stream_end_rec e;
		static char flood[1 << 20], got[64];
		size_t have = 0;
		bool closed = false;
		int fds[2], error = 0;
		socklen_t error_len = sizeof(error);

		tcp_pair(fds);
		stream_end_open(&e, base, fds[0], NULL);
		e.finish_on_input = true;
		stream_write(e.s, SPAN_LIT("421 too many errors\r\n"));
		(void) send(fds[1], flood, sizeof(flood), MSG_NOSIGNAL);
		loop_limit_start(base);
		while (!closed) {
			ssize_t n = recv(fds[1], got + have, sizeof(got) - 1 - have, 0);

			if (n >= 0 || errno != EAGAIN) {
				assert_true(n >= 0);
				closed = n == 0;
				have += (size_t) n;
			} else {
				(void) send(fds[1], flood, 1000, MSG_NOSIGNAL);
				loop_once(base, __FILE__, __LINE__);
			}
		}
		assert_memory_equal(got, "421 too many errors\r\n", have);
		/* Linux hands out what came before a reset; others throw it away, so there must not be one. */
		assert_int_equal(getsockopt(fds[1], SOL_SOCKET, SO_ERROR, &error, &error_len), 0);
		assert_int_equal(error, 0);
		(void) close(fds[1]);
		stream_end_close(&e);
		(void) event_base_dispatch(base);
		event_base_free(base);
	}
}

static void a_reset_is_an_error_and_not_an_eof(void **state)
{
	struct event_base *base = event_base_new();
	struct stream_end_rec e;
	const struct linger now = { .l_onoff = 1 };
	int fds[2];

	tcp_pair(fds);
	stream_end_open(&e, base, fds[0], NULL);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	(void) close(fds[1]);
	LOOP_UNTIL(base, e.ends == 1);
	assert_int_equal(e.why, STREAM_ERROR);
	assert_non_null(strstr(e.error, "reset"));
	stream_end_close(&e);
	event_base_free(base);
}

static void freeing_inside_any_callback_is_safe(void **state)
{
	for (int which = 0; which < 3; which++) {
		struct fixture f;

		fixture_start(&f);
		f.b.free_on_input = which == 0;
		f.b.free_on_end = which == 1;
		f.b.free_on_writable = which == 2;
		stream_set_output_mark(f.b.s, 1);
		stream_write(f.b.s, SPAN_LIT("over the mark"));
		stream_write(f.a.s, SPAN_LIT("x"));
		if (which == 1) {
			stream_finish(f.a.s);
			f.a.s = NULL;
		}
		LOOP_UNTIL(f.base, f.b.s == NULL);
		fixture_stop(&f);
	}
}

static void a_silent_peer_times_out(void **state)
{
	struct fixture f;

	fixture_start(&f);
	stream_set_timeouts(f.a.s, 50, 0);
	LOOP_UNTIL(f.base, f.a.ends == 1);
	assert_int_equal(f.a.why, STREAM_TIMEOUT);
	fixture_stop(&f);
}

static void input_starts_the_read_timeout_anew(void **state)
{
	struct fixture f;
	uint64_t start = clock_mono_ms(), last_input = start;

	fixture_start(&f);
	stream_set_timeouts(f.a.s, 300, 0);
	loop_limit_start(f.base);
	while (f.a.ends == 0) {
		uint64_t now = clock_mono_ms();
		int inputs = f.a.inputs;

		if (now - start < 700)
			stream_write(f.b.s, SPAN_LIT("."));
		loop_once(f.base, __FILE__, __LINE__);
		if (f.a.inputs > inputs)
			last_input = now;
	}
	assert_true(f.a.inputs > 0);
	assert_true(clock_mono_ms() - last_input >= 290);
	fixture_stop(&f);
}

static void a_peer_that_takes_nothing_times_out(void **state)
{
	struct fixture f;
	_cleanup_(freep) void *much = calloc(1, 8u << 20);

	fixture_start(&f);
	stream_pause(f.b.s);
	stream_set_timeouts(f.a.s, 0, 100);
	stream_write(f.a.s, span_make(much, 8u << 20));
	LOOP_UNTIL(f.base, f.a.ends == 1);
	assert_int_equal(f.a.why, STREAM_TIMEOUT);
	fixture_stop(&f);
}

static void full_output_is_told_and_its_emptying_too(void **state)
{
	struct fixture f;
	_cleanup_(freep) void *much = calloc(1, 8u << 20);

	fixture_start(&f);
	stream_pause(f.b.s);
	stream_set_output_mark(f.a.s, 65536);
	stream_write(f.a.s, SPAN_LIT("little"));
	assert_false(stream_is_full(f.a.s));
	LOOP_UNTIL(f.base, evbuffer_get_length(stream_output(f.a.s)) == 0);
	assert_int_equal(f.a.writables, 0);
	stream_write(f.a.s, span_make(much, 8u << 20));
	assert_true(stream_is_full(f.a.s));
	stream_resume(f.b.s);
	LOOP_UNTIL(f.base, f.a.writables == 1);
	assert_true(evbuffer_get_length(stream_output(f.a.s)) < 32768);
	LOOP_UNTIL(f.base, f.b.got.len == 6 + (8u << 20));
	assert_int_equal(f.a.writables, 1);
	fixture_stop(&f);
}

static void unread_input_stops_at_its_limit(void **state)
{
	struct fixture f;
	_cleanup_(freep) void *much = calloc(1, 4u << 20);

	fixture_start(&f);
	f.b.keep_input = true;
	stream_set_input_limit(f.b.s, 100000);
	stream_write(f.a.s, span_make(much, 4u << 20));
	LOOP_UNTIL(f.base, evbuffer_get_length(stream_input(f.b.s)) >= 100000);
	for (int i = 0; i < 20; i++)
		(void) event_base_loop(f.base, EVLOOP_NONBLOCK);
	assert_true(evbuffer_get_length(stream_input(f.b.s)) < 100000 + 65536);
	f.b.keep_input = false;
	(void) evbuffer_drain(stream_input(f.b.s), 60000);
	(void) evbuffer_drain(stream_input(f.b.s), SIZE_MAX / 2);
	LOOP_UNTIL(f.base, f.b.got.len > 3u << 20);
	fixture_stop(&f);
}

static void files_and_bytes_keep_their_order(void **state)
{
	struct fixture f;
	const size_t big = 3000000;
	const uint8_t *p;

	fixture_start(&f);
	stream_write(f.a.s, SPAN_LIT("<"));
	assert_int_equal(stream_write_file(f.a.s, make_file(big), 0, big, NULL), 0);
	stream_write(f.a.s, SPAN_LIT("|"));
	assert_int_equal(stream_write_file(f.a.s, make_file(1000), 10, 20, NULL), 0);
	assert_int_equal(stream_write_file(f.a.s, make_file(1000), 500, 0, NULL), 0);
	assert_int_equal(stream_write_file(f.a.s, make_file(1000), 999, 1, NULL), 0);
	stream_write(f.a.s, SPAN_LIT(">"));
	assert_true(stream_is_full(f.a.s));
	LOOP_UNTIL(f.base, f.b.got.len == big + 24);
	p = f.b.got.p;
	assert_true(p[0] == '<' && is_file(p + 1, 0, big) && p[big + 1] == '|');
	assert_true(is_file(p + big + 2, 10, 20) && is_file(p + big + 22, 999, 1) && p[big + 23] == '>');
	fixture_stop(&f);
}

static void a_file_that_shrank_ends_the_connection(void **state)
{
	struct fixture f;

	fixture_start(&f);
	assert_int_equal(stream_write_file(f.a.s, make_file(100), 0, 101, NULL), 0);
	LOOP_UNTIL(f.base, f.a.ends == 1);
	assert_int_equal(f.a.why, STREAM_ERROR);
	assert_non_null(strstr(f.a.error, "shorter"));
	fixture_stop(&f);
}

static void a_connection_made_from_here_says_when_it_stands(void **state)
{
	struct event_base *base = event_base_new();
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	_cleanup_(closep) int l = socket(AF_INET, SOCK_STREAM, 0), c = -1;
	struct stream_end_rec e = { .base = base };
	char got[8] = "";

	assert_int_equal(bind(l, (struct sockaddr *) &in, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *) &in, &len), 0);
	assert_int_equal(stream_connect(base, (struct sockaddr *) &in, len, &stream_end_ops, &e, &e.s, NULL), 0);
	stream_write(e.s, SPAN_LIT("hi"));
	LOOP_UNTIL(base, e.writables == 1);
	c = accept(l, NULL, NULL);
	LOOP_UNTIL(base, recv(c, got, 2, MSG_DONTWAIT) == 2);
	stream_end_close(&e);
	event_base_free(base);
}

static void a_refused_connection_is_an_error_of_the_stream(void **state)
{
	struct event_base *base = event_base_new();
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	_cleanup_(closep) int bound = socket(AF_INET, SOCK_STREAM, 0); /* never listens */
	struct stream_end_rec e = { .base = base };

	assert_int_equal(bind(bound, (struct sockaddr *) &in, len), 0);
	assert_int_equal(getsockname(bound, (struct sockaddr *) &in, &len), 0);
	assert_int_equal(stream_connect(base, (struct sockaddr *) &in, len, &stream_end_ops, &e, &e.s, NULL), 0);
	LOOP_UNTIL(base, e.ends == 1);
	assert_int_equal(e.why, STREAM_ERROR);
	assert_non_null(strstr(e.error, "refused"));
	assert_int_equal(e.writables, 0);
	stream_end_close(&e);
	event_base_free(base);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(nothing_is_called_from_inside_the_owners_calls),
		cmocka_unit_test(resuming_shows_what_is_still_there_once),
		cmocka_unit_test(the_end_comes_once_and_after_the_input),
		cmocka_unit_test(an_end_waits_until_a_paused_owner_resumes),
		cmocka_unit_test(an_end_met_with_the_last_input_waits_for_a_pause_too),
		cmocka_unit_test(an_answer_still_reaches_a_peer_that_half_closed),
		cmocka_unit_test(the_last_reply_survives_input_nobody_reads),
		cmocka_unit_test(a_reset_is_an_error_and_not_an_eof),
		cmocka_unit_test(freeing_inside_any_callback_is_safe),
		cmocka_unit_test(a_silent_peer_times_out),
		cmocka_unit_test(input_starts_the_read_timeout_anew),
		cmocka_unit_test(a_peer_that_takes_nothing_times_out),
		cmocka_unit_test(full_output_is_told_and_its_emptying_too),
		cmocka_unit_test(unread_input_stops_at_its_limit),
		cmocka_unit_test(files_and_bytes_keep_their_order),
		cmocka_unit_test(a_file_that_shrank_ends_the_connection),
		cmocka_unit_test(a_connection_made_from_here_says_when_it_stands),
		cmocka_unit_test(a_refused_connection_is_an_error_of_the_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
