#include "imapd/imap/commands.h"
#include "imapd/imap/search.h"

static void tell_range(struct imap_out *o, struct imap_range range)
{
	imap_out_number(o, range.first);
	if (range.last != range.first) {
		imap_out_byte(o, ':');
		imap_out_number(o, range.last);
	}
}

/* "* SEARCH 2 3 6 (MODSEQ 917162500)" (RFC 3501 7.2.5, RFC 7162 3.1.5) */
static void tell_search(const struct search *f, struct imap_out *o)
{
	const struct imap_ranges *found = &f->found.ranges;

	imap_out_lit(o, "* SEARCH");
	for (size_t i = 0; i < found->n; i++)
		for (uint64_t n = found->r[i].first; n <= found->r[i].last; n++) {
			imap_out_byte(o, ' ');
			imap_out_number(o, n);
		}
	if (f->what.modseq && f->count > 0) {
		imap_out_lit(o, " (MODSEQ ");
		imap_out_number(o, f->modseq);
		imap_out_byte(o, ')');
	}
	imap_out_lit(o, "\r\n");
}

/* "* ESEARCH (TAG "a") UID MIN 2 COUNT 5 ALL 2:4,9" (RFC 4731 3.1); without results only COUNT is told */
static void tell_esearch(const struct search *f, struct imap_out *o)
{
	const struct imap_ranges *found = &f->found.ranges;
	uint32_t returns = f->what.returns;

	imap_out_lit(o, "* ESEARCH (TAG ");
	imap_out_string(o, span_of(f->s->tag));
	imap_out_str(o, f->s->uid ? ") UID" : ")");
	if (found->n > 0 && (returns & IMAP_RETURN_MIN)) {
		imap_out_lit(o, " MIN ");
		imap_out_number(o, found->r[0].first);
	}
	if (found->n > 0 && (returns & IMAP_RETURN_MAX)) {
		imap_out_lit(o, " MAX ");
		imap_out_number(o, found->r[found->n - 1].last);
	}
	if (returns & IMAP_RETURN_COUNT) {
		imap_out_lit(o, " COUNT ");
		imap_out_number(o, f->count);
	}
	for (size_t i = 0; i < found->n && (returns & IMAP_RETURN_ALL); i++) {
		imap_out_str(o, i == 0 ? " ALL " : ",");
		tell_range(o, found->r[i]);
	}
	if (f->what.modseq && f->count > 0) {
		imap_out_lit(o, " MODSEQ ");
		imap_out_number(o, f->modseq);
	}
	imap_out_lit(o, "\r\n");
}

static void abort_search(struct imap_session *s)
{
	struct search *f = s->data;

	imap_bodies_done(&f->bodies);
	f->batch = arena_free(f->batch);
	f->scratch = arena_free(f->scratch);
}

void search_end(struct search *f)
{
	struct imap_session *s = f->s;
	struct imap_out o;

	abort_search(s);
	s->on_abort = NULL;
	if (f->failed < 0) {
		imap_reply_error(s, f->failed);
		return;
	}
	imap_out_init(&o, imap_output(s));
	if (f->what.esearch)
		tell_esearch(f, &o);
	else
		tell_search(f, &o);
	imap_out_flush(&o);
	imap_reply_ok(s, "SEARCH done");
}

static int prepare(struct search *f)
{
	struct imap_session *s = f->s;

	s->data = f;
	s->on_abort = abort_search;
	f->found.a = s->a;
	f->next_uid = 1;
	f->scratch = arena_create(IMAP_ARENA_LIMIT);
	f->batch = arena_create(IMAP_ARENA_LIMIT);
	return f->scratch && f->batch ? 0 : -POD_E_NOMEM;
}

/* search = "SEARCH" [SP "RETURN" SP "(" ... ")"] [SP "CHARSET" SP astring] 1*(SP search-key) */
void imap_cmd_search(struct imap_session *s, struct imap_parser *p)
{
	struct search *f = arena_new(s->a, struct search);
	int r = f ? imap_search_parse(p, &f->what) : -POD_E_NOMEM;

	if (r == 0 && imap_search_resolve(s->a, &f->what, &s->selected->view, s->selected->keywords,
	                                  s->selected->keywords_n) < 0)
		r = imap_parse_fail(p, "Message sequence number is out of range");
	if (r == -POD_E_UNSUPPORTED) {
		imap_reply_no(s, "[BADCHARSET (UTF-8 US-ASCII)] Charset is not known");
		return;
	}
	if (r < 0) {
		imap_reply_parse(s, p, r);
		return;
	}
	if (f->what.modseq)
		imap_enable_condstore(s);
	f->s = s;
	f->failed = prepare(f);
	if (f->failed < 0)
		search_end(f);
	else
		search_run(f);
}
