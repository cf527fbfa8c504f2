#include "imapd/imap/search.h"

static void start_batch(struct search *f);

static void found(struct search *f, const struct imap_search_message *m, uint32_t seq)
{
	uint32_t number = f->s->uid ? m->uid : seq;

	if (imap_ranges_add(&f->found, number, number) < 0)
		f->failed = -POD_E_NOMEM;
	f->count++;
	if (m->modseq > f->modseq)
		f->modseq = m->modseq;
}

static struct imap_search_message message_of(const struct search *f, const Podstore__Rows *rows, size_t i)
{
	struct imap_search_message m = { .uid = rows->uids[i] };

	m.recent = m.uid >= f->s->selected->recent_from;
	if (i < rows->n_flags)
		m.flags = rows->flags[i];
	if (i < rows->n_modseqs)
		m.modseq = rows->modseqs[i];
	if (i < rows->n_sizes)
		m.size = rows->sizes[i];
	if (i < rows->n_internal_dates)
		m.internal_date = rows->internal_dates[i];
	if (i < rows->n_headers)
		m.headers = span_make(rows->headers[i].data, rows->headers[i].len);
	return m;
}

/* The message waits for its bytes. */
static void leave_open(struct search *f, struct imap_search_message m)
{
	if (f->open_n == SEARCH_BATCH)
		return; /* more rows than were asked for */
	m.headers = arena_dup(f->batch, m.headers);
	f->open_uids[f->open_n] = m.uid;
	f->open[f->open_n++] = m;
}

static void take_rows(struct search *f, const Podstore__Rows *rows)
{
	for (size_t i = 0; i < rows->n_uids; i++) {
		struct imap_search_message m = message_of(f, rows, i);
		uint32_t seq = m.uid > f->last_uid
		                       ? imap_view_cursor_seq(&f->s->selected->view, &f->cursor, m.uid)
		                       : 0;

		if (seq == 0)
			continue;
		f->last_uid = m.uid;
		switch (imap_search_match(f->scratch, f->what.root, &m)) {
		case MATCH_YES: found(f, &m, seq); break;
		case MATCH_NEEDS_BYTES: leave_open(f, m); break;
		case MATCH_NO: break;
		}
		arena_reset(f->scratch);
	}
}

/* ---- by the index alone ---- */

static void on_rows(void *arg, const struct store_reply *reply)
{
	struct search *f = arg;

	if (reply->code == 0 && reply->message)
		take_rows(f, (const Podstore__Rows *) reply->message);
	if (!reply->final)
		return;
	if (reply->code < 0)
		f->failed = reply->code;
	search_end(f);
}

/* Nothing about the messages is asked but which ones they are: the view knows. */
static void search_view(struct search *f)
{
	const struct imap_view *v = &f->s->selected->view;

	for (uint32_t seq = 1; seq <= v->exists; seq++) {
		struct imap_search_message m = { .uid = imap_view_uid(v, seq) };

		m.recent = m.uid >= f->s->selected->recent_from;
		if (imap_search_match(f->scratch, f->what.root, &m) == MATCH_YES)
			found(f, &m, seq);
	}
	search_end(f);
}

/* ---- with bodies ---- */

static int match_body(struct search *f, struct imap_search_message *m, struct imap_body *body)
{
	int r = imap_spool_map(&body->bytes, &m->bytes);

	if (r < 0)
		return r;
	if (body->parts.len == 0 || mime_tree_unpack(f->scratch, buf_span(&body->parts), &m->tree) < 0)
		r = mime_parse(f->scratch, m->bytes, &m->tree);
	m->has_bytes = true;
	if (r == 0 && imap_search_match(f->scratch, f->what.root, m) == MATCH_YES)
		found(f, m, imap_view_seq(&f->s->selected->view, m->uid));
	arena_reset(f->scratch);
	return r;
}

/* One body for each turn of the loop at most a few: other connections are served in between. */
static void on_body(void *arg)
{
	struct search *f = arg;
	struct imap_body *body;

	while ((body = imap_bodies_next(&f->bodies)) != NULL) {
		int r = body->code ? body->code : match_body(f, &f->open[f->bodies.taken], body);

		if (r < 0 && r != -POD_E_NOTFOUND)
			f->failed = r;
		imap_bodies_pop(&f->bodies);
	}
	if (f->bodies.taken == f->open_n)
		start_batch(f);
}

static void on_batch_rows(void *arg, const struct store_reply *reply)
{
	struct search *f = arg;

	if (reply->code == 0 && reply->message)
		take_rows(f, (const Podstore__Rows *) reply->message);
	if (!reply->final)
		return;
	if (reply->code < 0) {
		f->failed = reply->code;
		search_end(f);
	} else if (f->open_n == 0) {
		start_batch(f);
	} else {
		imap_bodies_start(&f->bodies, f->s, f->open_uids, f->open_n, on_body, f);
	}
}

static int ask_rows(struct search *f, struct arena *a, uint32_t first, uint32_t last, store_reply_fn *fn)
{
	struct imap_range range = { first, last };
	struct imap_ranges ranges = { &range, 1 };

	podstore__fetch__init(&f->request);
	f->request.mailbox = f->s->selected->mailbox;
	f->request.columns = f->what.columns;
	f->request.uids = imap_uid_ranges(a, &ranges);
	f->request.n_uids = 1;
	if (!f->request.uids || !imap_call(f->s, STORE_FETCH, &f->request.base, SPAN_NONE, -1, fn, f))
		return -POD_E_NOMEM;
	return 0;
}

static void start_batch(struct search *f)
{
	const struct imap_view *v = &f->s->selected->view;
	uint32_t seq = imap_view_seq_from(v, f->next_uid);
	uint32_t last = seq + SEARCH_BATCH - 1 < v->exists ? seq + SEARCH_BATCH - 1 : v->exists;
	int r = -POD_E_NOMEM;

	imap_bodies_done(&f->bodies);
	if (seq > v->exists || f->failed < 0) {
		search_end(f);
		return;
	}
	arena_reset(f->batch);
	f->open_n = 0;
	f->open = arena_array(f->batch, SEARCH_BATCH, sizeof(*f->open));
	f->open_uids = arena_array(f->batch, SEARCH_BATCH, sizeof(*f->open_uids));
	f->next_uid = imap_view_uid(v, last) + 1;
	if (f->open && f->open_uids)
		r = ask_rows(f, f->batch, imap_view_uid(v, seq), imap_view_uid(v, last), on_batch_rows);
	if (r < 0) {
		f->failed = r;
		search_end(f);
	}
}

void search_run(struct search *f)
{
	const struct imap_view *v = &f->s->selected->view;
	int r;

	if (v->exists == 0) {
		search_end(f);
	} else if (f->what.bodies) {
		start_batch(f);
	} else if (f->what.columns == 0) {
		search_view(f);
	} else {
		r = ask_rows(f, f->s->a, imap_view_uid(v, 1), imap_view_last_uid(v), on_rows);
		if (r < 0) {
			f->failed = r;
			search_end(f);
		}
	}
}
