/* How a connection begins and ends. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "replicator/link/wire_internal.h"

static void reset(struct wire *w, int fd)
{
	wire_lock(w);
	w->fd = fd;
	w->broken = false;
	w->out_from = w->out_to = w->in_from = w->in_to = 0;
	w->sequence_out = w->sequence_in = 0;
	w->short_read = w->drained = false;
	w->own = false;
	w->compress = LINK_COMPRESS_NONE;
	atomic_store(&w->heard_ms, clock_mono_ms());
	wire_unlock(w);
}

void wire_close(struct wire *w)
{
	wire_lock(w);
	if (w->ssl && !w->broken)
		(void) SSL_shutdown(w->ssl);
	ERR_clear_error();
	SSL_free(w->ssl);
	w->ssl = NULL;
	if (w->fd >= 0)
		(void) close(w->fd);
	w->fd = -1;
	w->out_from = w->out_to = 0;
	wire_unlock(w);
}

void wire_shutdown(struct wire *w)
{
	wire_lock(w);
	if (w->fd >= 0)
		(void) shutdown(w->fd, SHUT_RDWR);
	wire_unlock(w);
}

/* 0 when fd can be read or written as asked before the deadline. */
static int wait_fd(int fd, short events, uint64_t deadline_ms, int stop_fd, struct err *err)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = fd, .events = events },
			                 { .fd = stop_fd, .events = POLLIN } };
		uint64_t now = clock_mono_ms();
		int n;

		if (now >= deadline_ms)
			return err_set(err, POD_E_TIMEOUT, "the other side does not answer");
		n = poll(fds, 2, (int) (deadline_ms - now));
		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "poll");
		if (n > 0 && fds[1].revents)
			return err_set(err, POD_E_CANCELLED, "stopped");
		if (n > 0 && fds[0].revents)
			return 0;
	}
}

/* The handshake, and with TLS 1.3 a client's certificate is judged by the server only after it: what the
 * server says to that comes as a failing read later. */
static int handshake(struct wire *w, uint64_t deadline_ms, int stop_fd, struct err *err)
{
	for (;;) {
		char why[160];
		int r, e;

		errno = 0;
		ERR_clear_error();
		r = SSL_do_handshake(w->ssl);
		if (r == 1)
			return 0;
		e = SSL_get_error(w->ssl, r);
		if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
			r = wait_fd(w->fd, e == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms, stop_fd,
			            err);
			if (r < 0)
				return r;
			continue;
		}
		w->broken = true;
		if (e == SSL_ERROR_SYSCALL)
			return err_set(err, POD_E_UNAVAILABLE, "TLS: %s",
			               errno ? strerror(errno) : "the other side closed the connection");
		return err_set(err, POD_E_AUTH, "TLS: %s", tls_error_text(w->ssl, why, sizeof(why)));
	}
}

/*
 * TLS gives each record of 16 KiB to the socket by itself: a frame would be nine system calls, and wake the
 * other side as often. So they are gathered first; wire_push flushes.
 */
static bool set_bios(SSL *ssl, int fd)
{
	BIO *socket = BIO_new_socket(fd, BIO_NOCLOSE), *gather = BIO_new(BIO_f_buffer());

	if (!socket || !gather || BIO_set_write_buffer_size(gather, WIRE_SEND_SIZE) != 1 ||
	    BIO_up_ref(socket) != 1) {
		(void) BIO_free(gather);
		(void) BIO_free(socket);
		return false;
	}
	SSL_set0_rbio(ssl, socket);
	SSL_set0_wbio(ssl, BIO_push(gather, socket));
	return true;
}

static int start_tls(struct wire *w, int fd, SSL *ssl, uint64_t deadline_ms, int stop_fd, struct err *err)
{
	int one = 1, r;

	reset(w, fd); /* fd is the wire's from here on */
	w->ssl = ssl;
	if (!ssl || !set_bios(ssl, fd)) {
		wire_close(w);
		return err_set(err, POD_E_NOMEM, "TLS");
	}
	/* The buffers stay: nothing is allocated for a record. */
	(void) SSL_clear_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_set_read_ahead(ssl, 1);
	SSL_set_default_read_buffer_len(ssl, WIRE_READ_SIZE);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r = handshake(w, deadline_ms, stop_fd, err);
	if (r < 0)
		wire_close(w);
	return r;
}

static int connect_to(const struct net_addr *addr, uint64_t deadline_ms, int stop_fd, int *ret_fd,
                      struct err *err)
{
	int fd = socket(addr->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e = 0, r;
	char text[NET_ADDR_TEXT_SIZE];
	socklen_t len = sizeof(e);

	(void) net_addr_format(addr, text, sizeof(text));
	if (fd < 0)
		return err_errno(err, errno, "socket");
	r = connect(fd, (const struct sockaddr *) &addr->ss, addr->len) < 0 && errno != EINPROGRESS
	            ? err_set(err, POD_E_UNAVAILABLE, "%s: %s", text, strerror(errno))
	            : wait_fd(fd, POLLOUT, deadline_ms, stop_fd, err);
	if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 && e)
		r = err_set(err, POD_E_UNAVAILABLE, "%s: %s", text, strerror(e));
	if (r < 0)
		(void) close(fd);
	else
		*ret_fd = fd;
	return r;
}

int wire_connect(struct wire *w, const struct net_addr *addr, struct tls_context *tls, const char *identity,
                 int timeout_ms, int stop_fd, struct err *err)
{
	uint64_t deadline_ms = clock_mono_ms() + (uint64_t) timeout_ms;
	int fd = -1, r;

	wire_close(w);
	r = connect_to(addr, deadline_ms, stop_fd, &fd, err);
	if (r < 0)
		return r;
	return start_tls(w, fd, tls_connect_ssl(tls, identity), deadline_ms, stop_fd, err);
}

int wire_accept(struct wire *w, int fd, struct tls_context *tls, const char *const *identities, size_t n,
                int timeout_ms, int stop_fd, struct err *err)
{
	wire_close(w);
	return start_tls(w, fd, tls_accept_ssl_from(tls, identities, n),
	                 clock_mono_ms() + (uint64_t) timeout_ms, stop_fd, err);
}
