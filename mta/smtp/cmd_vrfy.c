#include "mta/smtp/internal.h"

/* RFC 5321 3.5.3, 7.3: who exists here is not told to strangers; 252 says so without lying. */
void cmd_vrfy(struct smtp_session *s, struct span argument)
{
	if (!argument.len)
		smtp_reply(s, 501, "5.5.4", "Syntax: VRFY address");
	else
		smtp_reply(s, 252, "2.5.0", "Cannot verify, but will take mail and try to deliver it");
}
