#include "mta/smtp/internal.h"

/* Opens the transaction; on failure nothing of it is left. */
static bool open_mail(struct smtp_session *s, struct span path, const struct smtp_params *p,
                      struct smtp_status *ret_status)
{
	struct smtp_mail *m = &s->mail;
	struct err err = { 0 };
	struct address sender;
	int r = address_parse_path(s->arena, path, p->utf8, &sender, &err);

	if (r == 0 && sender.local.len && !sender.domain.len)
		r = err_set(&err, POD_E_SYNTAX, "a sender needs a domain");
	if (r < 0) {
		smtp_reply(s, r == -POD_E_NOMEM ? 452 : 501, r == -POD_E_NOMEM ? "4.3.1" : "5.1.7", "%s",
		           err_text(&err));
		return false;
	}
	*m = (struct smtp_mail){
		.arena = s->arena, .size = p->size, .body = p->body, .ret = p->ret, .utf8 = p->utf8
	};
	m->sender = sender.local.len ? address_format(s->arena, &sender) : SPAN_LIT("");
	m->transaction = p->transaction;
	m->envid = arena_dup(s->arena, p->envid);
	if (smtp_terms_apply(s, p, ret_status) < 0) {
		smtp_reply_status(s, ret_status);
		return false;
	}
	return true;
}

static unsigned int params_here(const struct smtp_session *s)
{
	return PARAMS_OF_MAIL | (s->set->service == SMTP_SERVICE_SUBMISSION ? PARAMS_OF_SUBMISSION : 0) |
	       (s->set->trusts_login ? PARAMS_OF_GATEWAY : 0);
}

/* Each message of such a session is one user's, of whom the peer knows that it is theirs. */
static bool take_login(struct smtp_session *s, const struct smtp_params *p)
{
	if (!s->set->trusts_login)
		return true;
	if (p->login.len && smtp_xtext_decode(p->login, s->user, sizeof(s->user)) == 0)
		return true;
	s->user[0] = '\0';
	smtp_reply(s, 530, "5.7.0", "AUTH= has to say who submits this");
	return false;
}

/* The host and its filters have the last word. */
static void begin(struct smtp_session *s, const struct smtp_status *status, struct span params)
{
	struct smtp_status answer = { 250, "", "" };

	if (s->host->mail_check)
		answer = s->host->mail_check(s->host_arg, &s->mail);
	if (answer.code >= 300) {
		smtp_reply_status(s, &answer);
		return;
	}
	s->state = SMTP_STATE_MAIL;
	s->said = *status;
	smtp_filter_ask(s, SMTP_STAGE_MAIL, s->mail.sender, params);
}

/* mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF */
void cmd_mail(struct smtp_session *s, struct span argument)
{
	struct smtp_params params;
	struct smtp_status status;
	struct span path, rest;

	if (s->set->messages_max && s->mails >= s->set->messages_max) {
		smtp_session_abort(s, "4.7.0", "Too many messages in one session");
		return;
	}
	if (smtp_path_split(argument, SPAN_LIT("FROM:"), &path, &rest) < 0) {
		smtp_reply(s, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
		return;
	}
	if (smtp_params_parse(rest, params_here(s), &params, &status) < 0) {
		smtp_reply_status(s, &status);
		return;
	}
	if (params.size > s->set->message_size_max) {
		smtp_reply(s, 552, "5.3.4", "Message size exceeds %llu bytes",
		           (unsigned long long) s->set->message_size_max);
		return;
	}
	if (!take_login(s, &params))
		return;
	arena_reset(s->arena);
	if (!open_mail(s, path, &params, &status))
		return;
	s->mails++;
	s->host->mail_begin(s->host_arg, s->mail.trace);
	begin(s, &status, rest);
}

void smtp_mail_filtered(struct smtp_session *s, const struct smtp_status *refusal)
{
	smtp_reply_status(s, refusal ? refusal : &s->said);
	if (refusal)
		smtp_mail_reset(s);
}
