#include "mta/smtp/internal.h"

void cmd_data(struct smtp_session *s, struct span argument)
{
	smtp_filter_ask(s, SMTP_STAGE_DATA, SPAN_NONE, SPAN_NONE);
}

void smtp_data_filtered(struct smtp_session *s, const struct smtp_status *refusal)
{
	int r;

	if (s->bdat_waits || s->burl_waits) {
		(s->burl_waits ? smtp_burl_filtered : smtp_bdat_filtered)(s, refusal);
		return;
	}
	if (refusal) {
		smtp_reply_status(s, refusal);
		smtp_mail_reset(s);
		return;
	}
	r = smtp_body_begin(s);
	if (r < 0) {
		struct smtp_status status = smtp_status_of_local(r);

		smtp_reply_status(s, &status);
		smtp_mail_reset(s);
		return;
	}
	s->input = INPUT_DATA;
	smtp_reply(s, 354, "", "End data with <CR><LF>.<CR><LF>");
}
