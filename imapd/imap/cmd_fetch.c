#include "imapd/imap/commands.h"
#include "imapd/imap/fetch.h"

/* fetch-modifier = "CHANGEDSINCE" SP mod-sequence-value, in parentheses (RFC 7162 3.1.4.1) */
static int parse_modifiers(struct imap_parser *p, struct fetch *f)
{
	int r;

	if (imap_peek(p) == -1)
		return 0;
	r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_byte(p, '(');
	if (r == 0 && !imap_take_word(p, "CHANGEDSINCE"))
		r = imap_parse_fail(p, "Unknown FETCH modifier");
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = imap_parse_number64(p, &f->changed_since);
	if (r == 0 && f->changed_since == 0)
		r = imap_parse_fail(p, "CHANGEDSINCE is at least 1");
	if (r == 0)
		r = imap_parse_byte(p, ')');
	return r == 0 ? imap_fetch_items_add(p, &f->items, FETCH_MODSEQ) : r;
}

static int parse_fetch(struct imap_session *s, struct imap_parser *p, struct fetch *f)
{
	struct imap_seqset set;
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_seqset_parse(p, &set);
	if (r == 0)
		r = imap_parse_space(p);
	if (r == 0)
		r = imap_fetch_items_parse(p, &f->items);
	if (r == 0)
		r = parse_modifiers(p, f);
	if (r == 0)
		r = imap_parse_end(p);
	if (r == 0 && s->uid)
		r = imap_fetch_items_add(p, &f->items, FETCH_UID);
	if (r == 0 && imap_seqset_uids(s->a, &set, &s->selected->view, s->uid, &f->uids) < 0)
		r = imap_parse_fail(p, "Message sequence number is out of range");
	return r;
}

static void abort_fetch(struct imap_session *s)
{
	struct fetch *f = s->data;

	imap_bodies_done(&f->bodies);
	f->batch = arena_free(f->batch);
}

static int prepare(struct fetch *f)
{
	struct imap_session *s = f->s;

	f->marks_seen = f->items.sets_seen && !s->selected->read_only;
	f->by_seq = !s->uid;
	for (size_t i = 0; i < f->uids.n; i++)
		f->asked += imap_view_seq_from(&s->selected->view, f->uids.r[i].last + 1) -
		            imap_view_seq_from(&s->selected->view, f->uids.r[i].first);
	podstore__fetch__init(&f->request);
	f->request.mailbox = s->selected->mailbox;
	f->request.changed_since = f->changed_since;
	f->request.columns = f->items.columns;
	f->request.uids = imap_uid_ranges(s->a, &f->uids);
	f->request.n_uids = f->uids.n;
	return f->request.uids ? 0 : -POD_E_NOMEM;
}

/* fetch = "FETCH" SP sequence-set SP ("ALL" / ... ) [SP "(" fetch-modifiers ")"] */
void imap_cmd_fetch(struct imap_session *s, struct imap_parser *p)
{
	struct fetch *f = arena_new(s->a, struct fetch);
	int r = f ? parse_fetch(s, p, f) : -POD_E_NOMEM;

	if (r == 0) {
		f->s = s;
		r = prepare(f);
	}
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	if (f->items.modseq)
		imap_enable_condstore(s);
	s->data = f;
	s->on_abort = abort_fetch;
	if (f->asked == 0)
		fetch_end(f);
	else if (f->items.bodies || f->marks_seen)
		fetch_bodies_start(f);
	else
		fetch_rows_start(f);
}

void fetch_end(struct fetch *f)
{
	struct imap_session *s = f->s;

	abort_fetch(s);
	s->on_abort = NULL;
	if (f->failed < 0)
		imap_reply_error(s, f->failed);
	else if (f->by_seq && f->changed_since == 0 && f->told < f->asked)
		/* Somebody else expunged it and this session could not be told yet (RFC 2180 4.1.2). */
		imap_reply_no(s, "[EXPUNGEISSUED] Some messages are no longer there");
	else
		imap_reply_ok(s, "FETCH done");
}
