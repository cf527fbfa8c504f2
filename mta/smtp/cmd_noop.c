#include "mta/smtp/internal.h"

void cmd_noop(struct smtp_session *s, struct span argument)
{
	smtp_reply(s, 250, "2.0.0", "Ok");
}
