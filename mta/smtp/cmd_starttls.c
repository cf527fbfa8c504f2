#include "mta/smtp/internal.h"

/* RFC 3207. Commands that came in the same packet are thrown away with the clear-text input by whoever runs us. */
void cmd_starttls(struct smtp_session *s, struct span argument)
{
	if (!s->set->starttls)
		smtp_reply(s, 502, "5.5.1", "STARTTLS is not offered");
	else if (*s->tls)
		smtp_reply(s, 503, "5.5.1", "TLS is on already");
	else {
		smtp_reply(s, 220, "2.0.0", "Ready to start TLS");
		s->starting_tls = true;
	}
}
