/* Filters are asked, and what they answer leads back to the command that waits. */
#include "mta/smtp/internal.h"

static smtp_filtered_fn *const follow[] = {
	[SMTP_STAGE_CONNECT] = smtp_connect_filtered, [SMTP_STAGE_HELO] = smtp_helo_filtered,
	[SMTP_STAGE_MAIL] = smtp_mail_filtered,       [SMTP_STAGE_RCPT] = smtp_rcpt_filtered,
	[SMTP_STAGE_DATA] = smtp_data_filtered,       [SMTP_STAGE_UNKNOWN] = smtp_unknown_filtered,
};

void smtp_filter_ask(struct smtp_session *s, enum smtp_stage stage, struct span text, struct span params)
{
	const struct smtp_question question = {
		.stage = stage,
		.text = text,
		.params = params,
		.mail = s->state >= SMTP_STATE_MAIL ? &s->mail : NULL,
		.rcpt = stage == SMTP_STAGE_RCPT ? s->rcpt : NULL,
		.refused = stage == SMTP_STAGE_RCPT && s->said.code >= 300 ? &s->said : NULL,
	};

	s->stage = stage;
	s->waiting = true;
	if (s->host->filter)
		s->host->filter(s->host_arg, &question);
	else
		smtp_session_filter_done(s, NULL);
}

void smtp_session_filter_done(struct smtp_session *s, const struct smtp_status *refusal)
{
	s->waiting = false;
	if (refusal && refusal->code == 0) {
		s->closing = true;
		return;
	}
	follow[s->stage](s, refusal);
	if (refusal && refusal->code == 421)
		s->closing = true;
}
