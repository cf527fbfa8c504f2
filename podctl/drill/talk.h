/*
 * A line protocol's client for drills: connect, send, read a line or so many bytes, each bounded in time.
 * Blocking, and one thread at a time. Nothing here is for mail of others: it talks to our own pod on this
 * machine.
 */
#ifndef PODCTL_DRILL_TALK_H
#define PODCTL_DRILL_TALK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define TALK_LINE_MAX 8192

struct talk {
	int fd; /* -1: not connected */
	unsigned int timeout_ms;
	size_t start, end; /* of what was read and not yet taken */
	char buf[2 * TALK_LINE_MAX];
};

struct talk_address {
	char host[256];
	unsigned int port;
};

/* -POD_E_UNAVAILABLE: nobody listens there; -POD_E_TIMEOUT. */
int talk_open(struct talk *w, const struct talk_address *to, unsigned int timeout_ms, struct err *err);
/* Fine where it is not open. */
void talk_close(struct talk *w);
int talk_send(struct talk *w, struct err *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* A line without its CRLF, with a NUL, valid until the next call. -POD_E_UNAVAILABLE: the peer closed. */
int talk_line(struct talk *w, char **ret_line, struct err *err);
/* Passes over so many bytes; the first of them, up to keep_size - 1, are kept in keep with a NUL (NULL:
 * none). */
int talk_skip(struct talk *w, size_t n, char *keep, size_t keep_size, struct err *err);

#endif
