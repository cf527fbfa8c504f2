#include "mta/outbound/sign.h"

#include <stdlib.h>

#include "base/log.h"
#include "http/http.h"
#include "mta/service/metrics.h"

#define TRIES      4
#define AGAIN_MS   1000
#define TIMEOUT_MS 10000
#define FIELDS_MAX (64u << 10)

struct sign_call {
	struct outbound *o;
	const char *trace;
	struct span message;
	struct http_request *request;
	struct event again;
	unsigned int tries;
	sign_fn *fn;
	void *arg;
};

static void finish(struct sign_call *c, struct span fields)
{
	sign_fn *fn = c->fn;
	void *arg = c->arg;

	(void) sign_cancel(c);
	fn(arg, fields);
}

static void give_up(struct sign_call *c, const char *why)
{
	metric_add(M_OUTBOUND_UNSIGNED, 1);
	log_event(NULL, LOGL_ERROR, "dkim.own_unsigned", F_STR("trace", c->trace), F_STR("error", why));
	finish(c, SPAN_NONE);
}

/* What podfilter cannot sign it could not the next time either; one that is not there may be. */
static void call_on_answer(void *arg, const struct http_answer *answer)
{
	static const struct timeval later = { .tv_sec = AGAIN_MS / 1000, .tv_usec = AGAIN_MS % 1000 * 1000 };
	struct sign_call *c = arg;
	char words[120];

	c->request = NULL;
	if (answer->r == 0 && answer->status == 200) {
		finish(c, answer->body);
		return;
	}
	if (answer->r == 0)
		(void) snprintf(words, sizeof(words), "podfilter: " SPAN_FMT, SPAN_ARG(answer->body));
	if (answer->r == 0 || ++c->tries >= TRIES || evtimer_add(&c->again, &later) < 0)
		give_up(c, answer->r == 0 ? words : answer->why);
}

static void call_ask(struct sign_call *c)
{
	char path[256];
	const struct http_ask ask = { .url = "http://podfilter/sign",
		                      .unix_socket = path,
		                      .body = c->message,
		                      .body_type = "message/rfc822",
		                      .answer_max = FIELDS_MAX,
		                      .timeout_ms = TIMEOUT_MS };
	struct err err = { 0 };

	(void) snprintf(path, sizeof(path), "%s/" AUTH_SIGNING_SOCKET_NAME, c->o->conf->pod.run_dir);
	if (http_send(c->o->http, &ask, call_on_answer, c, &c->request, &err) < 0)
		give_up(c, err_text(&err));
}

static void call_on_timer(evutil_socket_t fd, short what, void *arg)
{
	call_ask(arg);
}

struct sign_call *sign_start(struct outbound *o, const char *trace, struct span message, sign_fn *fn,
                             void *arg)
{
	static const struct timeval now = { 0 };
	struct sign_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct sign_call){ .o = o, .trace = trace, .message = message, .fn = fn, .arg = arg };
	(void) evtimer_assign(&c->again, o->base, call_on_timer, c);
	if (evtimer_add(&c->again, &now) == 0)
		return c;
	free(c);
	return NULL;
}

struct sign_call *sign_cancel(struct sign_call *c)
{
	if (!c)
		return NULL;
	(void) http_cancel(c->request);
	(void) event_del(&c->again);
	free(c);
	return NULL;
}
