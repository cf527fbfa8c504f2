#include "mta/smtp/internal.h"

void cmd_data(struct smtp_session *s, struct span argument)
{
	int r = smtp_body_begin(s);

	if (r < 0) {
		struct smtp_status status = smtp_status_of_local(r);

		smtp_reply_status(s, &status);
		smtp_mail_reset(s);
		return;
	}
	s->input = INPUT_DATA;
	smtp_reply(s, 354, "", "End data with <CR><LF>.<CR><LF>");
}
