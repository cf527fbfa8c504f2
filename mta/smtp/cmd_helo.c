#include "mta/smtp/internal.h"

void cmd_helo(struct smtp_session *s, struct span argument)
{
	if (!smtp_take_helo(s, argument))
		return;
	s->esmtp = false;
	smtp_reply(s, 250, "", "%s", s->set->hostname);
}
