#include "storeproto/link_internal.h"

#include <event2/event_struct.h>
#include <stdlib.h>
#include <unistd.h>

#include "storeproto/link_io_internal.h"

#define IN_SIZE (64u << 10) /* of the input buffer, while no frame is larger */
#define IN_KEEP_MAX (256u << 10) /* a larger one is given back once it is empty */
#define READS_PER_TURN 4 /* then others on this loop have their turn */
#define WRITES_PER_TURN 16

struct link {
	struct event_base *base;
	const struct link_ops *ops;
	void *owner;
	struct link_io io;
	struct event read_event, write_event, flush_event;
	uint8_t *in;
	size_t in_cap, in_start, in_end;
	struct frame_out *out, **out_tail;
	size_t out_bytes;
	bool paused, full, down;
	bool busy; /* in a callback of an event; link_free then leaves the memory to it */
	bool freed;
};

static void link_destroy(struct link *l)
{
	free(l->in);
	free(l);
}

static void drop_output(struct link *l)
{
	while (l->out) {
		struct frame_out *next = l->out->next;

		(void) frame_out_free(l->out);
		l->out = next;
	}
	l->out_tail = &l->out;
	l->out_bytes = 0;
}

struct link *link_free(struct link *l)
{
	if (!l)
		return NULL;
	(void) event_del(&l->read_event);
	(void) event_del(&l->write_event);
	(void) event_del(&l->flush_event);
	link_io_done(&l->io);
	drop_output(l);
	l->freed = true;
	if (!l->busy)
		link_destroy(l);
	return NULL;
}

static void link_end(struct link *l, int code, const char *text)
{
	if (l->down || l->freed)
		return;
	l->down = true;
	(void) event_del(&l->read_event);
	(void) event_del(&l->write_event);
	(void) event_del(&l->flush_event);
	l->ops->on_down(l->owner, code, text);
}

/* ---- input ---- */

/* Room at the end of the buffer: what is left of a frame moves to its start before it grows. */
static bool make_room(struct link *l)
{
	size_t have = l->in_end - l->in_start;
	size_t cap = l->in_cap ? l->in_cap : IN_SIZE;
	uint8_t *p;

	if (have == 0)
		l->in_start = l->in_end = 0;
	if (l->in && l->in_end < l->in_cap && l->in_cap - l->in_end >= l->in_cap / 4)
		return true;
	if (l->in_start) {
		memmove(l->in, l->in + l->in_start, have);
		l->in_start = 0;
		l->in_end = have;
	}
	if (l->in && have < l->in_cap / 2)
		return true;
	/* By doubling as bytes come: a header that only promises much costs nothing. */
	if (l->in)
		cap *= 2;
	p = realloc(l->in, cap);
	if (!p)
		return false;
	l->in = p;
	l->in_cap = cap;
	return true;
}

/* The descriptor that came for this frame. */
static int take_descriptor(struct link *l, const struct frame_header *h, int *ret_fd, struct err *err)
{
	*ret_fd = -1;
	if (!(h->flags & FRAME_FD))
		return 0;
	if (l->io.fds_n == 0)
		return err_set(err, POD_E_PROTOCOL, "a frame promised a descriptor, and none came");
	*ret_fd = l->io.fds[0];
	l->io.fds_n--;
	memmove(l->io.fds, l->io.fds + 1, l->io.fds_n * sizeof(l->io.fds[0]));
	return 0;
}

/* Hands on one whole frame: 1, 0 where it is not all there, or an error. */
static int dispatch_frame(struct link *l, struct err *err)
{
	size_t have = l->in_end - l->in_start;
	struct frame_header h;
	const uint8_t *p;
	int r, fd;

	if (have < FRAME_HEADER_SIZE)
		return 0;
	p = l->in + l->in_start;
	r = frame_header_decode(p, &h, err);
	if (r < 0)
		return r;
	if (have - FRAME_HEADER_SIZE < h.length)
		return 0;
	r = take_descriptor(l, &h, &fd, err);
	if (r < 0)
		return r;
	l->in_start += FRAME_HEADER_SIZE + h.length;
	p += FRAME_HEADER_SIZE;
	l->ops->on_frame(l->owner, &h, span_make(p, h.message), span_make(p + h.message, h.length - h.message), &fd);
	if (fd >= 0)
		(void) close(fd);
	return 1;
}

static int dispatch_frames(struct link *l, struct err *err)
{
	int r = 1;

	while (r > 0 && !l->freed && !l->down && !l->paused)
		r = dispatch_frame(l, err);
	if (l->in_start == l->in_end && l->in_cap > IN_KEEP_MAX) {
		free(l->in);
		l->in = NULL;
		l->in_cap = l->in_start = l->in_end = 0;
	}
	return r;
}

/* Reads once and hands on what is whole. 1: there may be more; 0: not now; or an error. */
static int read_some(struct link *l, struct err *err)
{
	size_t room;
	ssize_t n;
	int r;

	if (!make_room(l))
		return err_set(err, POD_E_NOMEM, "no memory for input");
	room = l->in_cap - l->in_end;
	n = link_io_read(&l->io, l->in + l->in_end, room, err);
	if (l->io.wants_write)
		(void) event_add(&l->write_event, NULL);
	if (n == LINK_IO_EOF && !err->code)
		return err_set(err, POD_E_UNAVAILABLE, "connection closed by the peer");
	if (n <= 0)
		return (int) n;
	l->in_end += (size_t) n;
	r = dispatch_frames(l, err);
	if (r < 0)
		return r;
	return l->io.ssl || (size_t) n == room;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	struct err err = { 0 };
	int r, turns = 0;

	l->busy = true;
	if (l->io.wants_read && l->out)
		event_active(&l->flush_event, EV_WRITE, 0); /* the write that had to read first */
	r = dispatch_frames(l, &err); /* left over from a pause */
	while (r >= 0 && !l->freed && !l->down && !l->paused && turns++ < READS_PER_TURN) {
		r = read_some(l, &err);
		if (r == 0)
			break;
	}
	if (r < 0)
		link_end(l, -r, err_text(&err));
	else if (r > 0 && !l->freed && !l->down && !l->paused && l->io.ssl)
		event_active(&l->read_event, EV_READ, 0); /* bytes may wait inside the TLS layer, unseen by epoll */
	l->busy = false;
	if (l->freed)
		link_destroy(l);
}

void link_pause(struct link *l)
{
	if (!l->paused) {
		l->paused = true;
		(void) event_del(&l->read_event);
	}
}

void link_resume(struct link *l)
{
	if (l->paused && !l->down) {
		l->paused = false;
		(void) event_add(&l->read_event, NULL);
		event_active(&l->read_event, EV_READ, 0);
	}
}

/* ---- output ---- */

static void pop_sent(struct link *l)
{
	while (l->out && l->out->sent == l->out->len) {
		struct frame_out *f = l->out;

		l->out = f->next;
		if (!l->out)
			l->out_tail = &l->out;
		(void) frame_out_free(f);
	}
}

static int write_some(struct link *l, struct err *err)
{
	for (int turns = 0; l->out; turns++) {
		ssize_t n;

		if (turns == WRITES_PER_TURN) {
			(void) event_add(&l->write_event, NULL);
			return 0;
		}
		n = link_io_write(&l->io, l->out, err);
		if (n < 0)
			return (int) n;
		if (n == LINK_IO_AGAIN) {
			if (!l->io.wants_read)
				(void) event_add(&l->write_event, NULL);
			return 0;
		}
		l->out_bytes -= (size_t) n;
		pop_sent(l);
	}
	return 0;
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;
	struct err err = { 0 };
	int r;

	l->busy = true;
	if (l->io.wants_write) {
		l->io.wants_write = false;
		event_active(&l->read_event, EV_READ, 0); /* the read that had to write first */
	}
	r = write_some(l, &err);
	if (r < 0) {
		link_end(l, -r, err_text(&err));
	} else if (l->full && l->out_bytes < LINK_OUT_HIGH / 2) {
		l->full = false;
		l->ops->on_room(l->owner);
	}
	l->busy = false;
	if (l->freed)
		link_destroy(l);
}

void link_send(struct link *l, struct frame_out *f)
{
	if (l->down || l->freed) {
		(void) frame_out_free(f);
		return;
	}
	f->next = NULL;
	*l->out_tail = f;
	l->out_tail = &f->next;
	l->out_bytes += f->len;
	if (l->out_bytes > LINK_OUT_HIGH)
		l->full = true;
	/* At the end of this turn of the loop, together with what else is queued by then. */
	if (!event_pending(&l->write_event, EV_WRITE, NULL))
		event_active(&l->flush_event, EV_WRITE, 0);
}

void link_flush(struct link *l)
{
	struct err err;

	if (!l->down && !l->freed)
		(void) write_some(l, &err); /* the caller is about to give the connection up anyway */
}

bool link_is_full(const struct link *l)
{
	return l->full;
}

SSL *link_ssl(struct link *l)
{
	return l->io.ssl;
}

int link_fd(const struct link *l)
{
	return l->io.fd;
}

int link_create(struct event_base *base, int fd, SSL *ssl, const struct link_ops *ops, void *owner,
                struct link **ret_link, struct err *err)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l) {
		struct link_io io = { .fd = fd, .ssl = ssl };

		link_io_done(&io);
		return err_set(err, POD_E_NOMEM, "no memory for a connection");
	}
	*l = (struct link){ .base = base, .ops = ops, .owner = owner, .io = { .fd = fd, .ssl = ssl } };
	l->out_tail = &l->out;
	(void) event_assign(&l->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, l);
	(void) event_assign(&l->write_event, base, fd, EV_WRITE, on_flush, l);
	(void) event_assign(&l->flush_event, base, -1, 0, on_flush, l);
	if (ssl) {
		link_io_probe_peer(fd);
		SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
		(void) SSL_set_fd(ssl, fd);
	}
	if (event_add(&l->read_event, NULL) < 0) {
		(void) link_free(l);
		return err_set(err, POD_E_NOMEM, "no memory for a connection's events");
	}
	if (ssl)
		event_active(&l->read_event, EV_READ, 0); /* begins the handshake */
	*ret_link = l;
	return 0;
}
