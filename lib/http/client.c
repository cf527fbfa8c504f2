#include <stdlib.h>
#include <sys/queue.h>

#include "http/internal.h"

struct http_client {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	LIST_HEAD(, http_request) requests;
};

struct http_request {
	LIST_ENTRY(http_request) entry;
	struct http_client *client;
	struct exchange exchange;
	http_fn *fn;
	void *arg;
};

/* ---- libcurl on libevent ---- */

static void watch_free(struct event *ev)
{
	if (ev)
		event_free(ev);
}

static void requests_settle(struct http_client *c);

static void client_on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct http_client *c = arg;
	int running, how = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	(void) curl_multi_socket_action(c->multi, fd, how, &running);
	requests_settle(c);
}

/* curl says what to wait for on a socket; the event is kept with the socket, at curl's. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *kept)
{
	struct http_client *c = arg;
	short events = (short) ((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0) |
	                        EV_PERSIST);
	struct event *ev = NULL;

	(void) easy;
	watch_free(kept);
	if (what != CURL_POLL_REMOVE) {
		ev = event_new(c->base, fd, events, client_on_socket, c);
		if (!ev || event_add(ev, NULL) < 0) {
			watch_free(ev);
			(void) curl_multi_assign(c->multi, fd, NULL);
			return -1;
		}
	}
	(void) curl_multi_assign(c->multi, fd, ev);
	return 0;
}

static void client_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct http_client *c = arg;
	int running;

	(void) fd;
	(void) what;
	(void) curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	requests_settle(c);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct http_client *c = arg;
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void) multi;
	if (ms < 0)
		return evtimer_del(c->timer);
	return evtimer_add(c->timer, &tv);
}

/* ---- requests ---- */

static void request_free(struct http_request *r)
{
	if (r->entry.le_prev)
		LIST_REMOVE(r, entry);
	if (r->exchange.easy)
		(void) curl_multi_remove_handle(r->client->multi, r->exchange.easy);
	exchange_done(&r->exchange);
	free(r);
}

/* Answers those that are done; a callback may start and cancel others. */
static void requests_settle(struct http_client *c)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(c->multi, &left))) {
		struct http_request *r = NULL;
		struct http_answer answer;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &r);
		LIST_REMOVE(r, entry);
		r->entry.le_prev = NULL;
		answer = exchange_answer(&r->exchange, code);
		r->fn(r->arg, &answer);
		request_free(r);
	}
}

int http_send(struct http_client *c, const struct http_ask *ask, http_fn *fn, void *arg,
              struct http_request **ret_request, struct err *err)
{
	struct http_request *r = calloc(1, sizeof(*r));
	int e;

	if (!r)
		return err_set(err, POD_E_NOMEM, "request over http");
	*r = (struct http_request){ .client = c, .fn = fn, .arg = arg };
	LIST_INSERT_HEAD(&c->requests, r, entry);
	e = exchange_init(&r->exchange, ask, err);
	if (e == 0 && (curl_easy_setopt(r->exchange.easy, CURLOPT_PRIVATE, r) != CURLE_OK ||
	               curl_multi_add_handle(c->multi, r->exchange.easy) != CURLM_OK))
		e = err_set(err, POD_E_NOMEM, "request over http");
	if (e < 0)
		request_free(r);
	else
		*ret_request = r;
	return e;
}

struct http_request *http_cancel(struct http_request *r)
{
	if (r)
		request_free(r);
	return NULL;
}

/* ---- the client ---- */

static bool multi_set_up(struct http_client *c)
{
	return curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
	       curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
	       curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
	       curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c) == CURLM_OK;
}

int http_client_create(struct event_base *base, struct http_client **ret_client, struct err *err)
{
	struct http_client *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(err, POD_E_NOMEM, "http");
	LIST_INIT(&c->requests);
	c->base = base;
	http_library_init();
	c->multi = curl_multi_init();
	c->timer = evtimer_new(base, client_on_timer, c);
	if (!c->multi || !c->timer || !multi_set_up(c)) {
		(void) http_client_free(c);
		return err_set(err, POD_E_NOMEM, "http");
	}
	*ret_client = c;
	return 0;
}

struct http_client *http_client_free(struct http_client *c)
{
	if (!c)
		return NULL;
	while (!LIST_EMPTY(&c->requests))
		request_free(LIST_FIRST(&c->requests));
	if (c->multi)
		(void) curl_multi_cleanup(c->multi);
	if (c->timer)
		event_free(c->timer);
	free(c);
	return NULL;
}
