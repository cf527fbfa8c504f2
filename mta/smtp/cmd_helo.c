#include "mta/smtp/internal.h"

void cmd_helo(struct smtp_session *s, struct span argument)
{
	if (!smtp_take_helo(s, argument))
		return;
	s->esmtp = false;
	smtp_filter_ask(s, SMTP_STAGE_HELO, span_of(s->helo), SPAN_NONE);
}
