#include "storeproto/link_io_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IOVECS 128
#define TLS_RECORD (16u << 10)

union fd_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
};

/* Keeps descriptors that came; false where there are more than a well-behaved peer sends ahead. */
static bool keep_descriptors(struct link_io *io, struct msghdr *m)
{
	bool fits = !(m->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (io->fds_n < LINK_FDS_WAITING_MAX) {
				io->fds[io->fds_n++] = fd;
			} else {
				(void) close(fd);
				fits = false;
			}
		}
	}
	return fits;
}

static ssize_t unix_read(struct link_io *io, void *p, size_t room, struct err *err)
{
	union fd_control control;
	struct iovec v = { p, room };
	struct msghdr m = {
		.msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(io->fd, &m, MSG_CMSG_CLOEXEC);

	if (n == 0)
		return LINK_IO_EOF;
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return LINK_IO_AGAIN;
		return err_set(err, POD_E_UNAVAILABLE, "read: %s", strerror(errno));
	}
	if (m.msg_controllen && !keep_descriptors(io, &m))
		return err_set(err, POD_E_PROTOCOL, "more descriptors than frames for them");
	return n;
}

static ssize_t tls_result(struct link_io *io, int n, struct err *err)
{
	unsigned long e;

	switch (SSL_get_error(io->ssl, n)) {
	case SSL_ERROR_WANT_WRITE: io->wants_write = true; return LINK_IO_AGAIN;
	case SSL_ERROR_WANT_READ: io->wants_read = true; return LINK_IO_AGAIN;
	case SSL_ERROR_ZERO_RETURN: return LINK_IO_EOF;
	default:
		e = ERR_get_error();
		ERR_clear_error();
		return err_set(err, POD_E_UNAVAILABLE, "TLS: %s", e ? ERR_reason_error_string(e) : "connection lost");
	}
}

static ssize_t tls_read(struct link_io *io, void *p, size_t room, struct err *err)
{
	int n;

	ERR_clear_error();
	io->wants_write = false;
	n = SSL_read(io->ssl, p, room > INT32_MAX ? INT32_MAX : (int) room);
	if (n > 0)
		return n;
	n = (int) tls_result(io, n, err);
	io->wants_read = false; /* that is what a reader always does */
	return n;
}

ssize_t link_io_read(struct link_io *io, void *p, size_t room, struct err *err)
{
	return io->ssl ? tls_read(io, p, room, err) : unix_read(io, p, room, err);
}

/* Notes that n bytes of the queue have gone. */
static void mark_sent(struct link_io *io, struct frame_out *f, size_t n)
{
	for (; f && n; f = f->next) {
		size_t part = f->len - f->sent < n ? f->len - f->sent : n;

		f->sent += part;
		n -= part;
		if (f->sent == f->len && f->fd_sent)
			io->fds_ahead--;
	}
}

/*
 * Gathers frames for one sendmsg, and the descriptors that go with them. Descriptors arrive with its first
 * byte, so not later than their frames; a frame whose descriptor would be one too many waits for the next.
 */
static size_t gather(const struct link_io *io, struct frame_out *f, struct iovec *v, int *fds, size_t *ret_fds_n)
{
	size_t n = 0, fds_n = 0;

	for (; f && n < IOVECS; f = f->next, n++) {
		if (f->fd >= 0 && !f->fd_sent) {
			if (io->fds_ahead + fds_n == LINK_FDS_MAX)
				break;
			fds[fds_n++] = f->fd;
		}
		v[n] = (struct iovec){ f->bytes + f->sent, f->len - f->sent };
	}
	*ret_fds_n = fds_n;
	return n;
}

static void add_descriptors(struct msghdr *m, union fd_control *control, const int *fds, size_t n)
{
	struct cmsghdr *c;

	m->msg_control = control;
	m->msg_controllen = CMSG_SPACE(sizeof(int) * n);
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
}

/* The kernel has its own references now. */
static void close_sent_descriptors(struct link_io *io, struct frame_out *f, size_t n)
{
	for (; f && n; f = f->next) {
		if (f->fd < 0 || f->fd_sent)
			continue;
		(void) close(f->fd);
		f->fd = -1;
		f->fd_sent = true;
		io->fds_ahead++;
		n--;
	}
}

static ssize_t unix_write(struct link_io *io, struct frame_out *head, struct err *err)
{
	struct iovec v[IOVECS];
	int fds[LINK_FDS_MAX];
	union fd_control control = { 0 };
	size_t fds_n;
	struct msghdr m = { .msg_iov = v, .msg_iovlen = gather(io, head, v, fds, &fds_n) };
	ssize_t n;

	if (fds_n)
		add_descriptors(&m, &control, fds, fds_n);
	n = sendmsg(io->fd, &m, MSG_NOSIGNAL);
	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS)
			return LINK_IO_AGAIN;
		return err_set(err, POD_E_UNAVAILABLE, "write: %s", strerror(errno));
	}
	close_sent_descriptors(io, head, fds_n);
	mark_sent(io, head, (size_t) n);
	return n;
}

/* Small frames are put together, so that each does not cost a record. */
static ssize_t tls_write(struct link_io *io, struct frame_out *head, struct err *err)
{
	uint8_t record[TLS_RECORD];
	size_t len = 0;
	int n;

	for (const struct frame_out *f = head; f && len < sizeof(record); f = f->next) {
		size_t part = f->len - f->sent;

		if (part > sizeof(record) - len)
			part = sizeof(record) - len;
		memcpy(record + len, f->bytes + f->sent, part);
		len += part;
	}
	ERR_clear_error();
	io->wants_read = false;
	n = SSL_write(io->ssl, record, (int) len);
	if (n <= 0)
		return tls_result(io, n, err);
	mark_sent(io, head, (size_t) n);
	return n;
}

ssize_t link_io_write(struct link_io *io, struct frame_out *head, struct err *err)
{
	return io->ssl ? tls_write(io, head, err) : unix_write(io, head, err);
}

void link_io_probe_peer(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, 10 }, /* seconds of silence, */
		{ IPPROTO_TCP, TCP_KEEPINTVL, 5 }, /* then a probe each of these, */
		{ IPPROTO_TCP, TCP_KEEPCNT, 3 }, /* so often without an answer */
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, 25000 }, /* the same for bytes sent, in ms */
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) /* without them it only takes longer */
		(void) setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

void link_io_done(struct link_io *io)
{
	for (size_t i = 0; i < io->fds_n; i++)
		(void) close(io->fds[i]);
	io->fds_n = 0;
	if (io->ssl) {
		(void) SSL_shutdown(io->ssl);
		SSL_free(io->ssl);
		ERR_clear_error();
	}
	if (io->fd >= 0)
		(void) close(io->fd);
	io->fd = -1;
	io->ssl = NULL;
}
