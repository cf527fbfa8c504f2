#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "mime/mime.h"
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

static Queue__Recipient *recipient(struct arena *a, const struct directory_target *t, const char *original)
{
	Queue__Recipient *r = arena_new(a, Queue__Recipient);

	if (!r)
		return NULL;
	queue__recipient__init(r);
	r->state = t->kind == TARGET_MAILBOX ? QUEUE__STATE__WAITING : QUEUE__STATE__OUTBOUND;
	r->address = arena_str(a, span_of(t->address));
	r->original = arena_str(a, span_of(original));
	return r->address && r->original ? r : NULL;
}

/* Another domain's address is itself; one of ours is found as any recipient is. */
static int resolve(struct sending *s, struct directory_targets *ret, struct err *err)
{
	int r = directory_resolve(s->reports->dir, s->arena, span_of(s->rua->to), ret, err);
	struct directory_target *remote;

	if (r != -POD_E_UNSUPPORTED)
		return r;
	remote = arena_new(s->arena, struct directory_target);
	if (!remote)
		return err_set(err, POD_E_NOMEM, "out of memory");
	remote->kind = TARGET_REMOTE;
	remote->address = s->rua->to;
	*ret = (struct directory_targets){ remote, 1 };
	return 0;
}

/* From nobody, so that nothing comes back (RFC 5321 4.5.5). */
static int fill(struct sending *s, const struct directory_targets *t, size_t size, Queue__Item *item)
{
	struct guid id = guid_new();

	queue__item__init(item);
	item->id.data = arena_alloc(s->arena, ID_SIZE);
	item->recipients = arena_array(s->arena, t->n, sizeof(*item->recipients));
	if (!item->id.data || !item->recipients)
		return -POD_E_NOMEM;
	memcpy(item->id.data, id.b, ID_SIZE);
	item->id.len = ID_SIZE;
	item->trace = s->trace;
	item->size = size;
	item->arrived_s = clock_wall_s();
	item->own = true;
	for (size_t i = 0; i < t->n; i++) {
		item->recipients[i] = recipient(s->arena, &t->items[i], s->rua->to);
		if (!item->recipients[i])
			return -POD_E_NOMEM;
		item->n_recipients++;
	}
	return 0;
}

static int body_file(struct span body, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = memfd_create("tlsrpt", MFD_CLOEXEC);

	if (fd < 0 || write(fd, body.p, body.len) != (ssize_t) body.len)
		return err_set(err, POD_E_NOMEM, "out of memory");
	*ret_fd = take_fd(&fd);
	return 0;
}

static int submit(struct sending *s, struct span body, const struct directory_targets *targets,
                  struct err *err)
{
	_cleanup_(closep) int fd = -1;
	Queue__Submission submission = QUEUE__SUBMISSION__INIT;
	Queue__Summary summary = QUEUE__SUMMARY__INIT;
	struct mime_summary parsed;
	Queue__Item item;
	int r = body_file(body, &fd, err);

	if (r == 0 && (mime_summarize(s->arena, body, &parsed) < 0 || fill(s, targets, body.len, &item) < 0))
		r = err_set(err, POD_E_NOMEM, "out of memory");
	if (r < 0)
		return r;
	queue_summary_set(&summary, &parsed);
	submission.item = &item;
	submission.summary = &summary;
	s->call = queue_submit(s->reports->queue, &submission, fd, sending_on_queued, s);
	return s->call ? 0 : err_set(err, POD_E_NOMEM, "out of memory");
}

static int send_mail(struct sending *s, const struct tlsrpt_about *about, struct err *err)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	struct directory_targets targets;
	int r = resolve(s, &targets, err);

	trace_id_new(s->trace);
	if (r == 0 && targets.n == 0)
		r = err_set(err, POD_E_NOTFOUND, "nobody has this address");
	if (r == 0 && tlsrpt_letter(about, s->reports->contact, s->rua->to, s->trace, clock_wall_s(),
	                            s->compressed, &body) < 0)
		r = err_set(err, POD_E_NOMEM, "out of memory");
	return r ?: submit(s, buf_span(&body), &targets, err);
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
