#include "mta/podfilter/content/clamd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define CHUNK     65536
#define WAIT_MS   5000
#define REPLY_MAX 1024

struct talk {
	const struct clamd_scan *scan;
	int fd;
	uint64_t deadline_ms;
};

/* Until the descriptor can do it. */
static int wait_for(struct talk *t, short events, struct err *err)
{
	for (;;) {
		struct pollfd p = { .fd = t->fd, .events = events };
		uint64_t now = clock_mono_ms();
		uint64_t left = now < t->deadline_ms ? t->deadline_ms - now : 0;
		int n = poll(&p, 1, (int) (left < WAIT_MS ? left : WAIT_MS));

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "clamd");
		if (left == 0)
			return err_set(err, POD_E_TIMEOUT, "clamd does not answer");
		if (t->scan->on_wait)
			t->scan->on_wait(t->scan->arg);
	}
}

static int begin(struct talk *t, struct err *err)
{
	const struct net_addr *a = t->scan->clamd;
	int error = 0, r;
	socklen_t len = sizeof(error);

	t->fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->fd < 0)
		return err_errno(err, errno, "clamd");
	if (connect(t->fd, (const struct sockaddr *) &a->ss, a->len) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return err_set(err, POD_E_UNAVAILABLE, "clamd: %s", strerrordesc_np(errno));
	r = wait_for(t, POLLOUT, err);
	if (r == 0 && (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error))
		r = err_set(err, POD_E_UNAVAILABLE, "clamd: %s", strerrordesc_np(error));
	return r;
}

static int put(struct talk *t, struct span bytes, struct err *err)
{
	while (bytes.len) {
		ssize_t n = send(t->fd, bytes.p, bytes.len, MSG_NOSIGNAL);
		int r;

		if (n > 0) {
			bytes = span_skip(bytes, (size_t) n);
			continue;
		}
		/* It closes when it has had enough, and has said so before: that is read next. */
		if (errno == EPIPE || errno == ECONNRESET)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(err, errno, "clamd");
		r = wait_for(t, POLLOUT, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* A chunk is its length in four bytes, big-endian, and its bytes; the last has none. */
static int put_all(struct talk *t, struct err *err)
{
	struct span rest = t->scan->bytes;
	int r = put(t, SPAN_LIT("zINSTREAM\0"), err);

	for (bool more = true; r == 0 && more;) {
		struct span chunk = span_head(rest, CHUNK);
		uint32_t len = htonl((uint32_t) chunk.len);

		more = chunk.len > 0;
		rest = span_skip(rest, chunk.len);
		r = put(t, span_make(&len, sizeof(len)), err);
		if (r == 0)
			r = put(t, chunk, err);
	}
	return r;
}

static int take_answer(struct talk *t, char *buf, size_t *ret_len, struct err *err)
{
	size_t len = 0;

	while (len < REPLY_MAX && !memchr(buf, '\0', len)) {
		ssize_t n = recv(t->fd, buf + len, REPLY_MAX - len, 0);
		int r;

		if (n == 0)
			break;
		if (n > 0) {
			len += (size_t) n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return err_set(err, POD_E_UNAVAILABLE, "clamd: %s", strerrordesc_np(errno));
		r = wait_for(t, POLLIN, err);
		if (r < 0)
			return r;
	}
	*ret_len = strnlen(buf, len);
	return 0;
}

static bool ends(struct span s, struct span end)
{
	return s.len >= end.len && span_eq(span_skip(s, s.len - end.len), end);
}

int clamd_answer_parse(struct span line, char *found, size_t size, struct err *err)
{
	static const struct span prefix = SPAN_LIT("stream: "), infected = SPAN_LIT(" FOUND"),
				 error = SPAN_LIT(" ERROR");
	struct span text = span_trim(line), name;

	if (ends(text, error))
		return err_set(err,
		               span_find(text, SPAN_LIT("size limit")) != SIZE_MAX ? POD_E_LIMIT
		                                                                   : POD_E_PROTOCOL,
		               "clamd: " SPAN_FMT, SPAN_ARG(span_head(text, 160)));
	if (!span_starts_nocase(text, prefix))
		return err_set(err, POD_E_PROTOCOL, "clamd: " SPAN_FMT, SPAN_ARG(span_head(text, 160)));
	text = span_skip(text, prefix.len);
	if (span_eq(text, SPAN_LIT("OK")))
		return 0;
	if (!ends(text, infected))
		return err_set(err, POD_E_PROTOCOL, "clamd: " SPAN_FMT, SPAN_ARG(span_head(text, 160)));
	name = span_head(text, text.len - infected.len);
	(void) snprintf(found, size, SPAN_FMT, SPAN_ARG(name));
	return 1;
}

int clamd_scan(const struct clamd_scan *s, char *found, size_t size, struct err *err)
{
	struct talk t = { .scan = s, .fd = -1, .deadline_ms = clock_mono_ms() + s->timeout_ms };
	char answer[REPLY_MAX];
	size_t len = 0;
	int r = begin(&t, err);

	if (r == 0)
		r = put_all(&t, err);
	if (r == 0)
		r = take_answer(&t, answer, &len, err);
	closep(&t.fd);
	return r < 0 ? r : clamd_answer_parse(span_make(answer, len), found, size, err);
}
