#include "podctl/podd/control_stream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"

struct control_stream {
	struct bufferevent *stream;
	const struct control_stream_ops *ops;
	void *arg;
	bool *freed; /* set while a callback runs: whether it freed us */
};

/* False where the callback freed the stream. */
static bool give_line(struct control_stream *s, const char *line, size_t len)
{
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	bool freed = false;

	s->freed = &freed;
	if (json_is_object(object))
		s->ops->on_line(s->arg, object);
	else
		s->ops->on_end(s->arg);
	json_decref(object);
	if (!freed)
		s->freed = NULL;
	return !freed && object;
}

static void stream_on_input(struct bufferevent *stream, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(stream);
	struct control_stream *s = arg;
	bool more = true;

	while (more) {
		_cleanup_(freep) char *line = NULL;
		size_t len;

		line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
		if (!line)
			break;
		more = give_line(s, line, len);
	}
	if (more && evbuffer_get_length(in) > CONTROL_LINE_MAX)
		s->ops->on_end(s->arg);
}

static void stream_on_event(struct bufferevent *stream, short what, void *arg)
{
	struct control_stream *s = arg;

	if (!(what & BEV_EVENT_CONNECTED))
		s->ops->on_end(s->arg);
}

int control_stream_open(struct event_base *base, const char *path, const struct control_stream_ops *ops,
                        void *arg, struct control_stream **ret_stream, struct err *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct control_stream *s;

	if ((size_t) snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >= sizeof(addr.sun_path))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket", path);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, POD_E_NOMEM, "control socket");
	*s = (struct control_stream){ .ops = ops, .arg = arg };
	s->stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!s->stream) {
		(void) control_stream_free(s);
		return err_set(err, POD_E_NOMEM, "control socket");
	}
	bufferevent_setcb(s->stream, stream_on_input, NULL, stream_on_event, s);
	/* A socket that is not there comes back as a deferred event. */
	if (bufferevent_enable(s->stream, EV_READ | EV_WRITE) < 0 ||
	    bufferevent_socket_connect(s->stream, (struct sockaddr *) &addr, sizeof(addr)) < 0) {
		(void) control_stream_free(s);
		return err_set(err, POD_E_UNAVAILABLE, "%s: nobody answers", path);
	}
	*ret_stream = s;
	return 0;
}

struct control_stream *control_stream_free(struct control_stream *s)
{
	if (!s)
		return NULL;
	if (s->freed)
		*s->freed = true;
	if (s->stream)
		bufferevent_free(s->stream);
	free(s);
	return NULL;
}

int control_stream_send(struct control_stream *s, const json_t *object, struct err *err)
{
	_cleanup_(freep) char *text = json_dumps(object, JSON_COMPACT);

	if (!text || evbuffer_add_printf(bufferevent_get_output(s->stream), "%s\n", text) < 0)
		return err_set(err, POD_E_NOMEM, "request to a replica");
	return 0;
}
