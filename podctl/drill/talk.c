#include "podctl/drill/talk.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

static int wait_for(const struct talk *w, short events, struct err *err)
{
	struct pollfd pfd = { w->fd, events, 0 };
	int n;

	do
		n = poll(&pfd, 1, (int) w->timeout_ms);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "waiting for the pod");
	return n == 0 ? err_set(err, POD_E_TIMEOUT, "no answer in %u ms", w->timeout_ms) : 0;
}

static int connect_one(struct talk *w, const struct addrinfo *ai, struct err *err)
{
	int e = 0, r;
	socklen_t len = sizeof(e);

	w->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return err_errno(err, errno, "socket");
	if (connect(w->fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return 0;
	if (errno != EINPROGRESS)
		return err_set(err, POD_E_UNAVAILABLE, "%s", strerror(errno));
	r = wait_for(w, POLLOUT, err);
	if (r == 0 && getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 && e)
		r = err_set(err, POD_E_UNAVAILABLE, "%s", strerror(e));
	return r;
}

int talk_open(struct talk *w, const struct talk_address *to, unsigned int timeout_ms, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char port[16];
	int r, e;

	*w = (struct talk){ .fd = -1, .timeout_ms = timeout_ms };
	(void) snprintf(port, sizeof(port), "%u", to->port);
	e = getaddrinfo(to->host, port, &hints, &list);
	if (e != 0)
		return err_set(err, POD_E_UNAVAILABLE, "%s: %s", to->host, gai_strerror(e));
	r = connect_one(w, list, err);
	freeaddrinfo(list);
	if (r < 0)
		talk_close(w);
	return err_wrap(err, r, "%s port %u", to->host, to->port);
}

void talk_close(struct talk *w)
{
	if (w->fd >= 0)
		(void) close(w->fd);
	w->fd = -1;
}

static int send_all(struct talk *w, const char *p, size_t len, struct err *err)
{
	while (len) {
		ssize_t n = send(w->fd, p, len, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			p += n;
			len -= (size_t) n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return err_set(err, POD_E_UNAVAILABLE, "sending: %s", strerror(errno));
		r = wait_for(w, POLLOUT, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int talk_send(struct talk *w, struct err *err, const char *fmt, ...)
{
	char text[TALK_LINE_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t) n >= sizeof(text))
		return err_set(err, POD_E_LIMIT, "a command is too long");
	return send_all(w, text, (size_t) n, err);
}

/* Reads what has come, behind what is there. */
static int fill(struct talk *w, struct err *err)
{
	ssize_t n;

	if (w->start > 0) {
		memmove(w->buf, w->buf + w->start, w->end - w->start);
		w->end -= w->start;
		w->start = 0;
	}
	if (w->end == sizeof(w->buf))
		return err_set(err, POD_E_PROTOCOL, "a line of the pod's is too long");
	for (;;) {
		n = recv(w->fd, w->buf + w->end, sizeof(w->buf) - w->end, 0);
		if (n > 0) {
			w->end += (size_t) n;
			return 0;
		}
		if (n == 0)
			return err_set(err, POD_E_UNAVAILABLE, "the pod closed the connection");
		if (errno == EAGAIN) {
			int r = wait_for(w, POLLIN, err);

			if (r < 0)
				return r;
		} else if (errno != EINTR) {
			return err_set(err, POD_E_UNAVAILABLE, "reading: %s", strerror(errno));
		}
	}
}

int talk_line(struct talk *w, char **ret_line, struct err *err)
{
	for (;;) {
		char *start = w->buf + w->start, *lf = memchr(start, '\n', w->end - w->start);

		if (lf) {
			w->start = (size_t) (lf - w->buf) + 1;
			*lf = '\0';
			if (lf > start && lf[-1] == '\r')
				lf[-1] = '\0';
			*ret_line = start;
			return 0;
		}
		int r = fill(w, err);

		if (r < 0)
			return r;
	}
}

int talk_skip(struct talk *w, size_t n, char *keep, size_t keep_size, struct err *err)
{
	size_t kept = 0;

	while (n) {
		size_t have = w->end - w->start, take = have < n ? have : n;

		for (size_t i = 0; keep && i < take && kept + 1 < keep_size; i++)
			keep[kept++] = w->buf[w->start + i];
		w->start += take;
		n -= take;
		if (n) {
			int r = fill(w, err);

			if (r < 0)
				return r;
		}
	}
	if (keep && keep_size)
		keep[kept] = '\0';
	return 0;
}
