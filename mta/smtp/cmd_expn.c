#include "mta/smtp/internal.h"

void cmd_expn(struct smtp_session *s, struct span argument)
{
	smtp_reply(s, 502, "5.7.0", "Lists are not expanded for anybody");
}
