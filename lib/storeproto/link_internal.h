/*
 * One connection's transport: frames in and out of a unix socket, with descriptors beside them, or of TLS.
 * Frames queued within one turn of the event loop go out together, in one system call where they fit.
 * All on base's thread.
 */
#ifndef POD_STOREPROTO_LINK_INTERNAL_H
#define POD_STOREPROTO_LINK_INTERNAL_H

#include <event2/event.h>
#include <openssl/ssl.h>

#include "storeproto/codec_internal.h"

struct link;

struct link_ops {
	/* A whole frame. The spans live during the call; the descriptor (or -1) is taken by setting *fd to -1. */
	void (*on_frame)(void *owner, const struct frame_header *h, struct span message, struct span blob, int *fd);
	/* The connection is over, text says why. The owner frees the link, here or later. Comes once. */
	void (*on_down)(void *owner, int code, const char *text);
	/* What was queued is below half of LINK_OUT_HIGH again after it was above. */
	void (*on_room)(void *owner);
};

#define LINK_OUT_HIGH (256u << 10)
#define LINK_FDS_MAX 16 /* sent ahead of the frames they belong to */

/* Takes fd (non-blocking) and ssl (NULL for unix sockets), also where it fails. */
int link_create(struct event_base *base, int fd, SSL *ssl, const struct link_ops *ops, void *owner,
                struct link **ret_link, struct err *err);
/* Closes at once; queued frames are lost. May be called from its own callbacks. */
struct link *link_free(struct link *l);

/* Queues a frame, which it takes. */
void link_send(struct link *l, struct frame_out *f);
/* Writes what the socket takes, without waiting: for last words before link_free. */
void link_flush(struct link *l);
/* The peer does not keep up: more than LINK_OUT_HIGH bytes wait. */
bool link_is_full(const struct link *l);
/* Stops and starts taking frames in. */
void link_pause(struct link *l);
void link_resume(struct link *l);
SSL *link_ssl(struct link *l);
int link_fd(const struct link *l);

#endif
