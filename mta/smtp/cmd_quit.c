#include "mta/smtp/internal.h"

void cmd_quit(struct smtp_session *s, struct span argument)
{
	smtp_mail_reset(s);
	smtp_reply(s, 221, "2.0.0", "%s closing", s->set->hostname);
	s->closing = true;
}
