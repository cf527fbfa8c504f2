#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"
#include "imapd/imap/status_items.h"

static void on_mailbox(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	const uint32_t *items = s->data;
	struct imap_out o;

	if (reply->code < 0) {
		imap_reply_store(s, reply);
		return;
	}
	imap_out_init(&o, imap_output(s));
	imap_out_status(&o, (const Podstore__Mailbox *) reply->message, *items);
	imap_out_flush(&o);
	imap_reply_ok(s, "STATUS done");
}

/* status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")" */
void imap_cmd_status(struct imap_session *s, struct imap_parser *p)
{
	Podstore__MailboxGet *request = arena_new(s->a, Podstore__MailboxGet);
	uint32_t *items = arena_new(s->a, uint32_t);
	struct span name;
	int r = request && items ? imap_parse_space(p) : -POD_E_NOMEM;

	if (r == 0)
		r = imap_parse_mailbox(p, &name);
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = imap_status_items_parse(p, items);
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	if (*items & IMAP_STATUS_HIGHESTMODSEQ)
		imap_enable_condstore(s);
	podstore__mailbox_get__init(request);
	request->name = imap_str(s, name);
	s->data = items;
	(void) imap_ask(s, STORE_MAILBOX_GET, &request->base, on_mailbox);
}
