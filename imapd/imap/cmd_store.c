#include "imapd/imap/commands.h"
#include "imapd/imap/seqset.h"
#include "imapd/imap/session.h"

struct store {
	struct imap_session *s;
	Podstore__StoreFlags request;
	struct imap_ranges uids;
	bool silent;
};

/* "* 1 FETCH (UID 7 MODSEQ (12) FLAGS (\Seen))" */
static void tell_row(struct imap_out *o, const struct store *st, uint32_t seq, uint32_t uid, uint32_t flags,
                     uint64_t modseq)
{
	const struct imap_session *s = st->s;

	imap_out_lit(o, "* ");
	imap_out_number(o, seq);
	imap_out_lit(o, " FETCH (");
	if (s->uid || s->condstore) {
		imap_out_lit(o, "UID ");
		imap_out_number(o, uid);
	}
	if (s->condstore) {
		imap_out_lit(o, " MODSEQ (");
		imap_out_number(o, modseq);
		imap_out_byte(o, ')');
	}
	if (!st->silent) {
		imap_out_str(o, s->uid || s->condstore ? " FLAGS " : "FLAGS ");
		imap_out_flags(o, s->selected, flags, uid >= s->selected->recent_from);
	}
	imap_out_lit(o, ")\r\n");
}

/* Rows are told unless .SILENT; with CONDSTORE their modseq is told in any case (RFC 7162 3.1.3). */
static void tell_rows(struct store *st, const Podstore__Rows *rows)
{
	struct imap_session *s = st->s;
	struct imap_view_cursor cursor = { 0 };
	struct imap_out o;

	if (!rows || rows->n_flags != rows->n_uids || rows->n_modseqs != rows->n_uids)
		return;
	imap_out_init(&o, imap_output(s));
	for (size_t i = 0; i < rows->n_uids; i++) {
		uint32_t seq = imap_view_cursor_seq(&s->selected->view, &cursor, rows->uids[i]);

		imap_selected_own_add(s->selected, rows->uids[i], rows->flags[i], rows->modseqs[i]);
		if (seq != 0 && (!st->silent || s->condstore))
			tell_row(&o, st, seq, rows->uids[i], rows->flags[i], rows->modseqs[i]);
	}
	imap_out_flush(&o);
}

/* sequence-set of the messages that failed UNCHANGEDSINCE, in the numbers the client used. */
static const char *modified_set(struct imap_session *s, const Podstore__StoreFlagsReply *reply)
{
	const struct imap_view *v = &s->selected->view;
	const char *text = "";

	for (size_t i = 0; i < reply->n_modified; i++) {
		uint32_t first = reply->modified[i]->first, last = reply->modified[i]->last;

		if (!s->uid) {
			first = imap_view_seq_from(v, first);
			last = imap_view_seq_from(v, last + 1) - 1;
		}
		if (first == 0 || first > last)
			continue;
		text = first == last ? arena_printf(s->a, "%s%s%u", text, *text ? "," : "", first)
		                     : arena_printf(s->a, "%s%s%u:%u", text, *text ? "," : "", first, last);
		if (!text)
			return "";
	}
	return text;
}

static uint32_t count(const struct imap_view *v, const struct imap_ranges *uids)
{
	uint32_t n = 0;

	for (size_t i = 0; i < uids->n; i++)
		n += imap_view_seq_from(v, uids->r[i].last + 1) - imap_view_seq_from(v, uids->r[i].first);
	return n;
}

static void on_stored(void *arg, const struct store_reply *reply)
{
	struct store *st = arg;
	struct imap_session *s = st->s;
	const Podstore__StoreFlagsReply *stored = (const Podstore__StoreFlagsReply *) reply->message;
	const char *modified;
	struct imap_out o;

	if (reply->code < 0) {
		if (reply->code == -POD_E_LIMIT)
			imap_reply_no(s, "[LIMIT] Too many keywords in this mailbox");
		else
			imap_reply_store(s, reply);
		return;
	}
	if (stored->n_keywords > s->selected->keywords_n &&
	    imap_selected_set_keywords(s->selected, stored->keywords, stored->n_keywords) == 0) {
		imap_out_init(&o, imap_output(s));
		imap_out_flag_names(&o, s->selected);
		imap_out_flush(&o);
	}
	tell_rows(st, stored->rows);
	modified = modified_set(s, stored);
	if (*modified)
		imap_reply_ok_code(s, arena_printf(s->a, "[MODIFIED %s] ", modified),
		                   "Conditional STORE failed for some");
	else if (stored->n_modified == 0 && stored->rows &&
	         stored->rows->n_uids < count(&s->selected->view, &st->uids))
		/* A message somebody else expunged: this session has not been told yet (RFC 2180 4.2.2). */
		imap_reply_no(s, "[EXPUNGEISSUED] Some messages are no longer there");
	else
		imap_reply_ok(s, "STORE done");
}

/* store-modifier = "(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" SP (RFC 7162 3.1.3) */
static int parse_modifiers(struct imap_parser *p, struct store *st)
{
	int r;

	if (!imap_take_byte(p, '('))
		return 0;
	if (!imap_take_word(p, "UNCHANGEDSINCE"))
		return imap_parse_fail(p, "Unknown STORE modifier");
	st->request.unchanged_since_set = true;
	r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_number64(p, &st->request.unchanged_since);
	if (r == 0)
		r = imap_parse_byte(p, ')');
	return r == 0 ? imap_parse_space(p) : r;
}

/* store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP (flag-list / (flag *(SP flag))) */
static int parse_flags(struct imap_parser *p, struct store *st)
{
	struct imap_flags flags;
	int r;

	st->request.mode = PODSTORE__FLAG_MODE__FLAGS_SET;
	if (imap_take_byte(p, '+'))
		st->request.mode = PODSTORE__FLAG_MODE__FLAGS_ADD;
	else if (imap_take_byte(p, '-'))
		st->request.mode = PODSTORE__FLAG_MODE__FLAGS_REMOVE;
	st->silent = imap_take_word(p, "FLAGS.SILENT");
	if (!st->silent && !imap_take_word(p, "FLAGS"))
		return imap_parse_fail(p, "Unknown STORE item");
	r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_store_flags(p, &flags);
	if (r < 0)
		return r;
	st->request.flags = flags.system;
	st->request.keywords = arena_array(p->a, flags.keywords_n + 1, sizeof(char *));
	if (!st->request.keywords)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < flags.keywords_n; i++) {
		st->request.keywords[i] = arena_str(p->a, flags.keywords[i]);
		if (!st->request.keywords[i])
			return -POD_E_NOMEM;
		st->request.n_keywords++;
	}
	return 0;
}

static int parse_store(struct imap_session *s, struct imap_parser *p, struct store *st)
{
	struct imap_seqset set;
	int r = imap_parse_space(p);

	podstore__store_flags__init(&st->request);
	if (r == 0)
		r = imap_seqset_parse(p, &set);
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = parse_modifiers(p, st);
	if (r == 0)
		r = parse_flags(p, st);
	if (r == 0)
		r = imap_parse_end(p);
	if (r == 0 && imap_seqset_uids(s->a, &set, &s->selected->view, s->uid, &st->uids) < 0)
		r = imap_parse_fail(p, "Message sequence number is out of range");
	return r;
}

/* store = "STORE" SP sequence-set SP [store-modifiers SP] store-att-flags */
void imap_cmd_store(struct imap_session *s, struct imap_parser *p)
{
	struct store *st = arena_new(s->a, struct store);
	int r = st ? parse_store(s, p, st) : -POD_E_NOMEM;

	if (r == 0) {
		st->request.uids = imap_uid_ranges(s->a, &st->uids);
		st->request.n_uids = st->uids.n;
		r = st->request.uids ? 0 : -POD_E_NOMEM;
	}
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	st->s = s;
	if (st->request.unchanged_since_set)
		imap_enable_condstore(s);
	st->request.mailbox = s->selected->mailbox;
	if (s->selected->read_only)
		imap_reply_no(s, "[READ-ONLY] Mailbox was opened with EXAMINE");
	else if (st->uids.n == 0)
		imap_reply_ok(s, "STORE done");
	else if (!imap_call(s, STORE_STORE_FLAGS, &st->request.base, SPAN_NONE, -1, on_stored, st))
		imap_reply_error(s, -POD_E_NOMEM);
}
