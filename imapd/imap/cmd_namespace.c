#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

/* RFC 2342: one personal namespace without a prefix. */
void imap_cmd_namespace(struct imap_session *s, struct imap_parser *p)
{
	int r = imap_parse_end(p);

	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	imap_untagged(s, "NAMESPACE ((\"\" \"/\")) NIL NIL");
	imap_reply_ok(s, "NAMESPACE done");
}
