/* The events of a stream: every callback to the owner comes from here, out of the event loop. */
#include "net/stream_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

#define CHUNK          16384
#define READ_PER_TURN  (4 * CHUNK) /* then other connections get their turn */
#define WRITE_PER_TURN (256u << 10)
#define HANDSHAKE_MS   60000 /* where no read time-out is set */
#define LINGER_MS      2000
#define LINGER_BYTES   (1u << 20)

static struct timeval timeval_of(uint64_t ms)
{
	return (struct timeval){.tv_sec = (time_t) (ms / 1000), .tv_usec = (suseconds_t) (ms % 1000 * 1000)};
}

static void arm(struct event *ev, uint64_t ms)
{
	struct timeval tv = timeval_of(ms);

	if (ms == 0)
		(void) event_remove_timer(ev); /* event_add without a time leaves the old one */
	(void) event_add(ev, ms ? &tv : NULL);
}

static uint64_t until_deadline(const struct stream *s)
{
	uint64_t now = clock_mono_ms();

	return s->deadline_ms > now ? s->deadline_ms - now : 1;
}

void stream_arm_read(struct stream *s)
{
	arm(&s->ev_read, s->state == STREAM_OPEN ? s->read_ms : until_deadline(s));
}

void stream_arm_write(struct stream *s)
{
	bool has_deadline = s->state == STREAM_HANDSHAKE || s->state == STREAM_FLUSHING;

	s->blocked = true;
	arm(&s->ev_write, has_deadline ? until_deadline(s) : s->write_ms);
}

void stream_kick_output(struct stream *s)
{
	if (!s->blocked)
		event_active(&s->ev_write, EV_WRITE, 0);
}

void stream_on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct stream *s = arg;

	if (info->n_added == 0)
		return;
	if (stream_queued(s) > s->high)
		s->over_high = true;
	if (s->state == STREAM_OPEN)
		stream_kick_output(s);
}

/* Event handlers run between these two; false: the stream is gone. */
static void enter(struct stream *s)
{
	s->busy++;
}

static bool leave(struct stream *s)
{
	if (--s->busy > 0 || !s->freed)
		return !s->freed;
	free(s);
	return false;
}

static bool is_open(const struct stream *s)
{
	return !s->freed && s->state == STREAM_OPEN;
}

static void end(struct stream *s, enum stream_end why)
{
	if (s->freed || s->state == STREAM_OVER)
		return;
	s->peer_closed |= why != STREAM_TIMEOUT;
	s->pending_why = why;
	s->blocked = false;
	s->state = STREAM_OVER;
	(void) event_del(&s->ev_read);
	(void) event_del(&s->ev_write);
	if (s->ops)
		s->ops->on_end(s->owner, why);
	else
		(void) stream_free(s);
}

void stream_fail(struct stream *s, enum stream_end why, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	stream_set_error(s, "%s", text);
	s->end_pending = true;
	s->pending_why = why;
	event_active(&s->ev_write, EV_WRITE, 0);
}

/* ---- handshake ---------------------------------------------------------------------------------- */

static void handshake_step(struct stream *s)
{
	if (clock_mono_ms() >= s->deadline_ms) {
		stream_set_error(s, "TLS handshake timed out");
		end(s, STREAM_TIMEOUT);
		return;
	}
	switch (io_handshake(s)) {
	case IO_OK: break;
	case IO_WAIT_READ: stream_arm_read(s); return;
	case IO_WAIT_WRITE: stream_arm_write(s); return;
	case IO_EOF: stream_set_error(s, "closed by the peer during the TLS handshake"); /* fall through */
	default: end(s, STREAM_TLS_FAILED); return;
	}
	s->state = STREAM_OPEN;
	if (s->paused)
		(void) event_del(&s->ev_read);
	else
		stream_arm_read(s);
	if (s->ops->on_tls)
		s->ops->on_tls(s->owner);
	if (is_open(s) && stream_queued(s))
		stream_kick_output(s);
}

void stream_begin_handshake(struct stream *s)
{
	s->state = STREAM_HANDSHAKE;
	s->deadline_ms = clock_mono_ms() + (s->read_ms ? s->read_ms : HANDSHAKE_MS);
	if (SSL_is_server(s->ssl))
		stream_arm_read(s);
	else
		stream_kick_output(s);
}

/* ---- output ------------------------------------------------------------------------------------- */

/* The output has come to the mark of stream_start_tls. */
static void switch_to_tls(struct stream *s)
{
	stream_drop_mark(s);
	s->ssl = s->next_ssl;
	s->next_ssl = NULL;
	if (SSL_set_fd(s->ssl, s->fd) != 1) {
		stream_set_error(s, "out of memory");
		end(s, STREAM_TLS_FAILED);
		return;
	}
	stream_begin_handshake(s);
}

/* One write: of bytes up to the next mark, or of the file that is next. */
static enum io write_step(struct stream *s, size_t *ret_n)
{
	struct stream_mark *m = s->marks;
	size_t max = m ? m->before : evbuffer_get_length(s->out);
	enum io r;

	if (m && m->before == 0) {
		r = io_write_file(s, m, ret_n);
		if (r == IO_OK && m->len == 0)
			stream_drop_mark(s);
		return r;
	}
	r = io_write(s, max, ret_n);
	if (r == IO_OK && m) {
		m->before -= *ret_n;
		s->marked_bytes -= *ret_n;
	}
	return r;
}

static void tell_writable(struct stream *s)
{
	if (!s->over_high || stream_queued(s) >= (s->high + 1) / 2)
		return;
	s->over_high = false;
	if (s->ops && s->ops->on_writable && is_open(s))
		s->ops->on_writable(s->owner);
}

static void start_lingering(struct stream *s)
{
	io_goodbye(s);
	if (s->peer_closed) {
		(void) stream_free(s);
		return;
	}
	s->state = STREAM_LINGERING;
	s->ssl = (SSL_free(s->ssl), NULL);
	s->deadline_ms = clock_mono_ms() + LINGER_MS;
	s->in_limit = LINGER_BYTES;
	stream_arm_read(s);
}

/* Writes what goes without waiting. */
static void pump_out(struct stream *s)
{
	for (size_t total = 0; stream_queued(s) || s->marks;) {
		size_t n = 0;
		enum io r;

		if (s->marks && s->marks->before == 0 && s->marks->fd < 0) {
			switch_to_tls(s);
			return;
		}
		if (total >= WRITE_PER_TURN) {
			stream_arm_write(s);
			break;
		}
		r = write_step(s, &n);
		total += n;
		if (r == IO_OK)
			continue;
		if (r == IO_WAIT_WRITE) {
			stream_arm_write(s);
			break;
		}
		if (r == IO_WAIT_READ) {
			s->write_wants_read = true;
			stream_arm_read(s);
			break;
		}
		end(s, r == IO_TLS_FAILED ? STREAM_TLS_FAILED : STREAM_ERROR);
		return;
	}
	if (s->state == STREAM_FLUSHING && stream_queued(s) == 0)
		start_lingering(s);
	else
		tell_writable(s);
}

/* ---- input -------------------------------------------------------------------------------------- */

static void note_end(struct stream *s, enum io r)
{
	s->end_pending = true;
	s->pending_why = r == IO_EOF ? STREAM_EOF : r == IO_TLS_FAILED ? STREAM_TLS_FAILED : STREAM_ERROR;
}

/*
 * Reads through the stack, so that an idle connection keeps no buffer. Never stops while OpenSSL holds
 * decrypted bytes: epoll would not tell of them.
 */
static size_t read_turn(struct stream *s)
{
	uint8_t chunk[CHUNK];
	size_t total = 0, n = 0;

	do {
		enum io r = io_read(s, chunk, sizeof(chunk), &n);

		if (r == IO_WAIT_READ)
			break;
		if (r == IO_WAIT_WRITE) {
			s->read_wants_write = true;
			stream_arm_write(s);
			break;
		}
		if (r != IO_OK) {
			note_end(s, r);
			break;
		}
		if (evbuffer_add(s->in, chunk, n) < 0) {
			stream_set_error(s, "out of memory");
			note_end(s, IO_FAILED);
			break;
		}
		total += n;
	} while (s->ssl ? SSL_pending(s->ssl) > 0 : n == sizeof(chunk) && total < READ_PER_TURN);
	return total;
}

static void on_input_drained(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
	struct stream *s = arg;

	if (evbuffer_get_length(in) > s->in_limit / 2)
		return;
	(void) evbuffer_remove_cb_entry(in, s->in_watch);
	s->in_watch = NULL;
	if (s->state == STREAM_OPEN && !s->paused)
		stream_arm_read(s);
}

/* An owner that neither drains nor pauses must not let a peer fill the memory. */
static void watch_limit(struct stream *s)
{
	if (s->in_watch || evbuffer_get_length(s->in) < s->in_limit)
		return;
	s->in_watch = evbuffer_add_cb(s->in, on_input_drained, s);
	if (s->in_watch)
		(void) event_del(&s->ev_read);
	else
		stream_fail(s, STREAM_ERROR, "out of memory");
}

static void pump_in(struct stream *s)
{
	bool new_bytes = !s->end_pending && !s->in_watch && read_turn(s) > 0;

	if (new_bytes || (s->kick && evbuffer_get_length(s->in))) {
		s->kick = false;
		s->ops->on_input(s->owner);
	}
	if (!is_open(s) || s->paused)
		return;
	s->kick = false;
	if (s->end_pending)
		end(s, s->pending_why);
	else
		watch_limit(s);
}

static void discard_input(struct stream *s)
{
	uint8_t chunk[CHUNK];
	ssize_t n = recv(s->fd, chunk, sizeof(chunk), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || (size_t) n >= s->in_limit || clock_mono_ms() >= s->deadline_ms) {
		(void) stream_free(s);
		return;
	}
	s->in_limit -= (size_t) n;
}

/* ---- events ------------------------------------------------------------------------------------- */

/* A peer that takes our bytes is alive, however little it says: then only the write time-out counts. */
static void on_read_timeout(struct stream *s)
{
	if (s->state == STREAM_LINGERING) {
		(void) stream_free(s);
		return;
	}
	if (s->state == STREAM_OPEN && stream_queued(s))
		return;
	stream_set_error(s, "nothing was read in time");
	end(s, STREAM_TIMEOUT);
}

void stream_on_read_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	enter(s);
	if (what & EV_TIMEOUT && !(what & EV_READ)) {
		on_read_timeout(s);
	} else if (s->state == STREAM_HANDSHAKE) {
		handshake_step(s);
	} else if (s->state == STREAM_LINGERING) {
		discard_input(s);
	} else {
		if (s->write_wants_read) {
			s->write_wants_read = false;
			pump_out(s);
		}
		if (is_open(s) ? s->paused : !s->freed && s->state == STREAM_FLUSHING && !s->write_wants_read)
			(void) event_del(&s->ev_read); /* what comes is not read now, and would wake us for ever */
		else if (is_open(s))
			pump_in(s);
	}
	(void) leave(s);
}

static void on_connected(struct stream *s)
{
	int errnum = 0;
	socklen_t len = sizeof(errnum);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
		errnum = errno;
	if (errnum) {
		stream_set_error(s, "connect: %s", strerror(errnum));
		end(s, STREAM_ERROR);
		return;
	}
	s->state = STREAM_OPEN;
	if (!s->paused)
		stream_arm_read(s);
	if (s->ops->on_writable)
		s->ops->on_writable(s->owner);
	if (is_open(s))
		pump_out(s);
}

void stream_on_write_event(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	enter(s);
	s->blocked = false;
	if (what & EV_TIMEOUT && !(what & EV_WRITE)) {
		stream_set_error(s, s->state == STREAM_CONNECTING ? "connect timed out"
		                                                  : "nothing was written in time");
		end(s, STREAM_TIMEOUT);
	} else if (s->end_pending && s->pending_why == STREAM_ERROR && s->ops) {
		end(s, s->pending_why);
	} else if (s->state == STREAM_CONNECTING) {
		on_connected(s);
	} else if (s->state == STREAM_HANDSHAKE) {
		handshake_step(s);
	} else if (s->state == STREAM_OPEN || s->state == STREAM_FLUSHING) {
		bool read_too = s->read_wants_write;

		s->read_wants_write = false;
		pump_out(s);
		if (read_too && is_open(s) && !s->paused)
			pump_in(s);
	}
	(void) leave(s);
}
