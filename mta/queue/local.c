/* An attempt at a volume: a DELIVER with all of a message's recipients that live there now. */
#include "mta/queue/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "mta/deliver/deliver.h"
#include "mta/queue/auto_reply.h"
#include "mta/service/metrics.h"
#include "storeproto/frame.h"

static void note(struct attempt *at, struct said *s, int code, const char *text)
{
	enum deliver_verdict v = deliver_judge(code);
	static const struct {
		enum mta_metric metric;
		const char *event;
	} words[] = { [DELIVER_DONE] = { M_QUEUE_DELIVERED, "rcpt.delivered" },
		      [DELIVER_QUEUE] = { M_QUEUE_DEFERRED, "rcpt.deferred" },
		      [DELIVER_DEFER] = { M_QUEUE_DEFERRED, "rcpt.deferred" },
		      [DELIVER_REFUSE] = { M_QUEUE_FAILED, "rcpt.failed" } };

	s->code = abs(code);
	s->text = arena_str(at->arena, span_of(text && *text ? text : code ? err_code_text(code) : ""));
	if (!s->text)
		s->text = "";
	if (v == DELIVER_DONE)
		s->state = QUEUE__STATE__DELIVERED;
	else if (v == DELIVER_REFUSE)
		s->state = QUEUE__STATE__FAILED;
	metric_add(words[v].metric, 1);
	log_event(NULL, LOGL_INFO, words[v].event, F_STR("trace", at->it->record->trace),
	          F_STR("rcpt", s->address), F_STR("volume", at->work->unit.lane->name),
	          F_STR("text", s->text));
}

/* What an answer says about the volume: one that does not answer at all rests; a mailbox's trouble is its
 * own. */
static enum sched_outcome outcome_of(int code)
{
	return deliver_judge(code) == DELIVER_QUEUE ? SCHED_DOWN : SCHED_OK;
}

static void on_delivered(void *arg, const struct deliver_result *results, size_t n)
{
	struct attempt *at = arg;
	enum sched_outcome outcome = n && results ? SCHED_DOWN : SCHED_NOTHING;
	const char *reason = "";
	size_t k = 0;

	at->deliver_call = NULL;
	for (size_t i = 0; i < at->n; i++) {
		if (at->said[i].state != QUEUE__STATE__WAITING)
			continue; /* gone before it was asked */
		note(at, &at->said[i], results ? results[k].code : -POD_E_UNAVAILABLE,
		     results ? results[k].text : "");
		if (results && results[k].reply)
			auto_reply_send(at->q->own, at->q->dir, at->q->hostname, results[k].reply);
		if (results && outcome_of(results[k].code) == SCHED_OK)
			outcome = SCHED_OK;
		reason = at->said[i].text;
		k++;
	}
	if (results)
		queue_safety_keep(at);
	queue_attempt_end(at, outcome, reason);
}

/* A small message travels in the frame, a larger one as a descriptor. */
static int message_of(struct attempt *at, struct deliver_message *m, struct err *err)
{
	const Queue__Item *item = at->it->record;

	m->id = at->it->id;
	m->trace = item->trace;
	m->sender = span_of(item->sender);
	m->login = item->login;
	m->size = item->size;
	m->arrived_s = item->arrived_s;
	m->fd = at->body_fd;
	m->blob = SPAN_NONE;
	if (m->size <= FRAME_BLOB_INLINE_MAX) {
		uint8_t *bytes = arena_alloc(at->arena, m->size + 1);
		ssize_t n = bytes ? pread(at->body_fd, bytes, m->size, 0) : -1;

		if (n < 0 || (uint64_t) n != m->size)
			return err_set(err, POD_E_CORRUPT, "the queued message's file cannot be read whole");
		m->blob = span_make(bytes, m->size);
		m->fd = -1;
	}
	return 0;
}

/* A list that leads to several is told from an alias by asking once more where it leads. */
static struct deliver_mailbox mailbox_of(struct attempt *at, const struct directory_user *user, const Queue__Recipient *rcpt)
{
	struct deliver_mailbox m = { .user_id = user->user_id, .detail = rcpt->detail, .address = rcpt->address, .named = rcpt->original };
	struct directory_targets targets;

	m.listed = !span_eq_nocase(span_of(rcpt->address), span_of(rcpt->original)) &&
	           (directory_resolve(at->q->dir, at->arena, span_of(rcpt->original), &targets, NULL) < 0 || targets.n != 1);
	return m;
}

/* Who it is about: those that live on the volume, and those that live nowhere, whose time is over. */
static int gather(struct attempt *at, size_t *ret_n, struct err *err)
{
	const Queue__Item *item = at->it->record;
	const char *volume = at->work->unit.lane->name;
	size_t n = 0;

	at->mailboxes = arena_array(at->arena, item->n_recipients, sizeof(*at->mailboxes));
	if (!at->mailboxes)
		return err_set(err, POD_E_NOMEM, "no memory for an attempt");
	for (size_t i = 0; i < item->n_recipients; i++) {
		const Queue__Recipient *rcpt = item->recipients[i];
		struct directory_user user;
		struct said *s;
		int r;

		if (rcpt->state != QUEUE__STATE__WAITING || queue_is_closing(at->it, i))
			continue;
		r = directory_user_find(at->q->dir, at->arena, span_of(rcpt->address), &user, err);
		if (r == -POD_E_NOMEM)
			return r;
		if (r == 0 && strcmp(user.volume, volume) != 0) {
			at->moved = true;
			continue;
		}
		s = queue_attempt_add(at, rcpt);
		if (!s)
			return err_set(err, POD_E_NOMEM, "no memory for an attempt");
		if (r == 0)
			at->mailboxes[n++] = mailbox_of(at, &user, rcpt);
		else if (r == -POD_E_NOTFOUND)
			note(at, s, r, err_text(err));
		else
			note(at, s, -POD_E_BUSY, err_text(err)); /* suspended mailboxes may come back */
	}
	*ret_n = n;
	return 0;
}

static int ask(struct attempt *at, size_t n, struct err *err)
{
	Podstore__Summary summary = PODSTORE__SUMMARY__INIT;
	struct deliver_message m = { .summary = &summary };
	struct queue *q = at->q;
	struct store_client *c;
	int r = shelf_body(q->shelf, &at->it->id, &at->body_fd, err);

	if (r == 0)
		r = shelf_summary(q->shelf, &at->it->id, &at->summary, err);
	if (r == 0)
		r = message_of(at, &m, err);
	if (r < 0)
		return r;
	summary.envelope = at->summary->envelope;
	summary.bodystructure = at->summary->bodystructure;
	summary.parts = at->summary->parts;
	summary.headers = at->summary->headers;
	at->safety = queue_safety_watch(q, at->arena, at->work->unit.lane->name);
	c = store_pool_get(q->pool, at->work->unit.lane->name, err);
	if (!c)
		return -POD_E_UNAVAILABLE;
	at->deliver_call = deliver_start(c, &m, at->mailboxes, n,
	                                 (unsigned int) q->conf->mta.store_timeout_ms, on_delivered, at);
	return at->deliver_call ? 0 : err_set(err, POD_E_NOMEM, "no memory for a delivery");
}

void queue_try_local(struct queue *q, struct work *w)
{
	struct attempt *at = queue_attempt_begin(q, w);
	struct err err = { 0 };
	size_t n = 0;
	int r;

	if (!at)
		return;
	r = at->arena ? gather(at, &n, &err) : -POD_E_NOMEM;
	if (r == 0 && n == 0) {
		queue_attempt_end(at, SCHED_NOTHING, NULL);
		return;
	}
	if (r == 0)
		r = ask(at, n, &err);
	if (r < 0)
		queue_attempt_fail(at, &err);
}
