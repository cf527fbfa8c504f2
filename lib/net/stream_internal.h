/* Inside lib/net: what stream.c (the owner's calls), stream_pump.c (the events) and stream_io.c share. */
#ifndef POD_NET_STREAM_INTERNAL_H
#define POD_NET_STREAM_INTERNAL_H

#include <event2/event_struct.h>

#include "net/stream.h"

enum stream_state {
	STREAM_CONNECTING,
	STREAM_HANDSHAKE,
	STREAM_OPEN,
	STREAM_FLUSHING,  /* stream_finish: writing the rest; the owner is gone */
	STREAM_LINGERING, /* all is written and shut down: until the peer has closed, too */
	STREAM_OVER,      /* on_end was called, or is due */
};

enum line_fault { LINE_SOUND, LINE_SWALLOWING };

/*
 * Something between bytes of the output: a file, or (fd -1) the place where TLS starts. The bytes live in
 * the evbuffer, `before` of them between the last mark and this one.
 */
struct stream_mark {
	struct stream_mark *next;
	size_t before;
	int fd;
	bool no_sendfile; /* the file system or the socket cannot */
	uint64_t off, len;
};

struct stream {
	const struct stream_ops *ops; /* NULL after stream_finish */
	void *owner;
	struct event_base *base;
	struct evbuffer *in, *out;
	SSL *ssl;
	SSL *next_ssl; /* stream_start_tls: takes over at the mark */
	struct stream_mark *marks, *last_mark;
	uint64_t file_bytes; /* of all marks */
	size_t marked_bytes; /* of all marks' `before` */
	size_t high;
	size_t in_limit;
	size_t retry_bytes; /* TLS: a write that must be repeated with the same bytes */
	char *error;
	struct evbuffer_cb_entry *in_watch; /* while the input is at its limit */
	uint64_t deadline_ms;               /* of the handshake, or of stream_finish */
	int fd;
	unsigned int read_ms, write_ms;
	enum stream_state state;
	enum stream_end pending_why;
	/* line_take */
	size_t line_drain, line_scanned;
	enum line_fault line_fault;
	/* callbacks may free the stream: the outermost event handler does the last step */
	unsigned int busy;
	bool freed;
	bool paused, kick; /* kick: on_input is due though nothing new was read */
	bool blocked;      /* waiting until the socket takes more */
	bool over_high;
	bool end_pending; /* pending_why is due when the owner has seen the input */
	bool read_wants_write, write_wants_read;
	bool peer_closed;
	struct event ev_read, ev_write;
};

enum io { IO_OK, IO_WAIT_READ, IO_WAIT_WRITE, IO_EOF, IO_FAILED, IO_TLS_FAILED };

/* stream_io.c: one step on the socket, plain or TLS. *ret_n is how many bytes moved, with IO_OK. */
enum io io_read(struct stream *s, void *to, size_t size, size_t *ret_n);
/* From the front of the output, at most max bytes; they are drained. */
enum io io_write(struct stream *s, size_t max, size_t *ret_n);
/* From the file; off and len of m move on. */
enum io io_write_file(struct stream *s, struct stream_mark *m, size_t *ret_n);
enum io io_handshake(struct stream *s);
/* close_notify where there is TLS, then the end of the sending side. Best effort: the peer may be gone. */
void io_goodbye(struct stream *s);

/* stream.c: STARTTLS with this SSL, which it takes; NULL: memory is out. */
int stream_start_tls_ssl(struct stream *s, SSL *ssl, struct err *err);

/* line.c: drains the line last handed out; what was scanned of the next one counts no more. */
void line_forget(struct stream *s);

/* stream_pump.c */
void stream_on_read_event(evutil_socket_t fd, short what, void *arg);
void stream_on_write_event(evutil_socket_t fd, short what, void *arg);
void stream_on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg);
void stream_arm_read(struct stream *s);
void stream_arm_write(struct stream *s);
/* Lets the write side run in this turn of the loop; the first write needs no epoll for it. */
void stream_kick_output(struct stream *s);
void stream_begin_handshake(struct stream *s);
/* Ends the connection from the event loop, with this text (printf) unless there is one. */
void stream_fail(struct stream *s, enum stream_end why, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static inline uint64_t stream_queued(const struct stream *s)
{
	return evbuffer_get_length(s->out) + s->file_bytes;
}

void stream_set_error(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Takes the first mark off the list and frees it. */
void stream_drop_mark(struct stream *s);

#endif
