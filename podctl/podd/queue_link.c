#include "podctl/podd/queue_link.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct queue_link {
	struct bufferevent *stream;
	queue_answer_fn *answer;
	void *arg;
};

/* status-line = HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 4) */
static int status_parse(struct span line)
{
	struct span code;
	uint32_t status;

	if (!span_starts_nocase(line, SPAN_LIT("HTTP/1.")) || line.len < 12 || line.p[8] != ' ')
		return -POD_E_PROTOCOL;
	code = span_head(span_skip(line, 9), 3);
	if (span_to_u32(code, &status) < 0 || status < 200 || status > 599)
		return -POD_E_PROTOCOL;
	return (int) status;
}

int queue_answer_parse(struct span in, struct span *ret_body)
{
	static const struct span length_name = SPAN_LIT("content-length:");
	size_t end = span_find(in, SPAN_LIT("\r\n\r\n"));
	struct span head = span_head(in, end == SIZE_MAX ? 0 : end), body = span_skip(in, end + 4), line;
	uint64_t length = body.len;
	int status = status_parse(span_split(head, '\n', &head));

	if (end == SIZE_MAX || status < 0)
		return -POD_E_PROTOCOL;
	while (head.p) {
		line = span_split(head, '\n', &head);
		if (span_starts_nocase(line, length_name) &&
		    span_to_u64(span_trim(span_skip(line, length_name.len)), &length) < 0)
			return -POD_E_PROTOCOL;
	}
	if (length > body.len)
		return -POD_E_PROTOCOL;
	*ret_body = span_head(body, (size_t) length);
	return status;
}

static void link_end(struct queue_link *l, int status, struct span body)
{
	l->answer(l->arg, status, body);
	bufferevent_free(l->stream);
	free(l);
}

static void link_on_input(struct bufferevent *stream, void *arg)
{
	struct queue_link *l = arg;

	if (evbuffer_get_length(bufferevent_get_input(stream)) > QUEUE_ANSWER_MAX)
		link_end(l, -POD_E_LIMIT, SPAN_LIT("the queue's answer is too long"));
}

static void link_on_event(struct bufferevent *stream, short what, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(stream);
	struct queue_link *l = arg;
	struct span body;
	int status;

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (what & BEV_EVENT_TIMEOUT) {
		link_end(l, -POD_E_TIMEOUT, SPAN_LIT("the queue does not answer"));
		return;
	}
	status = queue_answer_parse(span_make(evbuffer_pullup(in, -1), evbuffer_get_length(in)), &body);
	if (what & BEV_EVENT_ERROR && evbuffer_get_length(in) == 0)
		link_end(l, -POD_E_UNAVAILABLE, SPAN_LIT("mta's queue is not running"));
	else if (status < 0)
		link_end(l, status, SPAN_LIT("the queue's answer was cut short"));
	else
		link_end(l, status, body);
}

static int link_connect(struct queue_link *l, const char *socket_path, struct err *err)
{
	static const struct timeval patience = { .tv_sec = QUEUE_TIMEOUT_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if ((size_t) snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", socket_path) >=
	    sizeof(addr.sun_path))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket", socket_path);
	bufferevent_setcb(l->stream, link_on_input, NULL, link_on_event, l);
	(void) bufferevent_set_timeouts(l->stream, &patience, &patience);
	if (bufferevent_enable(l->stream, EV_READ | EV_WRITE) < 0 ||
	    bufferevent_socket_connect(l->stream, (struct sockaddr *) &addr, sizeof(addr)) < 0)
		return err_set(err, POD_E_UNAVAILABLE, "mta's queue is not running");
	return 0;
}

int queue_ask(struct event_base *base, const char *socket_path, const char *method, const char *target,
              queue_answer_fn *answer, void *arg, struct err *err)
{
	struct queue_link *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_set(err, POD_E_NOMEM, "queue");
	*l = (struct queue_link){ .answer = answer, .arg = arg };
	l->stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	r = l->stream ? 0 : err_set(err, POD_E_NOMEM, "queue");
	if (r == 0 && evbuffer_add_printf(bufferevent_get_output(l->stream),
	                                  "%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
	                                  method, target) < 0)
		r = err_set(err, POD_E_NOMEM, "queue");
	if (r == 0)
		r = link_connect(l, socket_path, err);
	if (r < 0) {
		if (l->stream)
			bufferevent_free(l->stream);
		free(l);
	}
	return r;
}
