#include "podctl/podd/peer_link.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct peer_link {
	struct bufferevent *stream;
	const char *who;
	peer_answer_fn *answer;
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

int peer_answer_parse(struct span in, struct span *ret_body)
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

/* body: of an answer. */
static void link_end(struct peer_link *l, int status, struct span body)
{
	l->answer(l->arg, status, body);
	bufferevent_free(l->stream);
	free(l);
}

static void link_fail(struct peer_link *l, int code, const char *what)
{
	char text[128];

	(void) snprintf(text, sizeof(text), "%s%s", l->who, what);
	link_end(l, code, span_of(text));
}

static void link_on_input(struct bufferevent *stream, void *arg)
{
	struct peer_link *l = arg;

	if (evbuffer_get_length(bufferevent_get_input(stream)) > PEER_ANSWER_MAX)
		link_fail(l, -POD_E_LIMIT, "'s answer is too long");
}

static void link_on_event(struct bufferevent *stream, short what, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(stream);
	struct peer_link *l = arg;
	struct span body;
	int status;

	if (what & BEV_EVENT_CONNECTED)
		return;
	if (what & BEV_EVENT_TIMEOUT) {
		link_fail(l, -POD_E_TIMEOUT, " does not answer");
		return;
	}
	status = peer_answer_parse(span_make(evbuffer_pullup(in, -1), evbuffer_get_length(in)), &body);
	if (what & BEV_EVENT_ERROR && evbuffer_get_length(in) == 0)
		link_fail(l, -POD_E_UNAVAILABLE, " is not running");
	else if (status < 0)
		link_fail(l, status, "'s answer was cut short");
	else
		link_end(l, status, body);
}

static int link_connect(struct peer_link *l, const struct peer_request *rq, struct err *err)
{
	const struct timeval patience = { .tv_sec = rq->timeout_s };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if ((size_t) snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", rq->socket_path) >=
	    sizeof(addr.sun_path))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket", rq->socket_path);
	bufferevent_setcb(l->stream, link_on_input, NULL, link_on_event, l);
	(void) bufferevent_set_timeouts(l->stream, &patience, &patience);
	if (bufferevent_enable(l->stream, EV_READ | EV_WRITE) < 0 ||
	    bufferevent_socket_connect(l->stream, (struct sockaddr *) &addr, sizeof(addr)) < 0)
		return err_set(err, POD_E_UNAVAILABLE, "%s is not running", rq->who);
	return 0;
}

static int link_write(struct peer_link *l, const struct peer_request *rq)
{
	struct evbuffer *out = bufferevent_get_output(l->stream);

	if (evbuffer_add_printf(out, "%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n",
	                        rq->method, rq->target, rq->body.len) < 0)
		return -POD_E_NOMEM;
	return rq->body.len == 0 || evbuffer_add(out, rq->body.p, rq->body.len) == 0 ? 0 : -POD_E_NOMEM;
}

int peer_ask(struct event_base *base, const struct peer_request *rq, peer_answer_fn *answer, void *arg,
             struct err *err)
{
	struct peer_link *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return err_set(err, POD_E_NOMEM, "%s", rq->who);
	*l = (struct peer_link){ .who = rq->who, .answer = answer, .arg = arg };
	l->stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	r = l->stream && link_write(l, rq) == 0 ? 0 : err_set(err, POD_E_NOMEM, "%s", rq->who);
	if (r == 0)
		r = link_connect(l, rq, err);
	if (r < 0) {
		if (l->stream)
			bufferevent_free(l->stream);
		free(l);
	}
	return r;
}
