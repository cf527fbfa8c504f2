/* A message from its last byte to its reply: to the volumes, then what is left to the queue. */
#include <stdlib.h>

#include "base/clock.h"
#include "mime/mime.h"
#include "mta/conn/internal.h"
#include "mta/queue/auto_reply.h"
#include "mta/service/metrics.h"
#include "storeproto/frame.h"

#define QUEUE_BYTES_MAX (48u << 10) /* of a message that is handed to the queue in one packet */

static void log_outcome(const struct smtp_conn *c, const struct smtp_mail *mail, const struct handover *h)
{
	for (size_t i = 0; i < h->plan.n; i++) {
		const struct plan_link *l = &h->plan.links[i];
		static const char *const words[] = { [DELIVER_DONE] = "rcpt.delivered", [DELIVER_QUEUE] = "rcpt.queued",
			                             [DELIVER_DEFER] = "rcpt.deferred", [DELIVER_REFUSE] = "rcpt.failed" };

		log_event(&c->mail_log, LOGL_INFO, words[l->verdict], F_SPAN("sender", mail->sender),
		          F_SPAN("rcpt", l->rcpt->address), F_STR("mailbox", l->address),
		          F_STR("volume", l->volume ? l->volume : ""), F_STR("text", l->text ? l->text : ""));
	}
}

static void count(struct smtp_conn *c, const struct handover *h)
{
	uint64_t took_us = clock_mono_us() - h->began_us;
	bool accepted = false;

	for (size_t i = 0; i < h->n_statuses; i++)
		accepted = accepted || h->statuses[i].code < 300;
	metric_add(accepted ? M_MESSAGES_ACCEPTED : M_MESSAGES_REFUSED, 1);
	metric_add(M_DELIVERY_US, (int64_t) took_us);
	if (!accepted)
		return;
	metric_add(M_BYTES, (int64_t) h->size);
	smtp_sending_kept(c);
	smtp_guard_vouch(c->w, &c->ticket);
	if (h->n_parts && h->hold.reason == QUEUE__HOLD_REASON__FREE)
		smtp_guard_note_latency(c->w, took_us);
}

/* One line that says what it was and what its sender was told. */
static void log_answer(const struct smtp_conn *c, const struct handover *h)
{
	const char *user = smtp_session_user(c->session);

	log_event(&c->mail_log, LOGL_INFO, h->statuses[0].code < 300 ? "message.accepted" : "message.refused",
	          F_SPAN("sender", h->mail->sender), F_STR("user", user), F_STR("helo", smtp_session_helo(c->session)),
	          F_UINT("size", h->size), F_UINT("reply", h->statuses[0].code),
	          F_UINT("ms", (clock_mono_us() - h->began_us) / 1000));
}

static void reply(struct smtp_conn *c)
{
	const struct smtp_status no_memory = smtp_status_of(-POD_E_NOMEM), *statuses;
	struct handover *h = c->handover;
	size_t n = h->n_statuses;

	log_answer(c, h);
	count(c, h);
	c->handover = NULL;
	statuses = conn_filter_statuses(c, h->mail, h->statuses, &n);
	smtp_session_mail_done(c->session, statuses ? statuses : &no_memory, statuses ? n : 1);
	smtp_conn_pump(c);
}

/* Without the queue nothing that depended on it can be promised. */
static void refuse_kept(struct handover *h, int code)
{
	for (size_t i = 0; i < h->n_statuses; i++)
		if (h->statuses[i].code < 300)
			h->statuses[i] = smtp_status_of_local(code);
}

static void on_queued(void *arg, int code, const char *text)
{
	struct smtp_conn *c = arg;

	c->handover->queue_call = NULL;
	if (code < 0) {
		log_event(&c->mail_log, LOGL_ERROR, "queue.failed", F_STR("error", text));
		refuse_kept(c->handover, code);
	} else {
		metric_add(M_MESSAGES_QUEUED, 1);
	}
	reply(c);
}

/* What is in memory goes from there; what is in a file, as that. */
static struct queue_call *submit(struct smtp_conn *c, const Queue__Submission *submission, int *r, struct err *err)
{
	struct span bytes;
	int fd;

	if (c->handover->size <= QUEUE_BYTES_MAX) {
		*r = spool_bytes(c->spool, &bytes, err);
		return *r < 0 ? NULL : queue_submit_bytes(c->w->queue, submission, bytes, on_queued, c);
	}
	*r = spool_fd(c->spool, &fd, err);
	return *r < 0 ? NULL : queue_submit(c->w->queue, submission, fd, on_queued, c);
}

static void give_to_queue(struct smtp_conn *c, const struct smtp_mail *mail)
{
	struct handover *h = c->handover;
	Queue__Submission *submission;
	struct err err = { 0 };
	int r = smtp_submission_make(c, mail, mail->arena, &submission);

	if (r == 0)
		h->queue_call = submit(c, submission, &r, &err);
	if (r == 0 && !h->queue_call)
		r = -POD_E_NOMEM;
	if (r < 0) {
		log_event(&c->mail_log, LOGL_ERROR, "queue.failed", F_CODE(r));
		refuse_kept(h, r);
		reply(c);
	}
}

/* Every volume has answered, or will not. */
static void all_answered(struct smtp_conn *c, const struct smtp_mail *mail)
{
	struct handover *h = c->handover;
	bool rest;

	plan_settle(&h->plan, c->door->settings.service == SMTP_SERVICE_LMTP, h->statuses, h->n_statuses, h->rests, &rest);
	log_outcome(c, mail, h);
	if (rest)
		give_to_queue(c, mail);
	else
		reply(c);
}

static void smtp_conn_on_delivered(void *arg, const struct deliver_result *results, size_t n)
{
	struct handover_part *p = arg;
	struct smtp_conn *c = p->c;

	p->call = NULL;
	plan_note(&c->handover->plan, &p->volume, results);
	for (size_t i = 0; results && i < n; i++)
		if (results[i].reply)
			auto_reply_send(c->w->queue, c->w->dir, c->w->conf->mta.hostname, results[i].reply);
	smtp_safety_keep(c, p);
	if (--c->handover->pending == 0)
		all_answered(c, c->handover->mail);
}

static void fill_message(const struct smtp_conn *c, const struct smtp_mail *mail, Podstore__Summary *sum,
                         Queue__Summary *parsed, struct deliver_message *m)
{
	const struct handover *h = c->handover;

	queue_summary_set(parsed, h->summary);
	podstore__summary__init(sum);
	sum->envelope = parsed->envelope;
	sum->bodystructure = parsed->bodystructure;
	sum->parts = parsed->parts;
	sum->headers = parsed->headers;
	*m = (struct deliver_message){ .id = h->id, .trace = mail->trace, .sender = mail->sender, .summary = sum,
		                       .fd = -1, .size = h->size, .arrived_s = clock_wall_s(),
		                       .login = smtp_session_user(c->session) };
}

static void deliver_part(struct smtp_conn *c, struct handover_part *p, const struct deliver_message *m)
{
	struct handover *h = c->handover;
	struct err err = { 0 };
	struct store_client *client = store_pool_get(c->w->pool, p->volume.volume, &err);

	p->c = c;
	p->safety = smtp_safety_watch(c->w, p->volume.volume);
	h->pending++;
	if (client)
		p->call = deliver_start(client, m, p->volume.mailboxes, p->volume.n_mailboxes,
		                        (unsigned int) c->w->conf->mta.store_timeout_ms, smtp_conn_on_delivered, p);
	if (p->call)
		return;
	h->pending--;
	log_event(&c->mail_log, LOGL_WARNING, "volume.unavailable", F_STR("volume", p->volume.volume), F_ERR(&err));
	plan_note(&h->plan, &p->volume, NULL);
}

static void deliver_all(struct smtp_conn *c, const struct smtp_mail *mail, struct span bytes, int fd)
{
	struct handover *h = c->handover;
	Podstore__Summary sum;
	Queue__Summary parsed;
	struct deliver_message m;

	fill_message(c, mail, &sum, &parsed, &m);
	if (fd >= 0)
		m.fd = fd;
	else
		m.blob = bytes;
	h->pending = 1; /* so that a failure inside the loop does not end it */
	for (size_t i = 0; i < h->n_parts; i++)
		deliver_part(c, &h->parts[i], &m);
	if (--h->pending == 0)
		all_answered(c, mail);
}

void smtp_handover_hold(struct handover *h, const struct handover_hold *hold)
{
	bool stronger = hold->reason == QUEUE__HOLD_REASON__QUARANTINE || hold->until_s > h->hold.until_s;

	if (h->hold.reason == QUEUE__HOLD_REASON__FREE || (h->hold.reason != QUEUE__HOLD_REASON__QUARANTINE && stronger))
		h->hold = *hold;
}

/* Held mail goes to no volume now. */
static int make_parts(struct handover *h, struct arena *a)
{
	struct plan_volume v;
	size_t at = 0, n = 0;
	int r = 0;

	if (h->hold.reason != QUEUE__HOLD_REASON__FREE)
		return 0;
	while (plan_volume_next(&h->plan, &at, &v, &r) && r == 0)
		n++;
	h->parts = arena_array(a, n ? n : 1, sizeof(*h->parts));
	if (r < 0 || !h->parts)
		return -POD_E_NOMEM;
	for (at = 0; h->n_parts < n && plan_volume_next(&h->plan, &at, &v, &r); h->n_parts++)
		h->parts[h->n_parts].volume = v;
	return r;
}

static int prepare(struct smtp_conn *c, struct smtp_mail *mail, struct span *ret_bytes, int *ret_fd, struct err *err)
{
	struct handover *h = arena_new(mail->arena, struct handover);
	bool lmtp = c->door->settings.service == SMTP_SERVICE_LMTP;
	int r;

	if (!h)
		return -POD_E_NOMEM;
	c->handover = h;
	h->mail = mail;
	h->began_us = clock_mono_us();
	h->id = guid_eq(&mail->transaction, &(struct guid){ 0 }) ? guid_new() : mail->transaction;
	h->size = spool_size(c->spool);
	h->n_statuses = lmtp ? mail->n_rcpts : 1;
	if (smtp_sending_undo_s(c))
		smtp_handover_hold(h, &(struct handover_hold){ QUEUE__HOLD_REASON__UNDO, clock_wall_s() + smtp_sending_undo_s(c), NULL });
	if (conn_filter_quarantine(c))
		smtp_handover_hold(h, &(struct handover_hold){ QUEUE__HOLD_REASON__QUARANTINE, 0,
		                                               conn_filter_quarantine(c) });
	if (mail->hold_until_s)
		smtp_handover_hold(h, &(struct handover_hold){ QUEUE__HOLD_REASON__FUTURE, mail->hold_until_s, NULL });
	h->statuses = arena_array(mail->arena, h->n_statuses, sizeof(*h->statuses));
	h->summary = arena_new(mail->arena, struct mime_summary);
	if (!h->statuses || !h->summary)
		return -POD_E_NOMEM;
	r = spool_bytes(c->spool, ret_bytes, err);
	if (r == 0)
		r = mime_summarize(mail->arena, *ret_bytes, h->summary);
	if (r == 0)
		r = plan_make(mail, &h->plan);
	if (r == 0)
		r = make_parts(h, mail->arena);
	h->rests = r == 0 ? arena_array(mail->arena, h->plan.n, sizeof(*h->rests)) : NULL;
	if (r == 0 && !h->rests)
		r = -POD_E_NOMEM;
	if (r == 0 && h->n_parts && h->size > FRAME_BLOB_INLINE_MAX)
		r = spool_fd(c->spool, ret_fd, err);
	return r;
}

void smtp_conn_on_body_end(void *arg, struct smtp_mail *mail)
{
	struct smtp_conn *c = arg;
	struct err err = { 0 };
	struct span bytes;
	int fd = -1, r = prepare(c, mail, &bytes, &fd, &err);

	if (r < 0) {
		struct smtp_status status = smtp_status_of_local(r == -POD_E_LIMIT ? -POD_E_NOMEM : r);

		log_event(&c->mail_log, LOGL_ERROR, "message.failed", F_CODE(r), F_STR("text", err.text));
		c->handover = NULL;
		metric_add(M_MESSAGES_REFUSED, 1);
		smtp_session_mail_done(c->session, &status, 1);
		return;
	}
	deliver_all(c, mail, bytes, fd);
}

void smtp_conn_handover_cancel(struct smtp_conn *c)
{
	struct handover *h = c->handover;

	if (!h)
		return;
	c->handover = NULL;
	for (size_t i = 0; i < h->n_parts; i++)
		deliver_cancel(h->parts[i].call);
	queue_submit_cancel(h->queue_call);
}
