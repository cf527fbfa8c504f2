#include "podctl/podd/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

/*
 * Programs write a line for each thing that happens. Under load they are read ten milliseconds late, many at
 * once, which wakes nobody for each; the pipe has room for what comes meanwhile.
 */
#define PAUSE_MS   10
#define WINDOW_MS  100
#define WAKES_MAX  100 /* in a window, before there are pauses: a few messages are no load */
#define PIPE_BYTES (1 << 20)
#define READS_MAX  64 /* a turn: a child that babbles must not hold the loop */

struct lines {
	int fd;
	struct event *readable, *pause;
	uint64_t since_ms; /* the wakes are counted from here */
	unsigned int wakes;
	lines_fn *on_line;
	void *arg;
	struct lines **owned_as; /* NULL once detached */
	size_t len;
	uint8_t buf[LINES_PIECE_MAX];
};

static void lines_free(struct lines *l)
{
	if (l->readable)
		event_free(l->readable);
	if (l->pause)
		event_free(l->pause);
	closep(&l->fd);
	if (l->owned_as)
		*l->owned_as = NULL;
	free(l);
}

static void give_lines(struct lines *l)
{
	struct span rest = span_make(l->buf, l->len);
	size_t end;

	while ((end = span_find_byte(rest, '\n')) != SIZE_MAX) {
		l->on_line(l->arg, span_head(rest, end));
		rest = span_skip(rest, end + 1);
	}
	if (rest.len == sizeof(l->buf)) {
		l->on_line(l->arg, rest);
		rest.len = 0;
	}
	memmove(l->buf, rest.p, rest.len);
	l->len = rest.len;
}

/* One read. false at the end of the file, or of what is there now (errno EAGAIN). */
static bool read_some(struct lines *l)
{
	ssize_t n = read(l->fd, l->buf + l->len, sizeof(l->buf) - l->len);

	if (n <= 0) {
		if (n == 0)
			errno = 0;
		return n < 0 && errno == EINTR;
	}
	l->len += (size_t) n;
	give_lines(l);
	return true;
}

/* Nothing follows: what stands there without a line end is the last line. */
static void end(struct lines *l)
{
	if (l->len > 0)
		l->on_line(l->arg, span_make(l->buf, l->len));
	lines_free(l);
}

static bool is_busy(struct lines *l)
{
	uint64_t now = clock_mono_ms();

	if (now - l->since_ms >= WINDOW_MS) {
		l->since_ms = now;
		l->wakes = 0;
	}
	return ++l->wakes >= WAKES_MAX;
}

static void lines_on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct lines *l = arg;

	for (int i = 0; i < READS_MAX; i++) {
		if (read_some(l))
			continue;
		if (errno != EAGAIN) {
			end(l);
			return;
		}
		break;
	}
	if (is_busy(l) && event_add(l->pause, &(struct timeval){ 0, PAUSE_MS * 1000 }) == 0)
		(void) event_del(l->readable);
}

static void lines_on_paused(evutil_socket_t fd, short events, void *arg)
{
	struct lines *l = arg;

	(void) event_add(l->readable, NULL);
}

int lines_create(struct event_base *base, int fd, lines_fn *on_line, void *arg, struct lines **ret_lines,
                 struct err *err)
{
	struct lines *l = calloc(1, sizeof(*l));

	if (!l) {
		(void) close(fd);
		return err_set(err, POD_E_NOMEM, "reading a child's log");
	}
	l->fd = fd;
	l->on_line = on_line;
	l->arg = arg;
	(void) fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* less is only slower */
	l->readable = event_new(base, fd, EV_READ | EV_PERSIST, lines_on_readable, l);
	l->pause = evtimer_new(base, lines_on_paused, l);
	if (!l->readable || !l->pause || event_add(l->readable, NULL) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		lines_free(l);
		return err_set(err, POD_E_NOMEM, "reading a child's log");
	}
	l->owned_as = ret_lines;
	*ret_lines = l;
	return 0;
}

void lines_flush(struct lines *l)
{
	/* As much as a pipe holds: bounded, so that a writer that never stops cannot keep us here. */
	for (int i = 0; l && i < PIPE_BYTES / LINES_PIECE_MAX; i++) {
		if (read_some(l))
			continue;
		if (errno != EAGAIN)
			end(l);
		return;
	}
}

void lines_detach(struct lines *l, lines_fn *on_line, void *arg)
{
	if (!l)
		return;
	l->owned_as = NULL;
	l->on_line = on_line;
	l->arg = arg;
}
