#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

/* RFC 3501 6.1.2: the reply brings what happened in the mailbox (the row in command.c says so). */
void imap_cmd_noop(struct imap_session *s, struct imap_parser *p)
{
	int r = imap_parse_end(p);

	if (r < 0)
		imap_reply_parse(s, p, r);
	else
		imap_reply_ok(s, "%s done", s->command->name);
}

/* RFC 3501 6.4.1: everything told is on stable storage already. */
void imap_cmd_check(struct imap_session *s, struct imap_parser *p)
{
	imap_cmd_noop(s, p);
}
