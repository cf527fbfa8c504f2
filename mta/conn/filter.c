/*
 * Milters and a session: its questions become theirs, their answers its replies, and what they change about
 * an envelope is done here. What they are told of the session is in filter_facts.c.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/conn/filter_internal.h"
#include "mta/conn/internal.h"
#include "mta/service/metrics.h"

/* ---- questions ---- */

static const enum milter_stage stages[] = {
	[SMTP_STAGE_CONNECT] = MILTER_CONNECT, [SMTP_STAGE_HELO] = MILTER_HELO,
	[SMTP_STAGE_MAIL] = MILTER_MAIL,       [SMTP_STAGE_RCPT] = MILTER_RCPT,
	[SMTP_STAGE_DATA] = MILTER_DATA,       [SMTP_STAGE_UNKNOWN] = MILTER_UNKNOWN,
};

/* An answer that comes at once must not pump: whoever asked does that. */
static void ask(struct conn_filter *f, const struct milter_question *q)
{
	f->asking = true;
	milter_chain_ask(f->chain, q);
	f->asking = false;
}

void conn_filter_ask(void *arg, const struct smtp_question *q)
{
	struct smtp_conn *c = arg;
	struct conn_filter *f = c->filter;

	if (!f || (q->refused && !milter_chain_wants_refused(f->chain))) {
		if (f && q->refused)
			f->n_bad_rcpts++;
		smtp_session_filter_done(c->session, NULL);
		return;
	}
	f->n_bad_rcpts += q->refused != NULL;
	conn_filter_facts(c, q);
	f->ending = NULL;
	ask(f, &(struct milter_question){ .stage = stages[q->stage],
	                                  .words = { q->text, q->params },
	                                  .refused = q->refused != NULL,
	                                  .log = q->mail ? &c->mail_log : &c->log });
}

static struct smtp_status status_of(const struct milter_verdict *v)
{
	if (v->action == MILTER_DROP)
		return (struct smtp_status){ 0, "", "" };
	return (struct smtp_status){ (uint16_t) v->code, v->enhanced, v->text };
}

/* ---- the envelope ---- */

static int add_rcpt(struct smtp_conn *c, struct smtp_mail *mail, const struct milter_edit *e, struct err *err)
{
	struct smtp_rcpt *rcpt;
	int r = smtp_mail_add_rcpt(mail, e->name, e->value, &rcpt, err);

	if (r == 0) {
		r = smtp_conn_resolve(c, mail, rcpt);
		/* A filter is the admin's, who may send wherever he likes. */
		if (r == -POD_E_UNSUPPORTED)
			r = smtp_conn_relay(mail, rcpt);
		if (r < 0)
			(void) err_set(err, (enum pod_error) - r, "%s", smtp_status_of_rcpt(r).text);
	}
	if (r == 0)
		mail->rcpts[mail->n_rcpts++] = rcpt;
	return r;
}

static int change(struct smtp_conn *c, struct smtp_mail *mail, const struct milter_edit *e, struct err *err)
{
	int r;

	switch (e->kind) {
	case MILTER_ADD_RCPT: return add_rcpt(c, mail, e, err);
	case MILTER_DELETE_RCPT: (void) smtp_mail_delete_rcpt(mail, e->name); return 0;
	case MILTER_CHANGE_SENDER:
		r = smtp_mail_set_sender(mail, e->name, e->value, err);
		return r < 0 ? r : milter_chain_set_return_path(c->filter->chain, mail->sender);
	default: return 0;
	}
}

/* What cannot be done is left out, and said: the rest of what a filter wants still is right. */
static void change_envelope(struct smtp_conn *c, struct smtp_mail *mail, const struct milter_changes *changes)
{
	for (size_t i = 0; i < changes->n; i++) {
		const struct milter_edit *e = &changes->edits[i];
		struct err err = { 0 };
		int r = change(c, mail, e, &err);

		log_event(&c->mail_log, r < 0 ? LOGL_WARNING : LOGL_INFO,
		          r < 0 ? "milter.edit_failed" : "milter.edit_done",
		          F_STR("edit", milter_edit_words[e->kind]), F_SPAN("address", e->name),
		          F_SPAN("args", e->value), F_STR("error", r < 0 ? err_text(&err) : ""));
	}
}

/* LMTP: who was accepted by RCPT, before filters change that. */
static int keep_accepted(struct smtp_conn *c, const struct smtp_mail *mail)
{
	struct conn_filter *f = c->filter;

	f->accepted = arena_array(mail->arena, mail->n_rcpts, sizeof(*f->accepted));
	if (!f->accepted)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < mail->n_rcpts; i++)
		f->accepted[i] = mail->rcpts[i];
	f->n_accepted = mail->n_rcpts;
	return 0;
}

const struct smtp_status *conn_filter_statuses(const struct smtp_conn *c, const struct smtp_mail *mail,
                                               const struct smtp_status *statuses, size_t *n)
{
	const struct conn_filter *f = c->filter;
	struct smtp_status *all;

	if (!f || !f->accepted || c->door->settings.service != SMTP_SERVICE_LMTP)
		return statuses;
	all = arena_array(mail->arena, f->n_accepted, sizeof(*all));
	for (size_t i = 0; all && i < f->n_accepted; i++) {
		all[i] = (struct smtp_status){ 250, "2.0.0", "Taken off by a filter" };
		for (size_t k = 0; k < mail->n_rcpts; k++)
			if (mail->rcpts[k] == f->accepted[i])
				all[i] = statuses[k];
	}
	*n = f->n_accepted;
	return all;
}

/* ---- the end of a message ---- */

static void finish(struct smtp_conn *c, const struct smtp_status *status)
{
	metric_add(status->code && status->code < 300 ? M_MESSAGES_ACCEPTED : M_MESSAGES_REFUSED, 1);
	smtp_session_mail_done(c->session, status, 1);
}

static void discard(struct smtp_conn *c, const struct smtp_mail *mail)
{
	static const struct smtp_status ok = { 250, "2.0.0", "Ok" };

	log_event(&c->mail_log, LOGL_INFO, "message.discarded", F_SPAN("sender", mail->sender),
	          F_UINT("rcpts", mail->n_rcpts));
	finish(c, &ok);
}

static void hand_over(struct smtp_conn *c, struct smtp_mail *mail)
{
	struct conn_filter *f = c->filter;
	struct milter_changes changes = milter_chain_changes(f->chain);
	struct err err = { 0 };
	bool changed = false;
	int r = changes.n ? keep_accepted(c, mail) : 0;

	if (r == 0) {
		change_envelope(c, mail, &changes);
		r = milter_chain_settle(f->chain, &changed, &err);
	}
	f->quarantine = changes.quarantine;
	if (r < 0) {
		struct smtp_status status = smtp_status_of_local(r);

		log_event(&c->mail_log, LOGL_ERROR, "message.failed", F_ERR(&err));
		finish(c, &status);
	} else if (!mail->n_rcpts) {
		discard(c, mail);
	} else {
		smtp_conn_on_body_end(c, mail);
	}
}

static void on_end(struct smtp_conn *c, const struct milter_verdict *v)
{
	struct smtp_mail *mail = take_ptr(c->filter->ending);
	struct smtp_status status = status_of(v);

	switch (v->action) {
	case MILTER_REFUSE:
	case MILTER_DROP:
		log_event(&c->mail_log, LOGL_INFO, "message.refused", F_SPAN("sender", mail->sender),
		          F_UINT("code", status.code), F_STR("text", status.text));
		finish(c, &status);
		break;
	case MILTER_DISCARD: discard(c, mail); break;
	default: hand_over(c, mail); break;
	}
}

static void on_answer(void *arg, const struct milter_verdict *v)
{
	struct smtp_conn *c = arg;
	bool at_once = c->filter->asking;

	if (c->filter->ending) {
		on_end(c, v);
	} else {
		struct smtp_status status = status_of(v);

		smtp_session_filter_done(
			c->session, v->action == MILTER_REFUSE || v->action == MILTER_DROP ? &status : NULL);
	}
	if (!at_once)
		smtp_conn_pump(c);
}

void conn_filter_body_begin(struct smtp_conn *c, struct span ours)
{
	if (c->filter)
		milter_chain_message_begin(c->filter->chain, c->spool, ours);
}

void conn_filter_body_add(struct smtp_conn *c, struct span bytes)
{
	if (c->filter)
		milter_chain_message_add(c->filter->chain, bytes);
}

void conn_filter_body_end(void *arg, struct smtp_mail *mail)
{
	struct smtp_conn *c = arg;

	if (!c->filter) {
		smtp_conn_on_body_end(c, mail);
		return;
	}
	conn_filter_facts_end(c, mail);
	c->filter->ending = mail;
	ask(c->filter, &(struct milter_question){ .stage = MILTER_END, .log = &c->mail_log });
}

void conn_filter_mail_end(struct smtp_conn *c)
{
	struct conn_filter *f = c->filter;

	if (!f)
		return;
	milter_chain_message_over(f->chain);
	f->ending = NULL;
	f->quarantine = NULL;
	f->accepted = NULL;
	f->n_accepted = f->n_bad_rcpts = 0;
	conn_filter_facts_forget(f);
}

const char *conn_filter_quarantine(const struct smtp_conn *c)
{
	return c->filter ? c->filter->quarantine : NULL;
}

/* ---- the session ---- */

int conn_filter_create(struct smtp_conn *c, const struct accepted *a)
{
	struct conn_filter *f;

	if (!c->door->milters)
		return 0;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -POD_E_NOMEM;
	c->filter = f;
	f->chain = milter_chain_create(c->door->milters, &f->facts, on_answer, c);
	if (!f->chain)
		return -POD_E_NOMEM;
	conn_filter_facts_connection(c, a);
	return 0;
}

void conn_filter_free(struct smtp_conn *c)
{
	if (!c->filter)
		return;
	c->filter->chain = milter_chain_free(c->filter->chain);
	free(c->filter);
	c->filter = NULL;
}
