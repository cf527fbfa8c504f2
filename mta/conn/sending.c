/* What a user may send: as whom (RFC 6409 6.1), how much, and whether it waits so that it can be taken back. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/conn/internal.h"
#include "mta/service/metrics.h"

#define LOOKUP_ARENA (64u << 10)

enum { HOUR_S = 3600, DAY_S = 86400 };

/* What was counted of a message under way; in its arena. */
struct sending {
	struct directory_sending own;
	uint32_t messages, recipients; /* taken, to be given back where the message does not go */
	bool kept;
};

static const struct quota {
	const char *kind, *words;
	uint32_t period_s;
	size_t offset; /* of the limit in struct directory_sending */
	bool of_messages;
} quotas[] = {
	{ "messages_per_hour", "messages in an hour", HOUR_S, offsetof(struct directory_sending, messages_per_hour), true },
	{ "messages_per_day", "messages in a day", DAY_S, offsetof(struct directory_sending, messages_per_day), true },
	{ "recipients_per_hour", "recipients in an hour", HOUR_S, offsetof(struct directory_sending, recipients_per_hour),
	  false },
	{ "recipients_per_day", "recipients in a day", DAY_S, offsetof(struct directory_sending, recipients_per_day), false },
};

/* What holds for users of whom nothing is said. */
static struct directory_sending general(const struct smtp_conn *c)
{
	const struct submission_conf *s = &c->w->conf->submission;

	return (struct directory_sending){ .messages_per_hour = s->messages_per_hour,
		                           .messages_per_day = s->messages_per_day,
		                           .recipients_per_hour = s->recipients_per_hour,
		                           .recipients_per_day = s->recipients_per_day };
}

static uint32_t limit_in(const struct directory_sending *limits, const struct quota *q)
{
	uint32_t v;

	memcpy(&v, (const char *) limits + q->offset, sizeof(v));
	return v;
}

/* Limit 0: any number. */
static struct tally_rate rate_of(const struct smtp_conn *c, const struct quota *q)
{
	struct directory_sending all = general(c);
	uint32_t own = limit_in(&c->sending->own, q);

	if (own == DIRECTORY_UNLIMITED)
		return (struct tally_rate){ 0, q->period_s };
	return (struct tally_rate){ own ? own : limit_in(&all, q), q->period_s };
}

static void give_back(const struct smtp_conn *c, bool of_messages, uint32_t n, size_t quotas_n)
{
	struct span user = span_of(smtp_session_user(c->session));

	for (size_t i = 0; n && i < quotas_n; i++) {
		struct tally_key k = tally_key(c->w->tally, quotas[i].kind, user);
		struct tally_rate rate = rate_of(c, &quotas[i]);

		if (quotas[i].of_messages == of_messages && rate.limit)
			tally_give_back(c->w->tally, &k, rate, n, clock_wall_ms());
	}
}

/* One more message, or recipient: from all periods, or from none. */
static struct smtp_status take(const struct smtp_conn *c, struct arena *a, bool of_messages)
{
	struct span user = span_of(smtp_session_user(c->session));

	for (size_t i = 0; i < ARRAY_SIZE(quotas); i++) {
		const struct quota *q = &quotas[i];
		struct tally_key k = tally_key(c->w->tally, q->kind, user);
		struct tally_rate rate = rate_of(c, q);
		uint32_t wait_s;
		char *text;

		if (q->of_messages != of_messages || !rate.limit ||
		    tally_take(c->w->tally, &k, rate, 1, clock_wall_ms(), &wait_s) == 0)
			continue;
		give_back(c, of_messages, 1, i);
		metric_add(of_messages ? M_LIMITED_MESSAGES : M_LIMITED_RECIPIENTS, 1);
		log_event(&c->mail_log, LOGL_NOTICE, "user.limited", F_SPAN("user", user), F_STR("limit", q->kind),
		          F_UINT("most", rate.limit), F_UINT("wait_s", wait_s));
		text = arena_printf(a, "You sent %u %s; try again in %u seconds", rate.limit, q->words, wait_s);
		return (struct smtp_status){ of_messages ? 450 : 452, "4.7.1", text ? text : "You sent too much" };
	}
	return (struct smtp_status){ 250, "", "" };
}

static struct smtp_status may_send_as(struct smtp_conn *c, const struct smtp_mail *mail)
{
	int r = mail->sender.len ? smtp_conn_author_check(c, mail->sender) : 0;

	if (r == 0)
		return (struct smtp_status){ 250, "", "" };
	if (r != -POD_E_DENIED)
		return smtp_status_of_local(r);
	return (struct smtp_status){ 550, "5.7.1", "You may not send as this address" };
}

int smtp_conn_author_check(void *arg, struct span address)
{
	const struct smtp_conn *c = arg;
	struct err err = { 0 };
	int r;

	if (!c->w->conf->submission.enforce_senders)
		return 0;
	r = directory_send_as_check(c->w->dir, span_of(smtp_session_user(c->session)), address, &err);
	if (r == 0)
		return 0;
	metric_add(M_SENDERS_REFUSED, 1);
	log_event(&c->mail_log, LOGL_NOTICE, "sender.refused", F_STR("user", smtp_session_user(c->session)),
	          F_SPAN("address", address), F_ERR(&err));
	return r;
}

/* What the directory says about the user; who is gone from it sends nothing any more. */
static int look_up(struct smtp_conn *c, struct smtp_mail *mail)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(LOOKUP_ARENA);
	struct span user = span_of(smtp_session_user(c->session));
	struct directory_user who;
	int r = a ? directory_user_find(c->w->dir, a, user, &who, NULL) : -POD_E_NOMEM;

	c->sending = arena_new(mail->arena, struct sending);
	if (!c->sending)
		return -POD_E_NOMEM;
	return r < 0 ? r : directory_sending_find(c->w->dir, a, user, &c->sending->own, NULL);
}

struct smtp_status smtp_conn_mail_check(void *arg, struct smtp_mail *mail)
{
	struct smtp_conn *c = arg;
	struct smtp_status status = { 250, "", "" };
	int r;

	c->sending = NULL;
	if (smtp_guard_is_short_of_memory(c->w))
		return (struct smtp_status){ 452, "4.3.1", "Short of memory, try again later" };
	if (!*smtp_session_user(c->session))
		return status;
	r = look_up(c, mail);
	if (r == -POD_E_DENIED || r == -POD_E_NOTFOUND)
		status = (struct smtp_status){ 550, "5.7.1", "This user may not send mail any more" };
	else if (r < 0)
		status = smtp_status_of_local(r);
	if (status.code == 250)
		status = may_send_as(c, mail);
	if (status.code == 250)
		status = take(c, mail->arena, true);
	if (status.code == 250)
		c->sending->messages = 1;
	else
		c->sending = NULL;
	return status;
}

struct smtp_status smtp_sending_rcpt(struct smtp_conn *c, struct smtp_mail *mail)
{
	struct smtp_status status = { 250, "", "" };

	if (!c->sending)
		return status;
	status = take(c, mail->arena, false);
	if (status.code == 250)
		c->sending->recipients++;
	return status;
}

void smtp_sending_kept(struct smtp_conn *c)
{
	if (c->sending)
		c->sending->kept = true;
}

void smtp_sending_end(struct smtp_conn *c)
{
	if (c->sending && !c->sending->kept) {
		give_back(c, true, c->sending->messages, ARRAY_SIZE(quotas));
		give_back(c, false, c->sending->recipients, ARRAY_SIZE(quotas));
	}
	c->sending = NULL;
}

uint32_t smtp_sending_undo_s(const struct smtp_conn *c)
{
	if (!c->sending)
		return 0;
	return c->sending->own.undo_send_s ? c->sending->own.undo_send_s
	                                   : (uint32_t) (c->w->conf->submission.undo_send_ms / 1000);
}
