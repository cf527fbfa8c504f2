#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/stream_internal.h"

#define HIGH_DEFAULT        (256u << 10)
#define INPUT_LIMIT_DEFAULT (1u << 20)
#define FINISH_MS           10000

/* A peer that closes while we write must be an error of one connection, not the end of the process. */
static void ignore_sigpipe(void)
{
	struct sigaction now;

	if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
		(void) signal(SIGPIPE, SIG_IGN);
}

void stream_set_error(struct stream *s, const char *fmt, ...)
{
	va_list ap;

	if (s->error)
		return; /* the first one is the cause */
	va_start(ap, fmt);
	if (vasprintf(&s->error, fmt, ap) < 0)
		s->error = NULL;
	va_end(ap);
}

/* Takes fd, also on failure. */
static int stream_make(struct event_base *base, int fd, const struct stream_ops *ops, void *owner,
                       struct stream **ret_stream, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct stream *s = calloc(1, sizeof(*s));

	(void) pthread_once(&once, ignore_sigpipe);
	if (!s) {
		(void) close(fd);
		return err_set(err, POD_E_NOMEM, "stream");
	}
	s->base = base;
	s->fd = fd;
	s->ops = ops;
	s->owner = owner;
	s->high = HIGH_DEFAULT;
	s->in_limit = INPUT_LIMIT_DEFAULT;
	s->in = evbuffer_new();
	s->out = evbuffer_new();
	(void) event_assign(&s->ev_read, base, fd, EV_READ | EV_PERSIST, stream_on_read_event, s);
	(void) event_assign(&s->ev_write, base, fd, EV_WRITE, stream_on_write_event, s);
	if (!s->in || !s->out || !evbuffer_add_cb(s->out, stream_on_output, s)) {
		(void) stream_free(s);
		return err_set(err, POD_E_NOMEM, "stream");
	}
	*ret_stream = s;
	return 0;
}

int stream_create(struct event_base *base, int fd, struct tls_context *tls, const struct stream_ops *ops,
                  void *owner, struct stream **ret_stream, struct err *err)
{
	struct stream *s;
	int r = stream_make(base, fd, ops, owner, &s, err);

	if (r < 0)
		return r;
	s->state = STREAM_OPEN;
	if (tls) {
		s->ssl = tls_accept_ssl(tls);
		if (!s->ssl || SSL_set_fd(s->ssl, fd) != 1) {
			(void) stream_free(s);
			return err_set(err, POD_E_NOMEM, "TLS connection");
		}
		stream_begin_handshake(s);
	} else {
		stream_arm_read(s);
	}
	*ret_stream = s;
	return 0;
}

int stream_connect(struct event_base *base, const struct sockaddr *sa, socklen_t len,
                   const struct stream_ops *ops, void *owner, struct stream **ret_stream, struct err *err)
{
	return stream_connect_from(base, NULL, 0, sa, len, ops, owner, ret_stream, err);
}

int stream_connect_from(struct event_base *base, const struct sockaddr *from, socklen_t from_len,
                        const struct sockaddr *sa, socklen_t len, const struct stream_ops *ops, void *owner,
                        struct stream **ret_stream, struct err *err)
{
	_cleanup_(closep) int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stream *s;
	bool connected;
	int r;

	if (fd < 0)
		return err_errno(err, errno, "socket");
	if (sa->sa_family != AF_UNIX)
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); /* only speed */
	if (from && bind(fd, from, from_len) < 0)
		return err_errno(err, errno, "bind to our own address");
	connected = connect(fd, sa, len) == 0;
	if (!connected && errno != EINPROGRESS)
		return err_errno(err, errno, "connect");
	r = stream_make(base, take_fd(&fd), ops, owner, &s, err);
	if (r < 0)
		return r;
	s->state = STREAM_CONNECTING;
	if (connected)
		stream_kick_output(s);
	else
		stream_arm_write(s);
	*ret_stream = s;
	return 0;
}

void stream_drop_mark(struct stream *s)
{
	struct stream_mark *m = s->marks;

	s->marks = m->next;
	if (!s->marks)
		s->last_mark = NULL;
	s->marked_bytes -= m->before;
	s->file_bytes -= m->len;
	closep(&m->fd);
	free(m);
}

static int add_mark(struct stream *s, int fd, uint64_t off, uint64_t len)
{
	struct stream_mark *m = calloc(1, sizeof(*m));

	if (!m)
		return -POD_E_NOMEM;
	*m = (struct stream_mark){
		.before = evbuffer_get_length(s->out) - s->marked_bytes, .fd = fd, .off = off, .len = len};
	if (s->last_mark)
		s->last_mark->next = m;
	else
		s->marks = m;
	s->last_mark = m;
	s->marked_bytes += m->before;
	s->file_bytes += len;
	return 0;
}

struct stream *stream_free(struct stream *s)
{
	if (!s || s->freed)
		return NULL;
	s->freed = true;
	(void) event_del(&s->ev_read);
	(void) event_del(&s->ev_write);
	SSL_free(s->ssl);
	SSL_free(s->next_ssl);
	while (s->marks)
		stream_drop_mark(s);
	if (s->in)
		evbuffer_free(s->in);
	if (s->out)
		evbuffer_free(s->out);
	(void) close(s->fd);
	free(s->error);
	if (s->busy == 0)
		free(s);
	return NULL;
}

void stream_finish(struct stream *s)
{
	/* The peer may still read: it closed its side only, or was silent for too long and is told so. */
	bool may_hear = s->pending_why == STREAM_EOF || s->pending_why == STREAM_TIMEOUT;
	bool can_write = s->state == STREAM_OPEN || (s->state == STREAM_OVER && may_hear);

	if (!can_write || s->next_ssl) {
		(void) stream_free(s);
		return;
	}
	s->ops = NULL;
	s->state = STREAM_FLUSHING;
	s->deadline_ms = clock_mono_ms() + FINISH_MS;
	(void) event_del(&s->ev_read);
	(void) evbuffer_drain(s->in, evbuffer_get_length(s->in));
	if (s->blocked)
		stream_arm_write(s); /* with the new deadline */
	else
		stream_kick_output(s);
}

int stream_start_tls_ssl(struct stream *s, SSL *ssl, struct err *err)
{
	if (!ssl)
		return err_set(err, POD_E_NOMEM, "TLS connection");
	if (s->state != STREAM_OPEN || s->ssl || s->next_ssl) {
		SSL_free(ssl);
		return err_set(err, POD_E_PROTOCOL, "TLS cannot start now");
	}
	if (add_mark(s, -1, 0, 0) < 0) {
		SSL_free(ssl);
		return err_set(err, POD_E_NOMEM, "TLS connection");
	}
	s->next_ssl = ssl;
	line_forget(s);
	s->line_fault = LINE_SOUND;
	(void) evbuffer_drain(s->in, evbuffer_get_length(s->in));
	(void) event_del(&s->ev_read);
	stream_kick_output(s);
	return 0;
}

int stream_start_tls(struct stream *s, struct tls_context *tls, struct err *err)
{
	return stream_start_tls_ssl(s, tls_accept_ssl(tls), err);
}

int stream_start_tls_client(struct stream *s, struct tls_context *tls, const char *name, struct err *err)
{
	return stream_start_tls_ssl(s, tls_connect_ssl(tls, name), err);
}

int stream_local_address(const struct stream *s, struct net_addr *ret_addr)
{
	struct net_addr a = { .len = sizeof(a.ss) };

	if (getsockname(s->fd, (struct sockaddr *) &a.ss, &a.len) < 0)
		return -POD_E_IO;
	*ret_addr = a;
	return 0;
}

SSL *stream_ssl(struct stream *s)
{
	return s->ssl && SSL_is_init_finished(s->ssl) ? s->ssl : NULL;
}

const char *stream_error_text(const struct stream *s)
{
	return s->error ? s->error : "";
}

struct evbuffer *stream_input(struct stream *s)
{
	line_forget(s);
	return s->in;
}

struct evbuffer *stream_output(struct stream *s)
{
	return s->out;
}

/* Bytes that could not be queued leave a hole in the protocol: the connection must not go on. */
static void check_queued(struct stream *s, int r)
{
	if (r < 0 && s->state != STREAM_OVER)
		stream_fail(s, STREAM_ERROR, "out of memory");
}

void stream_write(struct stream *s, struct span bytes)
{
	check_queued(s, evbuffer_add(s->out, bytes.p, bytes.len));
}

void stream_printf(struct stream *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	check_queued(s, evbuffer_add_vprintf(s->out, fmt, ap));
	va_end(ap);
}

int stream_write_file(struct stream *s, int fd, uint64_t off, uint64_t len, struct err *err)
{
	_cleanup_(closep) int owned = fd;

	if (len == 0)
		return 0;
	if (off > INT64_MAX || len > INT64_MAX - off)
		return err_set(err, POD_E_LIMIT, "file range");
	if (add_mark(s, fd, off, len) < 0)
		return err_set(err, POD_E_NOMEM, "file to send");
	(void) take_fd(&owned);
	s->over_high |= stream_queued(s) > s->high;
	if (s->state == STREAM_OPEN)
		stream_kick_output(s);
	return 0;
}

void stream_pause(struct stream *s)
{
	s->paused = true;
	if (s->state == STREAM_OPEN)
		(void) event_del(&s->ev_read);
}

void stream_resume(struct stream *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	if (s->state != STREAM_OPEN || s->next_ssl)
		return;
	if (!s->in_watch)
		stream_arm_read(s);
	s->kick = true;
	if (evbuffer_get_length(s->in) || s->end_pending)
		event_active(&s->ev_read, EV_READ, 0);
}

void stream_set_output_mark(struct stream *s, size_t high)
{
	s->high = high;
}

bool stream_is_full(const struct stream *s)
{
	return stream_queued(s) > s->high;
}

void stream_set_input_limit(struct stream *s, size_t limit)
{
	s->in_limit = limit;
}

void stream_set_timeouts(struct stream *s, unsigned int read_ms, unsigned int write_ms)
{
	s->read_ms = read_ms;
	s->write_ms = write_ms;
	if (s->state == STREAM_HANDSHAKE && read_ms)
		s->deadline_ms = clock_mono_ms() + read_ms;
	if (event_pending(&s->ev_read, EV_READ, NULL))
		stream_arm_read(s);
	if (s->blocked)
		stream_arm_write(s);
}
