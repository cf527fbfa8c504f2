/*
 * One end of a connection under test: a stream that notes what it is told. Tests drive it and wait on
 * conditions, with a generous limit after which the test fails.
 */
#ifndef POD_TESTS_STREAM_END_H
#define POD_TESTS_STREAM_END_H

#include <event2/event.h>

#include "base/buf.h"
#include "net/stream.h"

struct stream_end_rec {
	struct event_base *base;
	struct stream *s; /* NULL once freed */
	struct buf got; /* all input, drained, unless keep_input */
	int inputs, writables, tls, ends;
	enum stream_end why;
	char error[256]; /* stream_error_text at the end */
	bool keep_input;
	bool echo; /* answers every input with itself */
	bool free_on_input, free_on_tls, free_on_writable; /* the owner frees the stream inside that callback */
	bool free_on_end; /* else the test does */
	bool finish_on_input, pause_on_input;
};

extern const struct stream_ops stream_end_ops;

/* Takes fd. */
void stream_end_open(struct stream_end_rec *e, struct event_base *base, int fd, struct tls_context *tls);
void stream_end_close(struct stream_end_rec *e);
/* A connected pair of non-blocking TCP sockets on loopback. */
void tcp_pair(int fds[2]);

/* Runs the loop until cond is true; fails the test after 20 s. */
#define LOOP_UNTIL(base, cond)                                                                               \
	do {                                                                                                 \
		loop_limit_start(base);                                                                      \
		while (!(cond))                                                                              \
			loop_once(base, __FILE__, __LINE__);                                                 \
	} while (0)
void loop_limit_start(struct event_base *base);
void loop_once(struct event_base *base, const char *file, int line);

#endif
