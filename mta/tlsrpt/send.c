#include <stdlib.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "mta/queue/own_mail.h"
#include "mta/tlsrpt/internal.h"

#define POST_MS    60000
#define ANSWER_MAX 65536
#define ARENA_MAX  (16u << 20)

struct sending {
	struct reports *reports;
	struct arena *arena;
	const struct tlsrpt_rua *rua;
	struct span compressed;
	struct dns_lookup *lookup;
	struct http_request *request;
	struct queue_call *call;
	struct event *soon; /* where it failed at once */
	char text[200];
	int r;
	char trace[TRACE_ID_SIZE];
	sending_fn *fn;
	void *arg;
};

struct sending *sending_free(struct sending *s)
{
	if (!s)
		return NULL;
	(void) dns_lookup_cancel(s->lookup);
	(void) http_cancel(s->request);
	queue_submit_cancel(s->call);
	if (s->soon)
		event_free(s->soon);
	(void) arena_free(s->arena);
	free(s);
	return NULL;
}

static void finish(struct sending *s, int r, const char *text)
{
	sending_fn *fn = s->fn;
	void *arg = s->arg;
	char kept[200];

	(void) snprintf(kept, sizeof(kept), "%s", text);
	(void) sending_free(s);
	fn(arg, r, kept);
}

/* ---- https (RFC 8460 5.4) ---- */

static void sending_on_posted(void *arg, const struct http_answer *answer)
{
	struct sending *s = arg;
	char why[80];

	s->request = NULL;
	if (answer->r < 0) {
		finish(s, answer->r, answer->why);
	} else if (answer->status / 100 != 2) {
		(void) snprintf(why, sizeof(why), "the server answers with status %u", answer->status);
		finish(s, -POD_E_UNAVAILABLE, why);
	} else {
		finish(s, 0, "");
	}
}

static void sending_on_host(void *arg, const struct dns_answer *answer)
{
	struct sending *s = arg;
	const struct tlsrpt_rua *to = s->rua;
	const struct http_ask ask = {
		.url = arena_printf(s->arena, "https://%s:%u%s", to->host, to->port, to->path),
		.addrs = answer->addr,
		.addrs_n = answer->n,
		.body = s->compressed,
		.body_type = "application/tlsrpt+gzip",
		.ca_file = s->reports->conf->outbound.ca,
		.answer_max = ANSWER_MAX,
		.timeout_ms = POST_MS,
	};
	struct err err = { 0 };

	s->lookup = NULL;
	if (answer->outcome != DNS_FOUND)
		finish(s, -POD_E_UNAVAILABLE, answer->why[0] ? answer->why : "the host has no address");
	else if (!ask.url)
		finish(s, -POD_E_NOMEM, "out of memory");
	else if (http_send(s->reports->http, &ask, sending_on_posted, s, &s->request, &err) < 0)
		finish(s, -err.code, err_text(&err));
}

/* ---- mail ---- */

static void sending_on_queued(void *arg, int code, const char *text)
{
	struct sending *s = arg;

	s->call = NULL;
	finish(s, code ? -abs(code) : 0, text);
}

static int send_mail(struct sending *s, const struct tlsrpt_about *about, struct err *err)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	struct own_mail mail;
	int r;

	trace_id_new(s->trace);
	if (tlsrpt_letter(about, s->reports->contact, s->rua->to, s->trace, clock_wall_s(), s->compressed,
	                  &body) < 0)
		return err_set(err, POD_E_NOMEM, "out of memory");
	r = own_mail_make(s->reports->dir, s->arena, s->trace, s->rua->to, buf_span(&body), OWN_MAIL_UNSIGNED,
	                  &mail, err);
	if (r < 0)
		return r;
	s->call = queue_submit(s->reports->queue, &mail.submission, mail.fd, sending_on_queued, s);
	own_mail_done(&mail);
	return s->call ? 0 : err_set(err, POD_E_NOMEM, "out of memory");
}

/* ---- the beginning ---- */

static void sending_on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct sending *s = arg;
	char text[200];

	(void) fd;
	(void) what;
	(void) snprintf(text, sizeof(text), "%s", s->text);
	finish(s, s->r, text);
}

struct sending *sending_start(struct reports *r, const struct tlsrpt_about *about,
                              const struct tlsrpt_rua *rua, struct span compressed, sending_fn *fn, void *arg)
{
	static const struct timeval now = { 0 };
	struct sending *s = calloc(1, sizeof(*s));
	struct err err = { 0 };

	if (!s)
		return NULL;
	*s = (struct sending){ .reports = r, .rua = rua, .compressed = compressed, .fn = fn, .arg = arg };
	s->arena = arena_create(ARENA_MAX);
	s->soon = evtimer_new(r->base, sending_on_soon, s);
	if (!s->arena || !s->soon)
		return sending_free(s);
	s->r = rua->mail ? send_mail(s, about, &err)
	                 : dns_lookup(r->dns, DNS_ADDR, rua->host, 0, sending_on_host, s, &s->lookup, &err);
	if (s->r < 0) {
		(void) snprintf(s->text, sizeof(s->text), "%s", err_text(&err));
		if (evtimer_add(s->soon, &now) < 0)
			return sending_free(s);
	}
	return s;
}
