#include "mta/conn/plan.h"

#include <stdlib.h>
#include <string.h>

/* Volumes together, in them mailboxes together, remote ones last; then as RCPT came. */
static int by_place(const void *a, const void *b)
{
	const struct plan_link *x = a, *y = b;
	int d;

	if (!x->volume || !y->volume)
		d = (x->volume ? 0 : 1) - (y->volume ? 0 : 1);
	else if ((d = strcmp(x->volume, y->volume)) == 0)
		d = strcmp(x->user_id, y->user_id);
	if (d == 0 && !x->volume)
		d = strcmp(x->address, y->address);
	if (d == 0)
		d = x->rcpt_no < y->rcpt_no ? -1 : x->rcpt_no > y->rcpt_no;
	return d;
}

static bool same_place(const struct plan_link *x, const struct plan_link *y)
{
	if (!x->volume || !y->volume)
		return !x->volume && !y->volume && strcmp(x->address, y->address) == 0;
	return strcmp(x->volume, y->volume) == 0 && strcmp(x->user_id, y->user_id) == 0;
}

static size_t count_targets(const struct smtp_mail *mail)
{
	size_t n = 0;

	for (size_t i = 0; i < mail->n_rcpts; i++)
		n += ((const struct directory_targets *) mail->rcpts[i]->host)->n;
	return n;
}

static void fill_link(struct plan_link *l, const struct smtp_mail *mail, size_t rcpt_no,
                      const struct directory_target *t)
{
	bool here = t->kind == TARGET_MAILBOX;

	*l = (struct plan_link){
		.rcpt = mail->rcpts[rcpt_no],
		.rcpt_no = rcpt_no,
		.address = t->address,
		.volume = here ? t->volume : NULL,
		.user_id = here ? t->user_id : NULL,
		.detail = t->detail ? t->detail : "",
		/* A remote one goes to the queue from the start; a mailbox too, until its volume says more. */
		.verdict = DELIVER_QUEUE,
		.text = "",
	};
}

int plan_make(const struct smtp_mail *mail, struct plan *ret_plan)
{
	struct plan p = { .arena = mail->arena };

	p.links = arena_array(mail->arena, count_targets(mail), sizeof(*p.links));
	if (!p.links)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < mail->n_rcpts; i++) {
		const struct directory_targets *t = mail->rcpts[i]->host;

		for (size_t k = 0; k < t->n; k++)
			fill_link(&p.links[p.n++], mail, i, &t->items[k]);
	}
	if (p.n > 1)
		qsort(p.links, p.n, sizeof(*p.links), by_place);
	for (size_t i = 0; i < p.n; i++)
		p.links[i].same_as = i && same_place(&p.links[i], &p.links[i - 1]) ? p.links[i - 1].same_as : i;
	*ret_plan = p;
	return 0;
}

static size_t volume_end(const struct plan *p, size_t first)
{
	size_t end = first;

	while (end < p->n && p->links[end].volume && strcmp(p->links[end].volume, p->links[first].volume) == 0)
		end++;
	return end;
}

static struct deliver_mailbox mailbox_of(const struct plan *p, const struct plan_link *l)
{
	return (struct deliver_mailbox){ .user_id = l->user_id,
		                         .detail = l->detail,
		                         .address = l->address,
		                         .named = arena_str(p->arena, l->rcpt->key.p ? l->rcpt->key : l->rcpt->address),
		                         .listed = ((const struct directory_targets *) l->rcpt->host)->n > 1 };
}

bool plan_volume_next(const struct plan *p, size_t *at, struct plan_volume *ret_volume, int *ret_r)
{
	struct plan_volume v = { .first = *at };
	struct deliver_mailbox *m;

	if (*at >= p->n || !p->links[*at].volume)
		return false;
	v.volume = p->links[*at].volume;
	v.n = volume_end(p, *at) - *at;
	m = arena_array(p->arena, v.n, sizeof(*m));
	v.link_of = arena_array(p->arena, v.n, sizeof(*v.link_of));
	*at += v.n;
	*ret_r = m && v.link_of ? 0 : -POD_E_NOMEM;
	for (size_t i = v.first; *ret_r == 0 && i < v.first + v.n; i++) {
		if (p->links[i].same_as != i)
			continue;
		m[v.n_mailboxes] = mailbox_of(p, &p->links[i]);
		v.link_of[v.n_mailboxes++] = i;
	}
	v.mailboxes = m;
	*ret_volume = v;
	return true;
}

void plan_note(struct plan *p, const struct plan_volume *v, const struct deliver_result *results)
{
	for (size_t i = 0; i < v->n_mailboxes; i++) {
		struct plan_link *l = &p->links[v->link_of[i]];

		l->code = results ? results[i].code : -POD_E_UNAVAILABLE;
		l->verdict = deliver_judge(l->code);
		l->text = results && *results[i].text ? arena_str(p->arena, span_of(results[i].text)) : NULL;
		if (!l->text)
			l->text = l->code ? err_code_text(l->code) : "";
	}
}

static int by_rcpt(const void *a, const void *b)
{
	const struct plan_link *const *x = a, *const *y = b;

	return (*x)->rcpt_no < (*y)->rcpt_no ? -1 : (*x)->rcpt_no > (*y)->rcpt_no;
}

static bool is_kept(const struct plan_link *l)
{
	return l->verdict == DELIVER_DONE || l->verdict == DELIVER_QUEUE;
}

/* "Not now" wins over "no": whoever sends it tries again, and loses nothing. */
static struct smtp_status refusal(struct plan_link *const *links, size_t n)
{
	int code = links[0]->code;

	for (size_t i = 0; i < n; i++)
		if (links[i]->verdict == DELIVER_DEFER)
			code = links[i]->code;
	return smtp_status_of(code);
}

static enum plan_rest rest_of(const struct plan_link *l)
{
	switch (l->verdict) {
	case DELIVER_DONE: return l->rcpt->notify & SMTP_NOTIFY_SUCCESS ? PLAN_TELL_DELIVERED : PLAN_NOTHING;
	case DELIVER_QUEUE:
	case DELIVER_DEFER: return PLAN_QUEUE;
	case DELIVER_REFUSE: break;
	}
	return PLAN_TELL_FAILED;
}

/* Links that stand or fall together: of the whole message, or of one recipient. */
static struct smtp_status settle_scope(struct plan *p, struct plan_link *const *links, size_t n,
                                       enum plan_rest *ret_rests, bool *ret_rest)
{
	bool kept = false;

	for (size_t i = 0; i < n; i++)
		kept = kept || is_kept(links[i]);
	if (!kept)
		return refusal(links, n);
	for (size_t i = 0; i < n; i++) {
		size_t no = (size_t) (links[i] - p->links);
		enum plan_rest rest = links[i]->same_as == no ? rest_of(links[i]) : PLAN_NOTHING;

		/* The first of several that lead to one mailbox speaks for all, also where its own scope failed. */
		if (links[i]->same_as != no && ret_rests[links[i]->same_as] == PLAN_NOTHING)
			rest = rest_of(links[i]);
		ret_rests[no] = rest;
		*ret_rest = *ret_rest || rest != PLAN_NOTHING;
	}
	return (struct smtp_status){ 250, "2.0.0", "Ok" };
}

static void spread_to_the_same(struct plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct plan_link *first = &p->links[p->links[i].same_as];

		p->links[i].code = first->code;
		p->links[i].verdict = first->verdict;
		p->links[i].text = first->text;
	}
}

void plan_settle(struct plan *p, bool per_rcpt, struct smtp_status *ret_statuses, size_t n_statuses,
                 enum plan_rest *ret_rests, bool *ret_rest)
{
	struct plan_link **order = arena_array(p->arena, p->n, sizeof(*order));

	*ret_rest = false;
	memset(ret_rests, 0, p->n * sizeof(*ret_rests));
	for (size_t i = 0; i < n_statuses; i++)
		ret_statuses[i] = smtp_status_of(order ? -POD_E_INTERNAL : -POD_E_NOMEM);
	if (!order)
		return;
	spread_to_the_same(p);
	for (size_t i = 0; i < p->n; i++)
		order[i] = &p->links[i];
	if (!per_rcpt) {
		ret_statuses[0] = settle_scope(p, order, p->n, ret_rests, ret_rest);
		return;
	}
	qsort(order, p->n, sizeof(struct plan_link *), by_rcpt);
	for (size_t i = 0, end; i < p->n; i = end) {
		for (end = i; end < p->n && order[end]->rcpt_no == order[i]->rcpt_no; end++)
			;
		ret_statuses[order[i]->rcpt_no] = settle_scope(p, order + i, end - i, ret_rests, ret_rest);
	}
}
