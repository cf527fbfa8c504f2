#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

/* RFC 3501 6.1.3 */
void imap_cmd_logout(struct imap_session *s, struct imap_parser *p)
{
	int r = imap_parse_end(p);

	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	imap_untagged(s, "BYE Logging out");
	imap_reply_ok(s, "LOGOUT done");
	imap_close(s);
}
