#include "mta/smtp/internal.h"

void cmd_rset(struct smtp_session *s, struct span argument)
{
	smtp_mail_reset(s);
	smtp_reply(s, 250, "2.0.0", "Ok");
}
