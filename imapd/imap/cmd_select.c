#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

/* What the client is told of a mailbox just opened (RFC 3501 6.3.1, RFC 7162 3.1.2). */
static void tell_mailbox(struct imap_session *s, uint32_t first_unseen_uid)
{
	const struct imap_selected *m = s->selected;
	uint32_t unseen = imap_view_seq(&m->view, first_unseen_uid);
	struct imap_out o;

	imap_out_init(&o, imap_output(s));
	imap_out_flag_names(&o, m);
	imap_out_flush(&o);
	imap_untagged(s, "%u EXISTS", m->view.exists);
	imap_untagged(s, "%u RECENT", imap_selected_recent(m));
	if (unseen)
		imap_untagged(s, "OK [UNSEEN %u] First unseen message", unseen);
	imap_untagged(s, "OK [UIDVALIDITY %u] UIDs are valid", m->uidvalidity);
	imap_untagged(s, "OK [UIDNEXT %u] Next UID", m->uidnext);
	imap_untagged(s, "OK [URLMECH INTERNAL] URLs of its messages can be signed");
	imap_untagged(s, "OK [HIGHESTMODSEQ %llu] Highest modification sequence",
	              (unsigned long long) m->modseq);
}

static void on_opened(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	const Podstore__MailboxOpen *request = s->data;
	const Podstore__MailboxOpenReply *opened = (const Podstore__MailboxOpenReply *) reply->message;

	if (reply->code < 0) {
		imap_reply_store(s, reply);
		return;
	}
	s->selected = imap_selected_create(opened, request->read_only);
	if (!s->selected) {
		imap_reply_error(s, -POD_E_NOMEM);
		return;
	}
	s->state = IMAP_SELECTED;
	tell_mailbox(s, opened->first_unseen_uid);
	imap_watch(s);
	imap_reply_ok(s, "[%s] %s done", request->read_only ? "READ-ONLY" : "READ-WRITE", s->command->name);
}

/* select-param = "CONDSTORE" (RFC 7162) in parentheses */
static int parse_params(struct imap_parser *p, bool *ret_condstore)
{
	int r;

	if (imap_peek(p) == -1)
		return 0;
	r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_byte(p, '(');
	do {
		if (r == 0 && !imap_take_word(p, "CONDSTORE"))
			r = imap_parse_fail(p, "Unknown SELECT parameter");
	} while (r == 0 && imap_take_byte(p, ' '));
	*ret_condstore = r == 0;
	return r == 0 ? imap_parse_byte(p, ')') : r;
}

static void open_mailbox(struct imap_session *s, struct imap_parser *p, bool read_only)
{
	Podstore__MailboxOpen *request = arena_new(s->a, Podstore__MailboxOpen);
	struct span name;
	bool condstore = false;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_mailbox(p, &name);
	if (r == 0)
		r = parse_params(p, &condstore);
	if (r == 0)
		r = imap_parse_end(p);
	if (r == 0 && !request)
		r = -POD_E_NOMEM;
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	s->condstore |= condstore;
	if (s->selected) { /* also where the new one can not be opened (RFC 3501 6.3.1) */
		imap_unselect(s);
		imap_untagged(s, "OK [CLOSED] Previous mailbox closed");
	}
	podstore__mailbox_open__init(request);
	request->name = imap_str(s, name);
	request->read_only = read_only;
	s->data = request;
	(void) imap_ask(s, STORE_MAILBOX_OPEN, &request->base, on_opened);
}

void imap_cmd_select(struct imap_session *s, struct imap_parser *p)
{
	open_mailbox(s, p, false);
}

void imap_cmd_examine(struct imap_session *s, struct imap_parser *p)
{
	open_mailbox(s, p, true);
}

/* RFC 3691: leaves the mailbox as it is. */
void imap_cmd_unselect(struct imap_session *s, struct imap_parser *p)
{
	int r = imap_parse_end(p);

	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	imap_unselect(s);
	imap_reply_ok(s, "UNSELECT done");
}
