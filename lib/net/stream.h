/*
 * One client connection: a socket on an event_base, plain or TLS, with lines and literals cut from its input
 * and back-pressure on its output. Owned by the connection object that made it; all on base's thread.
 * Callbacks come from the event loop only, never from inside a call of the owner's, and may free the stream.
 * SIGPIPE is ignored in the process from the first stream on (unless it has a handler).
 * An idle one holds no buffers, so that thousands of them cost little more than their SSL objects.
 */
#ifndef POD_NET_STREAM_H
#define POD_NET_STREAM_H

#include <event2/buffer.h>
#include <event2/event.h>

#include "base/err.h"
#include "base/span.h"
#include "net/listener.h"
#include "net/tls.h"

struct stream;

enum stream_end {
	STREAM_EOF,        /* the peer closed */
	STREAM_ERROR,      /* reset, or another socket error */
	STREAM_TLS_FAILED, /* handshake or record layer; stream_error_text says more */
	STREAM_TIMEOUT,    /* nothing read for the read time-out, or nothing written for the write time-out */
};

struct stream_ops {
	/* New bytes in stream_input(). Also called once after stream_resume where bytes are waiting. */
	void (*on_input)(void *owner);
	/* The output fell below the low-water mark (stream_set_output_mark). May be NULL. */
	void (*on_writable)(void *owner);
	/* The handshake asked for with stream_start_tls is done. May be NULL where TLS is not used. */
	void (*on_tls)(void *owner);
	/* The connection is over. The owner calls stream_free, here or later; no other callback follows. */
	void (*on_end)(void *owner, enum stream_end why);
};

/* Takes fd. tls NULL: plain text; else the server handshake starts at once (implicit TLS) and on_tls comes.
 */
int stream_create(struct event_base *base, int fd, struct tls_context *tls, const struct stream_ops *ops,
                  void *owner, struct stream **ret_stream, struct err *err);
/* The same for a connection that this side opens: non-blocking connect; on_writable once when connected. */
int stream_connect(struct event_base *base, const struct sockaddr *sa, socklen_t len,
                   const struct stream_ops *ops, void *owner, struct stream **ret_stream, struct err *err);
/* The same from an address of this host; NULL: the kernel's choice. */
int stream_connect_from(struct event_base *base, const struct sockaddr *from, socklen_t from_len,
                        const struct sockaddr *sa, socklen_t len, const struct stream_ops *ops, void *owner,
                        struct stream **ret_stream, struct err *err);
/* Closes at once and frees; what was not written is lost. NULL is fine; returns NULL. */
struct stream *stream_free(struct stream *s);
/* Writes out what is queued (for at most 10 s), says goodbye (TLS close_notify), then frees. No more
 * callbacks. */
void stream_finish(struct stream *s);

/*
 * STARTTLS, server side: what is queued goes out in clear, input not yet consumed is thrown away (a command
 * injected before the handshake must not count as sent under TLS), then the handshake runs.
 */
int stream_start_tls(struct stream *s, struct tls_context *tls, struct err *err);
/* Client side of the same. name: for SNI and verification. */
int stream_start_tls_client(struct stream *s, struct tls_context *tls, const char *name, struct err *err);
/* The address of this end of the connection. -POD_E_IO. */
int stream_local_address(const struct stream *s, struct net_addr *ret_addr);
SSL *stream_ssl(struct stream *s); /* NULL while plain, and until the handshake is done */
const char *stream_error_text(const struct stream *s);

/*
 * The input, to be drained by the owner; the output, to be added to. stream_input drains the line last
 * taken: ask for it anew after each line_take instead of keeping the pointer.
 */
struct evbuffer *stream_input(struct stream *s);
struct evbuffer *stream_output(struct stream *s);
void stream_write(struct stream *s, struct span bytes);
void stream_printf(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Queues a file's bytes without copying them through the heap (sendfile when plain). Takes fd. */
int stream_write_file(struct stream *s, int fd, uint64_t off, uint64_t len, struct err *err);

/* Stops and starts reading from the socket: back-pressure on the peer while a command waits. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
/* Where more than high bytes are queued stream_is_full() is true; on_writable comes when they fall below
 * half. */
void stream_set_output_mark(struct stream *s, size_t high);
bool stream_is_full(const struct stream *s);
/*
 * Reading stops by itself where limit bytes (1 MiB unless set) lie in the input, until half of them are
 * drained: an owner that waits for more than that in one piece must set it higher.
 */
void stream_set_input_limit(struct stream *s, size_t limit);
/*
 * 0 for none. The read time-out also bounds the TLS handshake as a whole (60 s where there is none); it does
 * not count while output is on its way, for which there is the write time-out.
 */
void stream_set_timeouts(struct stream *s, unsigned int read_ms, unsigned int write_ms);

/*
 * Takes a line ended by CRLF off the input. 1: *ret_line holds it without the CRLF, valid until the input is
 * next touched (the bytes are drained at the next call). 0: not there yet. -POD_E_LIMIT: longer than max
 * (the line is swallowed up to its end and reported once). -POD_E_SYNTAX: a bare LF or CR in it (swallowed
 * likewise): never taken for a line end, so that two servers never see different lines in the same bytes.
 */
int line_take(struct stream *s, size_t max, struct span *ret_line);

#endif
