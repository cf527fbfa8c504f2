#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

/* RFC 3501 6.2.1. What the client sent after it in clear is thrown away by the host, before the handshake. */
void imap_cmd_starttls(struct imap_session *s, struct imap_parser *p)
{
	int r = imap_parse_end(p);

	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	if (!s->can_start_tls) {
		imap_reply_bad(s, s->tls ? "TLS is active already" : "TLS is not available");
		return;
	}
	imap_reply_ok(s, "Begin TLS negotiation now");
	s->mode = IMAP_BUSY; /* until imap_session_on_tls() */
	s->ops->start_tls(s->host);
}

void imap_session_on_tls(struct imap_session *s)
{
	s->tls = true;
	s->can_start_tls = false;
	s->cleartext_auth = true;
	imap_input_reset(&s->input, false);
	if (s->mode == IMAP_BUSY)
		s->mode = IMAP_TAKES_COMMANDS;
}
