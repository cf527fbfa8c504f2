#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

#define BEFORE_AUTH "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE"
#define AFTER_AUTH                                                                                        \
	BEFORE_AUTH                                                                                       \
		" NAMESPACE UIDPLUS MOVE CHILDREN UNSELECT SPECIAL-USE CREATE-SPECIAL-USE LIST-EXTENDED " \
		"LIST-STATUS CONDSTORE ESEARCH QUOTA URLAUTH"

/* Before authentication the ways to authenticate are told, after it what the mailboxes can do. */
const char *imap_capabilities(const struct imap_session *s)
{
	if (s->state != IMAP_NOT_AUTHENTICATED)
		return AFTER_AUTH;
	if (s->tls)
		return BEFORE_AUTH " AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS";
	if (s->cleartext_auth)
		return s->can_start_tls ? BEFORE_AUTH " STARTTLS AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256"
		                        : BEFORE_AUTH " AUTH=PLAIN AUTH=LOGIN AUTH=SCRAM-SHA-256";
	return s->can_start_tls ? BEFORE_AUTH " STARTTLS LOGINDISABLED AUTH=SCRAM-SHA-256"
	                        : BEFORE_AUTH " LOGINDISABLED AUTH=SCRAM-SHA-256";
}

/* RFC 3501 6.1.1 */
void imap_cmd_capability(struct imap_session *s, struct imap_parser *p)
{
	int r = imap_parse_end(p);

	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	imap_untagged(s, "CAPABILITY %s", imap_capabilities(s));
	imap_reply_ok(s, "CAPABILITY done");
}
