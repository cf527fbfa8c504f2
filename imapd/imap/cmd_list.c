/* LIST (RFC 3501 6.3.8, RFC 5258, RFC 5819, RFC 6154) and LSUB (RFC 3501 6.3.9). */
#include "imapd/imap/commands.h"
#include "imapd/imap/list_match.h"
#include "imapd/imap/session.h"
#include "imapd/imap/status_items.h"

#define PATTERNS_MAX 100

#define LIST_LSUB          1u
#define LIST_EXTENDED      2u
#define SELECT_SUBSCRIBED  4u
#define SELECT_RECURSIVE   8u
#define SELECT_SPECIAL_USE 16u
#define SELECT_REMOTE      32u
#define RETURN_SUBSCRIBED  64u
#define RETURN_CHILDREN    128u
#define RETURN_SPECIAL_USE 256u
#define RETURN_STATUS      512u

struct list {
	uint32_t flags;
	uint32_t status_items;
	struct span patterns[PATTERNS_MAX];
	size_t patterns_n;
};

struct option {
	const char *name;
	uint32_t bit;
};

static bool take_option(struct imap_parser *p, const struct option *options, size_t n, uint32_t *flags)
{
	for (size_t i = 0; i < n; i++)
		if (imap_take_word(p, options[i].name)) {
			*flags |= options[i].bit;
			return true;
		}
	return false;
}

/* list-select-opts = "(" [option *(SP option)] ")"; the "(" is taken */
static int parse_select_options(struct imap_parser *p, struct list *l)
{
	static const struct option options[] = {
		{ "SUBSCRIBED", SELECT_SUBSCRIBED },
		{ "RECURSIVEMATCH", SELECT_RECURSIVE },
		{ "SPECIAL-USE", SELECT_SPECIAL_USE },
		{ "REMOTE", SELECT_REMOTE },
	};

	l->flags |= LIST_EXTENDED;
	while (!imap_take_byte(p, ')')) {
		if (!take_option(p, options, sizeof(options) / sizeof(options[0]), &l->flags))
			return imap_parse_fail(p, "Unknown LIST selection option");
		if (imap_peek(p) != ')' && imap_parse_space(p) < 0)
			return -POD_E_SYNTAX;
	}
	if ((l->flags & SELECT_RECURSIVE) && !(l->flags & (SELECT_SUBSCRIBED | SELECT_SPECIAL_USE)))
		return imap_parse_fail(p, "RECURSIVEMATCH needs another selection option");
	return imap_parse_space(p);
}

/* "RETURN" SP "(" [option *(SP option)] ")" */
static int parse_return_options(struct imap_parser *p, struct list *l)
{
	static const struct option options[] = {
		{ "SUBSCRIBED", RETURN_SUBSCRIBED },
		{ "CHILDREN", RETURN_CHILDREN },
		{ "SPECIAL-USE", RETURN_SPECIAL_USE },
		{ "STATUS", RETURN_STATUS },
	};
	int r = imap_parse_space(p);

	l->flags |= LIST_EXTENDED;
	if (r == 0 && !imap_take_word(p, "RETURN"))
		r = imap_parse_fail(p, "Unexpected characters at the end of the command");
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_byte(p, '(');
	while (r == 0 && !imap_take_byte(p, ')')) {
		uint32_t before = l->flags;

		if (!take_option(p, options, sizeof(options) / sizeof(options[0]), &l->flags))
			return imap_parse_fail(p, "Unknown LIST return option");
		if ((l->flags & ~before) & RETURN_STATUS) {
			r = imap_parse_space(p);
			if (r == 0)
				r = imap_status_items_parse(p, &l->status_items);
		}
		if (r == 0 && imap_peek(p) != ')')
			r = imap_parse_space(p);
	}
	return r;
}

/* The reference is put in front of the pattern; both are mailbox names as clients spell them. */
static int parse_pattern(struct imap_parser *p, struct list *l, struct span reference)
{
	struct span pattern, whole;
	char *joined;
	int r = imap_parse_list_mailbox(p, &pattern);

	if (r < 0)
		return r;
	if (l->patterns_n == PATTERNS_MAX)
		return imap_parse_fail(p, "Too many patterns");
	joined = arena_printf(p->a, SPAN_FMT SPAN_FMT, SPAN_ARG(reference), SPAN_ARG(pattern));
	if (!joined)
		return -POD_E_NOMEM;
	whole = imap_mailbox_decode(p->a, span_of(joined));
	if (!whole.p)
		return imap_parse_fail(p, "Pattern is not valid modified UTF-7");
	l->patterns[l->patterns_n++] = whole;
	return 0;
}

/* mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")" */
static int parse_patterns(struct imap_parser *p, struct list *l, struct span reference)
{
	int r;

	if ((l->flags & LIST_LSUB) || !imap_take_byte(p, '('))
		return parse_pattern(p, l, reference);
	l->flags |= LIST_EXTENDED;
	do {
		r = parse_pattern(p, l, reference);
	} while (r == 0 && imap_take_byte(p, ' '));
	return r == 0 ? imap_parse_byte(p, ')') : r;
}

static int parse_list(struct imap_parser *p, struct list *l)
{
	struct span reference;
	int r = imap_parse_space(p);

	if (r == 0 && !(l->flags & LIST_LSUB) && imap_take_byte(p, '('))
		r = parse_select_options(p, l);
	if (r == 0)
		r = imap_parse_astring(p, &reference);
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = parse_patterns(p, l, reference);
	if (r == 0 && !(l->flags & LIST_LSUB) && imap_peek(p) != -1)
		r = parse_return_options(p, l);
	return r == 0 ? imap_parse_end(p) : r;
}

static bool matches(const struct list *l, const Podstore__Mailbox *box)
{
	for (size_t i = 0; i < l->patterns_n; i++)
		if (imap_list_match(l->patterns[i], span_of(box->name)))
			return true;
	return false;
}

/* Whether the selection options take it; without any, what exists or is above something that does. */
static bool is_chosen(const struct list *l, const Podstore__Mailbox *box)
{
	if ((l->flags & SELECT_SUBSCRIBED) && !box->subscribed)
		return false;
	if ((l->flags & SELECT_SPECIAL_USE) && box->special_use[0] == '\0')
		return false;
	return (l->flags & (SELECT_SUBSCRIBED | SELECT_SPECIAL_USE)) || box->exists || box->has_children;
}

static bool is_below(const Podstore__Mailbox *box, const Podstore__Mailbox *parent)
{
	size_t n = strlen(parent->name);

	return strncmp(box->name, parent->name, n) == 0 && box->name[n] == '/';
}

/* A chosen mailbox somewhere below that no pattern shows by itself: RECURSIVEMATCH and LSUB with '%'. */
static bool has_chosen_below(const struct list *l, const Podstore__MailboxListReply *all,
                             const Podstore__Mailbox *box)
{
	for (size_t i = 0; i < all->n_mailboxes; i++)
		if (is_below(all->mailboxes[i], box) && is_chosen(l, all->mailboxes[i]) &&
		    !((l->flags & LIST_LSUB) && matches(l, all->mailboxes[i])))
			return true;
	return false;
}

static void add_attribute(struct imap_out *o, bool *first, const char *name)
{
	if (!*first)
		imap_out_byte(o, ' ');
	*first = false;
	imap_out_str(o, name);
}

static void tell_one(struct imap_out *o, const struct list *l, const Podstore__Mailbox *box, bool chosen,
                     bool childinfo)
{
	bool first = true;

	imap_out_str(o, l->flags & LIST_LSUB ? "* LSUB (" : "* LIST (");
	if (l->flags & LIST_LSUB) {
		if (!chosen || !box->exists)
			add_attribute(o, &first, "\\Noselect");
	} else {
		if (!box->exists)
			add_attribute(o, &first, l->flags & LIST_EXTENDED ? "\\NonExistent" : "\\Noselect");
		add_attribute(o, &first, box->has_children ? "\\HasChildren" : "\\HasNoChildren");
		if ((l->flags & (SELECT_SUBSCRIBED | RETURN_SUBSCRIBED)) && box->subscribed)
			add_attribute(o, &first, "\\Subscribed");
		if (box->special_use[0])
			add_attribute(o, &first, box->special_use);
	}
	imap_out_lit(o, ") \"/\" ");
	imap_out_mailbox(o, box->name);
	if (childinfo)
		imap_out_lit(o, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	imap_out_lit(o, "\r\n");
	if ((l->flags & RETURN_STATUS) && box->exists)
		imap_out_status(o, box, l->status_items);
}

static void on_mailboxes(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	const struct list *l = s->data;
	const Podstore__MailboxListReply *all = (const Podstore__MailboxListReply *) reply->message;
	struct imap_out o;

	if (reply->code < 0) {
		imap_reply_store(s, reply);
		return;
	}
	imap_out_init(&o, imap_output(s));
	for (size_t i = 0; i < all->n_mailboxes; i++) {
		const Podstore__Mailbox *box = all->mailboxes[i];
		bool chosen, below;

		if (!matches(l, box))
			continue;
		chosen = is_chosen(l, box);
		below = (l->flags & (SELECT_RECURSIVE | LIST_LSUB)) && has_chosen_below(l, all, box);
		if (chosen || below)
			tell_one(&o, l, box, chosen,
			         below && (l->flags & SELECT_RECURSIVE) && (l->flags & SELECT_SUBSCRIBED));
	}
	imap_out_flush(&o);
	imap_reply_ok(s, "%s done", s->command->name);
}

static void list(struct imap_session *s, struct imap_parser *p, uint32_t flags)
{
	Podstore__MailboxList *request = arena_new(s->a, Podstore__MailboxList);
	struct list *l = arena_new(s->a, struct list);
	int r = -POD_E_NOMEM;

	if (request && l) {
		l->flags = flags;
		r = parse_list(p, l);
	}
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	if (flags == 0 && !(l->flags & LIST_EXTENDED) && l->patterns[0].len == 0) {
		/* An empty pattern asks for the separator (RFC 3501 6.3.8). */
		imap_untagged(s, "LIST (\\Noselect) \"/\" \"\"");
		imap_reply_ok(s, "LIST done");
		return;
	}
	if (l->status_items & IMAP_STATUS_HIGHESTMODSEQ)
		imap_enable_condstore(s);
	podstore__mailbox_list__init(request);
	request->status = (l->flags & RETURN_STATUS) != 0;
	s->data = l;
	(void) imap_ask(s, STORE_MAILBOX_LIST, &request->base, on_mailboxes);
}

void imap_cmd_list(struct imap_session *s, struct imap_parser *p)
{
	list(s, p, 0);
}

void imap_cmd_lsub(struct imap_session *s, struct imap_parser *p)
{
	list(s, p, LIST_LSUB | SELECT_SUBSCRIBED);
}
