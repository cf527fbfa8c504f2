#include "mta/smtp/internal.h"

static int add_room(struct smtp_mail *m)
{
	size_t cap = m->cap_rcpts ? 2 * m->cap_rcpts : 4;
	struct smtp_rcpt **grown;

	if (m->n_rcpts < m->cap_rcpts)
		return 0;
	grown = arena_grow(m->arena, m->rcpts, m->n_rcpts, cap, sizeof(*grown));
	if (!grown)
		return -POD_E_NOMEM;
	m->rcpts = grown;
	m->cap_rcpts = cap;
	return 0;
}

int smtp_rcpt_make(struct smtp_mail *m, struct span path, const struct smtp_params *p,
                   struct smtp_rcpt **ret_rcpt, struct err *err)
{
	struct smtp_rcpt *rcpt = arena_new(m->arena, struct smtp_rcpt);
	struct address address;
	int r = rcpt ? add_room(m) : -POD_E_NOMEM;

	if (r == 0)
		r = address_parse_path(m->arena, path, m->utf8, &address, err);
	if (r == 0 && !address.local.len)
		r = err_set(err, POD_E_SYNTAX, "a recipient is needed");
	if (r < 0)
		return r;
	rcpt->address = address_format(m->arena, &address);
	rcpt->key = address_key(m->arena, &address);
	rcpt->orcpt = arena_dup(m->arena, p->orcpt);
	rcpt->notify = p->notify;
	if (!rcpt->address.p || !rcpt->key.p || (p->orcpt.len && !rcpt->orcpt.p))
		return -POD_E_NOMEM;
	*ret_rcpt = rcpt;
	return 0;
}

/* rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF */
void cmd_rcpt(struct smtp_session *s, struct span argument)
{
	struct smtp_params params;
	struct smtp_status status;
	struct err err = { 0 };
	struct span path, rest;
	int r;

	if (smtp_path_split(argument, SPAN_LIT("TO:"), &path, &rest) < 0) {
		smtp_reply(s, 501, "5.5.4", "Syntax: RCPT TO:<address>");
		return;
	}
	if (smtp_params_parse(rest, PARAMS_OF_RCPT, &params, &status) < 0) {
		smtp_reply_status(s, &status);
		return;
	}
	if (s->mail.n_rcpts >= s->set->recipients_max) {
		smtp_reply(s, 452, "4.5.3", "Too many recipients");
		return;
	}
	r = smtp_rcpt_make(&s->mail, path, &params, &s->rcpt, &err);
	if (r < 0) {
		smtp_reply(s, r == -POD_E_NOMEM ? 452 : 501, r == -POD_E_NOMEM ? "4.3.1" : "5.1.3", "%s",
		           r == -POD_E_NOMEM ? err_code_text(r) : err_text(&err));
		return;
	}
	s->rcpt->params = arena_dup(s->arena, span_trim(rest));
	s->waiting = true;
	s->host->rcpt_check(s->host_arg, &s->mail, s->rcpt);
}

void smtp_session_rcpt_done(struct smtp_session *s, const struct smtp_status *status)
{
	struct smtp_status *said = &s->said;

	*said = (struct smtp_status){ status->code, arena_str(s->arena, span_of(status->enhanced)),
		                      arena_str(s->arena, span_of(status->text)) };
	if (!said->enhanced || !said->text)
		*said = smtp_status_of(-POD_E_NOMEM);
	smtp_filter_ask(s, SMTP_STAGE_RCPT, s->rcpt->address, s->rcpt->params);
}

void smtp_rcpt_filtered(struct smtp_session *s, const struct smtp_status *refusal)
{
	if (refusal && s->said.code < 300)
		s->said = *refusal;
	if (s->said.code < 300) {
		s->mail.rcpts[s->mail.n_rcpts++] = s->rcpt;
		s->state = SMTP_STATE_RCPT;
	}
	s->rcpt = NULL;
	smtp_reply_status(s, &s->said);
}
