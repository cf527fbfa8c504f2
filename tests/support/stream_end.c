#include "tests/support/stream_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

#define LIMIT_MS 20000

static uint64_t limit_ms;

void loop_limit_start(struct event_base *base)
{
	limit_ms = clock_mono_ms() + LIMIT_MS;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
}

void loop_once(struct event_base *base, const char *file, int line)
{
	const struct timeval tick = { .tv_usec = 20000 }; /* so that the limit is looked at in a quiet loop too */

	if (clock_mono_ms() > limit_ms)
		_fail(file, line);
	(void) event_base_once(base, -1, EV_TIMEOUT, on_tick, NULL, &tick);
	(void) event_base_loop(base, EVLOOP_ONCE);
}

static void drop(struct stream_end_rec *e)
{
	e->s = stream_free(e->s);
}

static void on_input(void *owner)
{
	struct stream_end_rec *e = owner;
	struct evbuffer *in;

	e->inputs++;
	if (e->free_on_input) {
		drop(e);
		return;
	}
	if (e->keep_input)
		return;
	in = stream_input(e->s);
	for (size_t n; (n = evbuffer_get_length(in)) > 0;) {
		uint8_t *p = evbuffer_pullup(in, (ev_ssize_t) n);

		buf_add(&e->got, span_make(p, n));
		if (e->echo)
			stream_write(e->s, span_make(p, n));
		(void) evbuffer_drain(in, n);
	}
	if (e->pause_on_input)
		stream_pause(e->s);
	if (e->finish_on_input) {
		stream_finish(e->s);
		e->s = NULL;
	}
}

static void on_writable(void *owner)
{
	struct stream_end_rec *e = owner;

	e->writables++;
	if (e->free_on_writable)
		drop(e);
}

static void on_tls(void *owner)
{
	struct stream_end_rec *e = owner;

	e->tls++;
	if (e->free_on_tls)
		drop(e);
}

static void on_end(void *owner, enum stream_end why)
{
	struct stream_end_rec *e = owner;

	e->ends++;
	e->why = why;
	(void) snprintf(e->error, sizeof(e->error), "%s", stream_error_text(e->s));
	if (e->free_on_end)
		drop(e);
}

const struct stream_ops stream_end_ops = { on_input, on_writable, on_tls, on_end };

void stream_end_open(struct stream_end_rec *e, struct event_base *base, int fd, struct tls_context *tls)
{
	*e = (struct stream_end_rec){ .base = base };
	assert_int_equal(stream_create(base, fd, tls, &stream_end_ops, e, &e->s, NULL), 0);
}

void stream_end_close(struct stream_end_rec *e)
{
	drop(e);
	buf_done(&e->got);
}

void tcp_pair(int fds[2])
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(l, (struct sockaddr *) &in, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *) &in, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *) &in, len), 0);
	fds[1] = accept(l, NULL, NULL);
	assert_true(fds[1] >= 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(fcntl(fds[i], F_SETFL, O_NONBLOCK), 0);
	(void) close(l);
}
