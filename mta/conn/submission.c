/* What the queue has to take over of a message, in its words. */
#include <stdlib.h>

#include "base/clock.h"
#include "mime/mime.h"
#include "mta/conn/internal.h"

/* Generated structs want pointers to char that they never write through. */
static char *text_of(struct arena *a, struct span s)
{
	return arena_str(a, s.p ? s : SPAN_LIT(""));
}

/*
 * A list or group whose sender wants to hear of success: he hears that it was expanded, and of its members nothing but
 * failures and delays, where he wants to (RFC 3461 5.2.7.3).
 */
static bool is_expanded(const struct smtp_rcpt *rcpt)
{
	return ((const struct directory_targets *) rcpt->host)->n > 1 && rcpt->notify & SMTP_NOTIFY_SUCCESS;
}

static unsigned int notify_of(const struct smtp_rcpt *rcpt)
{
	unsigned int rest = rcpt->notify & ~SMTP_NOTIFY_SUCCESS;

	if (!is_expanded(rcpt))
		return rcpt->notify;
	return rest ? rest : SMTP_NOTIFY_NEVER;
}

static Queue__Recipient *recipient(struct arena *a, const struct plan_link *l, enum plan_rest rest)
{
	Queue__Recipient *r = arena_new(a, Queue__Recipient);

	if (!r)
		return NULL;
	queue__recipient__init(r);
	r->address = text_of(a, span_of(l->address));
	r->original = text_of(a, l->rcpt->address);
	r->orcpt = text_of(a, l->rcpt->orcpt);
	r->detail = text_of(a, span_of(l->detail));
	r->text = text_of(a, span_of(l->text ? l->text : ""));
	r->notify = notify_of(l->rcpt);
	r->code = (uint32_t) abs(l->code);
	if (rest == PLAN_QUEUE)
		r->state = l->volume ? QUEUE__STATE__WAITING : QUEUE__STATE__OUTBOUND;
	else
		r->state = rest == PLAN_TELL_FAILED ? QUEUE__STATE__FAILED : QUEUE__STATE__DELIVERED;
	/* Somebody's address here stands for one elsewhere. */
	r->forwarded = !l->volume && !span_eq_nocase(span_of(l->address), l->rcpt->address);
	return r->address && r->original && r->orcpt && r->detail && r->text ? r : NULL;
}

static int add_recipient(Queue__Item *item, Queue__Recipient *r)
{
	if (!r)
		return -POD_E_NOMEM;
	item->recipients[item->n_recipients++] = r;
	return 0;
}

static int add_expanded(struct arena *a, const struct smtp_rcpt *rcpt, Queue__Item *item)
{
	Queue__Recipient *r = arena_new(a, Queue__Recipient);

	if (!r)
		return -POD_E_NOMEM;
	queue__recipient__init(r);
	r->address = text_of(a, rcpt->address);
	r->original = r->address;
	r->orcpt = text_of(a, rcpt->orcpt);
	r->notify = rcpt->notify;
	r->state = QUEUE__STATE__EXPANDED;
	return r->address && r->orcpt ? add_recipient(item, r) : -POD_E_NOMEM;
}

/* Whether any of a list's members got it, or will. */
static bool is_passed_on(const struct handover *h, const struct smtp_rcpt *rcpt)
{
	for (size_t i = 0; i < h->plan.n; i++)
		if (h->plan.links[i].rcpt == rcpt && (h->rests[i] == PLAN_QUEUE || h->rests[i] == PLAN_TELL_DELIVERED))
			return true;
	return false;
}

static int add_recipients(struct arena *a, const struct handover *h, Queue__Item *item)
{
	const struct smtp_mail *mail = h->mail;
	int r = 0;

	item->recipients = arena_array(a, h->plan.n + mail->n_rcpts, sizeof(*item->recipients));
	if (!item->recipients)
		return -POD_E_NOMEM;
	for (size_t i = 0; r == 0 && i < h->plan.n; i++) {
		const struct plan_link *l = &h->plan.links[i];

		if (h->rests[i] != PLAN_NOTHING && !(h->rests[i] == PLAN_TELL_DELIVERED && is_expanded(l->rcpt)))
			r = add_recipient(item, recipient(a, l, h->rests[i]));
	}
	for (size_t i = 0; r == 0 && i < mail->n_rcpts; i++)
		if (is_expanded(mail->rcpts[i]) && is_passed_on(h, mail->rcpts[i]))
			r = add_expanded(a, mail->rcpts[i], item);
	return r;
}

static int fill_hold(const struct handover *h, struct arena *a, Queue__Item *item)
{
	if (h->hold.reason == QUEUE__HOLD_REASON__FREE)
		return 0;
	item->hold = arena_new(a, Queue__Hold);
	if (!item->hold)
		return -POD_E_NOMEM;
	queue__hold__init(item->hold);
	item->hold->reason = h->hold.reason;
	item->hold->until_s = h->hold.until_s;
	item->hold->text = text_of(a, span_of(h->hold.text ? h->hold.text : ""));
	return item->hold->text ? 0 : -POD_E_NOMEM;
}

static int fill_by(const struct smtp_mail *mail, struct arena *a, Queue__Item *item)
{
	if (mail->by == SMTP_BY_UNSAID)
		return 0;
	item->by = arena_new(a, Queue__DeliverBy);
	if (!item->by)
		return -POD_E_NOMEM;
	queue__deliver_by__init(item->by);
	item->by->at_s = mail->by_at_s;
	item->by->give_up = mail->by == SMTP_BY_RETURN;
	item->by->tell_relay = mail->by_trace;
	return 0;
}

static int fill_item(const struct smtp_conn *c, const struct smtp_mail *mail, struct arena *a, int64_t now_s, Queue__Item *item)
{
	const struct handover *h = c->handover;

	item->id.data = arena_alloc(a, ID_SIZE);
	item->trace = text_of(a, span_of(mail->trace));
	item->sender = text_of(a, mail->sender);
	item->envid = text_of(a, mail->envid);
	item->login = text_of(a, span_of(smtp_session_user(c->session)));
	if (!item->id.data || !item->trace || !item->sender || !item->envid || !item->login || fill_hold(h, a, item) < 0 ||
	    fill_by(mail, a, item) < 0)
		return -POD_E_NOMEM;
	memcpy(item->id.data, h->id.b, ID_SIZE);
	item->id.len = ID_SIZE;
	item->ret_full = mail->ret == SMTP_RET_FULL;
	item->ret_hdrs = mail->ret == SMTP_RET_HDRS;
	item->utf8 = mail->utf8;
	item->body8 = mail->body == SMTP_BODY_8BITMIME;
	item->hops = mail->hops;
	item->priority = mail->priority;
	item->require_tls = mail->require_tls;
	item->hops = mail->hops;
	item->size = h->size;
	item->arrived_s = now_s;
	return add_recipients(a, h, item);
}

int smtp_submission_make(const struct smtp_conn *c, const struct smtp_mail *mail, struct arena *a,
                         Queue__Submission **ret_submission)
{
	Queue__Submission *s = arena_new(a, Queue__Submission);
	Queue__Item *item = arena_new(a, Queue__Item);
	Queue__Summary *summary = arena_new(a, Queue__Summary);

	if (!s || !item || !summary)
		return -POD_E_NOMEM;
	queue__submission__init(s);
	queue__item__init(item);
	queue_summary_set(summary, c->handover->summary);
	s->item = item;
	s->summary = summary;
	*ret_submission = s;
	return fill_item(c, mail, a, clock_wall_s(), item);
}
