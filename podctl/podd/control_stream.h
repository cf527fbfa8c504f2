/*
 * One connection of JSON lines, for replica_link.c: connects, writes requests, cuts answers. One thread.
 */
#ifndef PODCTL_PODD_CONTROL_STREAM_H
#define PODCTL_PODD_CONTROL_STREAM_H

#include <event2/event.h>
#include <jansson.h>

#include "base/err.h"

#define CONTROL_LINE_MAX (1u << 20)

struct control_stream;

struct control_stream_ops {
	void (*on_line)(void *arg, const json_t *object);
	/* Not there, ended, or no line of JSON. The stream may be freed in both. */
	void (*on_end)(void *arg);
};

/* Calls nothing before this returns. ops is kept by pointer. */
int control_stream_open(struct event_base *base, const char *path, const struct control_stream_ops *ops,
                        void *arg, struct control_stream **ret_stream, struct err *err);
struct control_stream *control_stream_free(struct control_stream *s);
int control_stream_send(struct control_stream *s, const json_t *object, struct err *err);

#endif
