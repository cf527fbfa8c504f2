#include "net/stream_internal.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/tls_internal.h"

#define RECORD_MAX   16384 /* RFC 8446 5.1: the most one TLS record carries */
#define SENDFILE_MAX (1u << 20)

static enum io plain_result(struct stream *s, ssize_t n, const char *what)
{
	if (n >= 0)
		return IO_OK;
	if (errno == EAGAIN || errno == EINTR)
		return *what == 'r' ? IO_WAIT_READ : IO_WAIT_WRITE;
	stream_set_error(s, "%s: %s", what, strerror(errno));
	return IO_FAILED;
}

/* What OpenSSL says of a call that did not succeed. errno is that of the call. */
static enum io tls_result(struct stream *s, int r)
{
	int errnum = errno;
	char text[256];

	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_READ: return IO_WAIT_READ;
	case SSL_ERROR_WANT_WRITE: return IO_WAIT_WRITE;
	case SSL_ERROR_ZERO_RETURN: return IO_EOF;
	case SSL_ERROR_SYSCALL:
		stream_set_error(s, "%s", errnum ? strerror(errnum) : "closed by the peer");
		return SSL_is_init_finished(s->ssl) ? IO_FAILED : IO_TLS_FAILED;
	default: stream_set_error(s, "%s", tls_error_text(s->ssl, text, sizeof(text))); return IO_TLS_FAILED;
	}
}

static enum io tls_read(struct stream *s, void *to, size_t size, size_t *ret_n)
{
	int r;

	errno = 0;
	ERR_clear_error();
	r = SSL_read_ex(s->ssl, to, size, ret_n);
	return r == 1 ? IO_OK : tls_result(s, r);
}

enum io io_read(struct stream *s, void *to, size_t size, size_t *ret_n)
{
	enum io r;
	ssize_t n;

	if (s->ssl)
		return tls_read(s, to, size, ret_n);
	n = recv(s->fd, to, size, 0);
	if (n == 0)
		return IO_EOF;
	r = plain_result(s, n, "read");
	if (r == IO_OK)
		*ret_n = (size_t) n;
	return r;
}

/*
 * A write that did not fit must be repeated with no fewer bytes (SSL_write(3)): OpenSSL has made its record
 * already and only compares lengths. The buffer may be another one (SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER).
 */
static enum io tls_write(struct stream *s, const void *from, size_t len, size_t *ret_n)
{
	enum io result;
	int r;

	errno = 0;
	ERR_clear_error();
	r = SSL_write_ex(s->ssl, from, len, ret_n);
	s->retry_bytes = 0;
	if (r == 1)
		return IO_OK;
	result = tls_result(s, r);
	if (result == IO_WAIT_READ || result == IO_WAIT_WRITE)
		s->retry_bytes = len;
	return result;
}

/*
 * One record. The first run of the evbuffer goes as it is where it fills a good part of a record; many
 * small runs are gathered, because a record costs 22 bytes and two system calls however short it is.
 */
static enum io tls_write_out(struct stream *s, size_t max, size_t *ret_n)
{
	uint8_t gathered[RECORD_MAX];
	struct evbuffer_iovec run = {0};
	size_t want = s->retry_bytes ? s->retry_bytes : max < RECORD_MAX ? max : RECORD_MAX;
	enum io r;

	(void) evbuffer_peek(s->out, (ev_ssize_t) want, NULL, &run, 1);
	if (run.iov_len >= want || (run.iov_len >= RECORD_MAX / 2 && !s->retry_bytes)) {
		r = tls_write(s, run.iov_base, run.iov_len < want ? run.iov_len : want, ret_n);
	} else {
		(void) evbuffer_copyout(s->out, gathered, want);
		r = tls_write(s, gathered, want, ret_n);
	}
	if (r == IO_OK)
		(void) evbuffer_drain(s->out, *ret_n);
	return r;
}

enum io io_write(struct stream *s, size_t max, size_t *ret_n)
{
	enum io r;
	int n;

	if (s->ssl)
		return tls_write_out(s, max, ret_n);
	n = evbuffer_write_atmost(s->out, s->fd, (ev_ssize_t) (max < INT32_MAX ? max : INT32_MAX));
	r = plain_result(s, n, "write");
	if (r == IO_OK)
		*ret_n = (size_t) n;
	return r;
}

/* Through a record's worth of stack: TLS, and files that sendfile cannot read. */
static enum io copy_file(struct stream *s, struct stream_mark *m, size_t *ret_n)
{
	uint8_t chunk[RECORD_MAX];
	size_t want = s->retry_bytes           ? s->retry_bytes
	              : m->len < sizeof(chunk) ? (size_t) m->len
	                                       : sizeof(chunk);
	ssize_t n = pread(m->fd, chunk, want, (off_t) m->off);
	enum io r;

	if (n < 0)
		return plain_result(s, n, "file");
	if (n == 0 || (s->retry_bytes && (size_t) n < want)) {
		stream_set_error(s, "file became shorter while it was sent");
		return IO_FAILED;
	}
	if (s->ssl)
		return tls_write(s, chunk, (size_t) n, ret_n);
	n = send(s->fd, chunk, (size_t) n, MSG_NOSIGNAL);
	r = plain_result(s, n, "write");
	if (r == IO_OK)
		*ret_n = (size_t) n;
	return r;
}

static enum io send_file(struct stream *s, struct stream_mark *m, size_t *ret_n)
{
	off_t off = (off_t) m->off;
	ssize_t n = sendfile(s->fd, m->fd, &off, m->len < SENDFILE_MAX ? (size_t) m->len : SENDFILE_MAX);
	enum io r;

	if (n < 0 && (errno == EINVAL || errno == ENOSYS)) {
		m->no_sendfile = true;
		return copy_file(s, m, ret_n);
	}
	if (n == 0) {
		stream_set_error(s, "file became shorter while it was sent");
		return IO_FAILED;
	}
	r = plain_result(s, n, "write");
	if (r == IO_OK)
		*ret_n = (size_t) n;
	return r;
}

enum io io_write_file(struct stream *s, struct stream_mark *m, size_t *ret_n)
{
	enum io r = s->ssl || m->no_sendfile ? copy_file(s, m, ret_n) : send_file(s, m, ret_n);

	if (r == IO_OK) {
		m->off += *ret_n;
		m->len -= *ret_n;
		s->file_bytes -= *ret_n;
	}
	return r;
}

enum io io_handshake(struct stream *s)
{
	int r;

	errno = 0;
	ERR_clear_error();
	r = SSL_do_handshake(s->ssl);
	return r == 1 ? IO_OK : tls_result(s, r);
}

void io_goodbye(struct stream *s)
{
	if (s->ssl) {
		ERR_clear_error();
		(void) SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	(void) shutdown(s->fd, SHUT_WR);
}
