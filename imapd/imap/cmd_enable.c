#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

/* RFC 5161: enable = "ENABLE" 1*(SP capability); what is not known is passed over. */
void imap_cmd_enable(struct imap_session *s, struct imap_parser *p)
{
	bool condstore = false;
	int r;

	do {
		struct span capability;

		r = imap_parse_space(p);
		if (r == 0)
			r = imap_parse_atom(p, &capability);
		if (r == 0 && span_eq_nocase(capability, SPAN_LIT("CONDSTORE")))
			condstore = true;
	} while (r == 0 && p->in.len > 0);
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	imap_untagged(s, condstore ? "ENABLED CONDSTORE" : "ENABLED");
	if (condstore)
		imap_enable_condstore(s);
	imap_reply_ok(s, "ENABLE done");
}
