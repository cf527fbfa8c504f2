#include "mta/smtp/internal.h"

void cmd_help(struct smtp_session *s, struct span argument)
{
	smtp_reply(s, 214, "2.0.0", "See RFC 5321; the postmaster here answers mail");
}
