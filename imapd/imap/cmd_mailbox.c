/* CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE: one name (or two) for the store to act on (RFC
 * 3501 6.3.3-7). */
#include "imapd/imap/commands.h"
#include "imapd/imap/session.h"

#include <stdlib.h>

static void on_changed(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;

	if (reply->code < 0)
		imap_reply_store(s, reply);
	else
		imap_reply_ok(s, "%s done", s->command->name);
}

/* SP mailbox; a trailing '/' says that names below it will follow and is not part of the name (6.3.3). */
static int parse_name(struct imap_parser *p, struct span *ret_name)
{
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_mailbox(p, ret_name);
	if (r == 0 && ret_name->len > 1 && ret_name->p[ret_name->len - 1] == '/')
		ret_name->len--;
	return r;
}

static bool is_inbox(struct span name)
{
	return span_eq(name, SPAN_LIT("INBOX"));
}

/* [SP "(" "USE" SP "(" use-attr *(SP use-attr) ")" ")"] (RFC 6154 3); one attribute for each mailbox */
static int parse_special_use(struct imap_parser *p, struct span *ret_use)
{
	const uint8_t *start;
	struct span atom;
	int r;

	if (imap_peek(p) == -1)
		return 0;
	r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_byte(p, '(');
	if (r == 0 && !imap_take_word(p, "USE"))
		r = imap_parse_fail(p, "Unknown CREATE parameter");
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_byte(p, '(');
	start = p->in.p;
	if (r == 0)
		r = imap_parse_byte(p, '\\');
	if (r == 0)
		r = imap_parse_atom(p, &atom);
	if (r < 0)
		return r;
	*ret_use = span_make(start, atom.len + 1);
	if (imap_peek(p) == ' ')
		return -POD_E_UNSUPPORTED;
	r = imap_parse_byte(p, ')');
	return r == 0 ? imap_parse_byte(p, ')') : r;
}

static bool is_known_use(struct span use)
{
	static const char *const known[] = { "\\Archive", "\\Drafts", "\\Flagged",
		                             "\\Junk",    "\\Sent",   "\\Trash" };

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_eq_nocase(use, span_of(known[i])))
			return true;
	return false;
}

void imap_cmd_create(struct imap_session *s, struct imap_parser *p)
{
	Podstore__MailboxCreate *request = arena_new(s->a, Podstore__MailboxCreate);
	struct span name, use = SPAN_LIT("");
	int r = request ? parse_name(p, &name) : -POD_E_NOMEM;

	if (r == 0)
		r = parse_special_use(p, &use);
	if (r == 0)
		r = imap_parse_end(p);
	if (r == -POD_E_UNSUPPORTED || (r == 0 && use.len > 0 && !is_known_use(use))) {
		imap_reply_no(s, "[USEATTR] This special use is not supported");
	} else if (r < 0) {
		imap_reply_parse(s, p, r);
	} else {
		podstore__mailbox_create__init(request);
		request->name = imap_str(s, name);
		request->special_use = imap_str(s, use);
		(void) imap_ask(s, STORE_MAILBOX_CREATE, &request->base, on_changed);
	}
}

static void on_deleted(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	const Podstore__MailboxDelete *request = s->data;

	if (reply->code == 0 && s->selected && strcmp(s->selected->name, request->name) == 0) {
		imap_unselect(s);
		imap_untagged(s, "OK [CLOSED] Selected mailbox was deleted");
	}
	on_changed(arg, reply);
}

void imap_cmd_delete(struct imap_session *s, struct imap_parser *p)
{
	Podstore__MailboxDelete *request = arena_new(s->a, Podstore__MailboxDelete);
	struct span name;
	int r = request ? parse_name(p, &name) : -POD_E_NOMEM;

	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		imap_reply_parse(s, p, r);
	} else if (is_inbox(name)) {
		imap_reply_no(s, "[CANNOT] INBOX can not be deleted");
	} else {
		podstore__mailbox_delete__init(request);
		request->name = imap_str(s, name);
		s->data = request;
		(void) imap_ask(s, STORE_MAILBOX_DELETE, &request->base, on_deleted);
	}
}

static void on_renamed(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	const Podstore__MailboxRename *request = s->data;
	char *name;

	/* The selected mailbox keeps its id and so goes on; INBOX stays what it is, its messages move
	 * (6.3.5). */
	if (reply->code == 0 && s->selected) {
		s->selected->stale = true;
		name = strcmp(s->selected->name, request->name) == 0 && !is_inbox(span_of(request->name))
		               ? strdup(request->new_name)
		               : NULL;
		if (name) {
			free(s->selected->name);
			s->selected->name = name;
		}
	}
	on_changed(arg, reply);
}

void imap_cmd_rename(struct imap_session *s, struct imap_parser *p)
{
	Podstore__MailboxRename *request = arena_new(s->a, Podstore__MailboxRename);
	struct span from, to;
	int r = request ? parse_name(p, &from) : -POD_E_NOMEM;

	if (r == 0)
		r = parse_name(p, &to);
	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		imap_reply_parse(s, p, r);
	} else {
		podstore__mailbox_rename__init(request);
		request->name = imap_str(s, from);
		request->new_name = imap_str(s, to);
		s->data = request;
		(void) imap_ask(s, STORE_MAILBOX_RENAME, &request->base, on_renamed);
	}
}

static void set_subscribed(struct imap_session *s, struct imap_parser *p, bool subscribed)
{
	Podstore__MailboxSubscribe *request = arena_new(s->a, Podstore__MailboxSubscribe);
	struct span name;
	int r = request ? parse_name(p, &name) : -POD_E_NOMEM;

	if (r == 0)
		r = imap_parse_end(p);
	if (r < 0) {
		imap_reply_parse(s, p, r);
	} else {
		podstore__mailbox_subscribe__init(request);
		request->name = imap_str(s, name);
		request->subscribed = subscribed;
		(void) imap_ask(s, STORE_MAILBOX_SUBSCRIBE, &request->base, on_changed);
	}
}

void imap_cmd_subscribe(struct imap_session *s, struct imap_parser *p)
{
	set_subscribed(s, p, true);
}

void imap_cmd_unsubscribe(struct imap_session *s, struct imap_parser *p)
{
	set_subscribed(s, p, false);
}
