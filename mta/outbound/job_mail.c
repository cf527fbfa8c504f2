/* Between a job and a transaction: who is asked for, and what came of it. */
#include <strings.h>

#include "base/clock.h"
#include "mta/outbound/job.h"
#include "mta/outbound/mail_name.h"

#define NEEDS_REQUIRETLS "5.7.30"

static bool is_parameter(const char *s)
{
	for (; *s; s++)
		if ((uint8_t) *s <= ' ' || (uint8_t) *s >= 0x7f)
			return false;
	return true;
}

static struct span parameter(const char *s)
{
	return is_parameter(s) ? span_of(s) : SPAN_NONE;
}

static void fill_rcpt(struct smtp_client_rcpt *r, const struct job_target *t)
{
	*r = (struct smtp_client_rcpt){ .address = span_of(t->address),
		                        .orcpt = parameter(t->target->orcpt),
		                        .notify = t->target->notify };
}

/* SMTPUTF8 is for what cannot be said without it, whatever the message came in with. */
static bool needs_utf8(const struct job *j, const struct smtp_client_mail *m)
{
	if ((j->record->utf8 && j->body.header_eight_bit) || !mail_name_is_ascii(m->sender))
		return true;
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (!mail_name_is_ascii(m->rcpts[i].address))
			return true;
	return false;
}

static void fill_terms(struct job *j, struct smtp_client_mail *m, const struct body *body)
{
	static const enum smtp_client_ret rets[] = { [OUTBOUND__RET__RET_UNSAID] = SMTP_CLIENT_RET_UNSAID,
		                                     [OUTBOUND__RET__RET_FULL] = SMTP_CLIENT_RET_FULL,
		                                     [OUTBOUND__RET__RET_HDRS] = SMTP_CLIENT_RET_HDRS };
	const Outbound__Job *r = j->record;

	m->sender = span_of(r->sender);
	m->size = body->bytes.len;
	m->eight_bit = body->eight_bit;
	m->require_tls = r->require_tls;
	m->envid = parameter(r->envid);
	m->ret = r->ret <= OUTBOUND__RET__RET_HDRS ? rets[r->ret] : SMTP_CLIENT_RET_UNSAID;
	m->priority = r->priority;
	m->by_mode = r->by_mode == OUTBOUND__BY_MODE__BY_RETURN   ? 'R'
	             : r->by_mode == OUTBOUND__BY_MODE__BY_NOTIFY ? 'N'
	                                                          : 0;
	m->by_trace = r->by_trace;
	m->by_s = (r->by_deadline_ms - clock_wall_ms()) / 1000;
}

bool job_mail_fill(struct job *j, const struct body *body)
{
	struct smtp_client_mail *m = &j->mail;
	struct arena *a = j->arena;
	size_t n = 0;

	*m = (struct smtp_client_mail){ .arena = a };
	m->rcpts = arena_array(a, j->record->n_targets, sizeof(*m->rcpts));
	j->asked = arena_array(a, j->record->n_targets, sizeof(*j->asked));
	if (!m->rcpts || !j->asked)
		return false;
	for (size_t i = 0; i < j->record->n_targets; i++) {
		if (j->targets[i].over)
			continue;
		fill_rcpt(&m->rcpts[n], &j->targets[i]);
		j->asked[n++] = i;
	}
	m->n_rcpts = n;
	fill_terms(j, m, body);
	m->utf8 = needs_utf8(j, m);
	return true;
}

/* ---- what came of it ---- */

static bool has_other_places(const struct job *j)
{
	return !j->looked_up || j->host_at < j->n_hosts || j->put_off_at < j->n_put_off;
}

static void set_outcome(struct job *j, struct job_target *t, const struct smtp_client_rcpt *r,
                        Outbound__State state)
{
	t->over = true;
	t->outcome.state = state;
	t->outcome.code = r->code;
	t->outcome.enhanced = job_text(j, r->enhanced);
	t->outcome.text = job_text(j, r->text);
	t->outcome.mta = r->ours ? job_text(j, "") : job_text(j, j->conn->host);
}

/* What a server says who gets too much from us; words vary, these are those of the large ones. */
bool job_words_ask_for_less(const struct smtp_client_rcpt *r)
{
	static const char *const words[] = { "rate limit", "too many",  "too much",
		                             "throttl",    "too fast",  "limit exceeded",
		                             "slow down",  "rate that", "exceeded the" };

	if (r->ours || r->code / 100 != 4 || strcmp(r->enhanced, "4.5.3") == 0)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(r->text, words[i]))
			return true;
	return false;
}

static Outbound__State taken_state(const struct job *j)
{
	return smtp_client_capabilities(j->conn->client)->flags & SMTP_CAP_DSN ? OUTBOUND__STATE__DELIVERED
	                                                                       : OUTBOUND__STATE__RELAYED;
}

/* True: to be asked elsewhere. */
static bool take_verdict(struct job *j, struct job_target *t, const struct smtp_client_rcpt *r)
{
	switch (r->verdict) {
	case SMTP_VERDICT_TAKEN: set_outcome(j, t, r, taken_state(j)); return false;
	case SMTP_VERDICT_LATER: set_outcome(j, t, r, OUTBOUND__STATE__DEFERRED); return false;
	case SMTP_VERDICT_LOST: return true;
	case SMTP_VERDICT_REFUSED:
		/* RFC 8689 4.2.1: another host of the destination may promise what this one does not. */
		if (r->ours && strcmp(r->enhanced, NEEDS_REQUIRETLS) == 0 && has_other_places(j))
			return true;
		set_outcome(j, t, r, OUTBOUND__STATE__FAILED);
		return false;
	default: return false; /* the next transaction's */
	}
}

const struct smtp_client_rcpt *job_mail_take(struct job *j)
{
	const struct smtp_client_rcpt *lost = NULL, *slow = NULL;
	bool taken = false;

	for (size_t i = 0; i < j->mail.n_rcpts; i++) {
		const struct smtp_client_rcpt *r = &j->mail.rcpts[i];

		if (take_verdict(j, &j->targets[j->asked[i]], r))
			lost = r;
		if (r->verdict == SMTP_VERDICT_LATER && job_words_ask_for_less(r))
			slow = r;
		taken |= r->verdict == SMTP_VERDICT_TAKEN;
	}
	if (slow || taken) {
		/* What went wrong with other hosts is not the destination's trouble any more. */
		j->feedback.trouble = slow ? OUTBOUND__TROUBLE__RATE : OUTBOUND__TROUBLE__NONE;
		j->feedback.code = slow ? slow->code : 0;
		j->feedback.text = job_text(j, slow ? slow->text : "");
	}
	j->mail.rcpts = NULL;
	j->mail.n_rcpts = 0;
	return lost;
}
