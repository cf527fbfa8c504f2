#include "mta/tlspolicy/https.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/buf.h"
#include "base/cleanup.h"

struct https {
	struct event_base *base;
	CURLM *multi;
	struct event *timer;
	char *ca_file;
	LIST_HEAD(, https_request) requests;
};

struct https_request {
	LIST_ENTRY(https_request) entry;
	struct https *https;
	CURL *easy;
	struct curl_slist *resolve, *headers;
	struct buf body;
	char error[CURL_ERROR_SIZE];
	https_fn *fn;
	void *arg;
};

/* ---- libcurl on libevent ---- */

static void watch_free(struct event *ev)
{
	if (ev)
		event_free(ev);
}

static void requests_settle(struct https *h);

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
	struct https *h = arg;
	int running, how = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);

	(void) curl_multi_socket_action(h->multi, fd, how, &running);
	requests_settle(h);
}

/* curl says what to wait for on a socket; the event is kept with the socket, at curl's. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *kept)
{
	struct https *h = arg;
	short events = (short) ((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0) |
	                        EV_PERSIST);
	struct event *ev = NULL;

	(void) easy;
	watch_free(kept);
	if (what != CURL_POLL_REMOVE) {
		ev = event_new(h->base, fd, events, on_socket_event, h);
		if (!ev || event_add(ev, NULL) < 0)
			return -1;
	}
	(void) curl_multi_assign(h->multi, fd, ev);
	return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct https *h = arg;
	int running;

	(void) fd;
	(void) what;
	(void) curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	requests_settle(h);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
	struct https *h = arg;
	const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	(void) multi;
	if (ms < 0)
		return evtimer_del(h->timer);
	return evtimer_add(h->timer, &tv);
}

/* ---- requests ---- */

static void request_free(struct https_request *r)
{
	if (r->entry.le_prev)
		LIST_REMOVE(r, entry);
	if (r->easy) {
		(void) curl_multi_remove_handle(r->https->multi, r->easy);
		curl_easy_cleanup(r->easy);
	}
	curl_slist_free_all(r->resolve);
	curl_slist_free_all(r->headers);
	buf_done(&r->body);
	free(r);
}

static int error_of(CURLcode code)
{
	switch (code) {
	case CURLE_OK: return 0;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR: return -POD_E_AUTH;
	case CURLE_WRITE_ERROR: return -POD_E_LIMIT;
	case CURLE_OPERATION_TIMEDOUT: return -POD_E_TIMEOUT;
	default: return -POD_E_UNAVAILABLE;
	}
}

static void request_answer(struct https_request *r, CURLcode code)
{
	struct https_answer answer = {
		.r = error_of(code), .why = "", .type = "", .body = buf_span(&r->body)
	};
	const char *type = NULL;
	long status = 0;

	if (answer.r < 0)
		answer.why = answer.r == -POD_E_LIMIT ? "the answer is too large"
		             : r->error[0]            ? r->error
		                                      : curl_easy_strerror(code);
	(void) curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	(void) curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type);
	answer.status = (unsigned int) status;
	answer.type = type ? type : "";
	r->fn(r->arg, &answer);
}

/* Answers those that are done; a callback may start and cancel others. */
static void requests_settle(struct https *h)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(h->multi, &left))) {
		struct https_request *r = NULL;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void) curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **) &r);
		LIST_REMOVE(r, entry);
		r->entry.le_prev = NULL;
		request_answer(r, code);
		request_free(r);
	}
}

static size_t on_body(char *bytes, size_t size, size_t n, void *arg)
{
	struct https_request *r = arg;

	(void) size; /* 1 */
	buf_add(&r->body, span_make(bytes, n));
	return r->body.failed ? 0 : n;
}

static bool add_slist(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer)
		*list = longer;
	return longer != NULL;
}

/* "host:443:192.0.2.1,[2001:db8::1]" */
static bool set_addresses(struct https_request *r, const struct https_ask *ask)
{
	_cleanup_buf_ struct buf text = BUF_INIT;

	buf_printf(&text, "%s:%u:", ask->host, ask->port);
	for (size_t i = 0; i < ask->addrs_n; i++) {
		char host[NET_ADDR_TEXT_SIZE];
		bool v6 = ask->addrs[i].ss.ss_family == AF_INET6;

		buf_printf(&text, "%s%s%s%s", i ? "," : "", v6 ? "[" : "",
		           net_addr_host(&ask->addrs[i], host, sizeof(host)), v6 ? "]" : "");
	}
	return !text.failed && add_slist(&r->resolve, buf_str(&text));
}

static bool set_body(struct https_request *r, const struct https_ask *ask)
{
	_cleanup_buf_ struct buf type = BUF_INIT;

	if (!ask->body.p)
		return true;
	buf_printf(&type, "Content-Type: %s", ask->body_type);
	return !type.failed && add_slist(&r->headers, buf_str(&type)) && add_slist(&r->headers, "Expect:") &&
	       curl_easy_setopt(r->easy, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, ask->body.p) == CURLE_OK &&
	       curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) ask->body.len) ==
	               CURLE_OK &&
	       curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK;
}

static bool set_up(struct https_request *r, const struct https_ask *ask)
{
	_cleanup_buf_ struct buf url = BUF_INIT;
	CURL *e = r->easy;

	buf_printf(&url, "https://%s:%u%s", ask->host, ask->port, ask->path);
	return !url.failed && set_addresses(r, ask) && set_body(r, ask) &&
	       curl_easy_setopt(e, CURLOPT_URL, buf_str(&url)) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK && /* nor one of the environment */
	       curl_easy_setopt(e, CURLOPT_RESOLVE, r->resolve) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       (!r->https->ca_file || (curl_easy_setopt(e, CURLOPT_CAINFO, r->https->ca_file) == CURLE_OK &&
	                               curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK)) &&
	       curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long) ask->timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_USERAGENT, "podmail") == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->error) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_WRITEDATA, r) == CURLE_OK &&
	       curl_easy_setopt(e, CURLOPT_PRIVATE, r) == CURLE_OK;
}

int https_send(struct https *h, const struct https_ask *ask, https_fn *fn, void *arg,
               struct https_request **ret_request, struct err *err)
{
	struct https_request *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, POD_E_NOMEM, "https request");
	r->https = h;
	r->body.limit = ask->answer_max;
	r->fn = fn;
	r->arg = arg;
	r->easy = curl_easy_init();
	LIST_INSERT_HEAD(&h->requests, r, entry);
	if (!r->easy || !set_up(r, ask) || curl_multi_add_handle(h->multi, r->easy) != CURLM_OK) {
		request_free(r);
		return err_set(err, POD_E_NOMEM, "https request");
	}
	*ret_request = r;
	return 0;
}

struct https_request *https_cancel(struct https_request *r)
{
	if (r)
		request_free(r);
	return NULL;
}

int https_create(struct event_base *base, const char *ca_file, struct https **ret_https, struct err *err)
{
	struct https *h = calloc(1, sizeof(*h));

	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(h);
		return err_set(err, POD_E_NOMEM, "https");
	}
	LIST_INIT(&h->requests);
	h->base = base;
	h->multi = curl_multi_init();
	h->timer = evtimer_new(base, on_timer, h);
	h->ca_file = ca_file ? strdup(ca_file) : NULL;
	if (!h->multi || !h->timer || (ca_file && !h->ca_file) ||
	    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
	    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h) != CURLM_OK ||
	    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, set_timer) != CURLM_OK ||
	    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h) != CURLM_OK) {
		(void) https_free(h);
		return err_set(err, POD_E_NOMEM, "https");
	}
	*ret_https = h;
	return 0;
}

struct https *https_free(struct https *h)
{
	if (!h)
		return NULL;
	while (!LIST_EMPTY(&h->requests))
		request_free(LIST_FIRST(&h->requests));
	if (h->multi)
		(void) curl_multi_cleanup(h->multi);
	if (h->timer)
		event_free(h->timer);
	free(h->ca_file);
	free(h);
	return NULL;
}
