#include "imapd/imap/session.h"

#include "imapd/imap/seqset.h"

/*
 * One look at what happened in the selected mailbox: CHANGES since what the view shows. Rows are gathered and
 * told at the end, when the names of new keywords and the expunged uids are known.
 */
struct changed_row {
	uint32_t uid, flags;
	uint64_t modseq;
};

struct sync {
	struct imap_session *s;
	void (*then)(struct imap_session *s);
	struct changed_row *rows;
	size_t rows_n, rows_cap;
	struct imap_ranges_writer added;
	bool failed;
};

bool imap_sync_needed(const struct imap_session *s)
{
	return s->selected && (s->selected->stale || s->selected->announced > s->selected->modseq);
}

static void add_row(struct sync *sync, struct changed_row row)
{
	if (sync->rows_n == sync->rows_cap) {
		size_t cap = sync->rows_cap ? sync->rows_cap * 2 : 16;
		struct changed_row *rows =
			arena_grow(sync->s->a, sync->rows, sync->rows_n, cap, sizeof(*rows));

		if (!rows) {
			sync->failed = true;
			return;
		}
		sync->rows = rows;
		sync->rows_cap = cap;
	}
	sync->rows[sync->rows_n++] = row;
}

static void take_rows(struct sync *sync, const Podstore__Rows *rows)
{
	uint32_t last_known = imap_view_last_uid(&sync->s->selected->view);

	if (rows->n_flags != rows->n_uids || rows->n_modseqs != rows->n_uids) {
		sync->failed = true;
		return;
	}
	for (size_t i = 0; i < rows->n_uids; i++) {
		uint32_t uid = rows->uids[i];

		if (uid > last_known)
			sync->failed |= imap_ranges_add(&sync->added, uid, uid) < 0;
		else if (!imap_selected_own_has(sync->s->selected, uid, rows->flags[i], rows->modseqs[i]))
			add_row(sync, (struct changed_row){ uid, rows->flags[i], rows->modseqs[i] });
	}
}

/* "* 12 EXPUNGE" for each message of the uid range that the view has, the last first: numbers stay true. */
static void tell_expunged(struct imap_out *o, struct imap_view *v, uint32_t first_uid, uint32_t last_uid)
{
	uint32_t first = imap_view_seq_from(v, first_uid);
	uint32_t end = last_uid == UINT32_MAX ? v->exists + 1 : imap_view_seq_from(v, last_uid + 1);

	for (uint32_t seq = end; seq > first; seq--) {
		imap_out_lit(o, "* ");
		imap_out_number(o, seq - 1);
		imap_out_lit(o, " EXPUNGE\r\n");
	}
	if (end > first && imap_view_remove(v, first, end - 1) < 0)
		o->failed = true;
}

static void tell_vanished(struct imap_out *o, struct imap_view *v, const Podstore__ChangesReply *changes)
{
	if (!changes->vanished_incomplete) {
		for (size_t i = changes->n_vanished; i > 0; i--)
			tell_expunged(o, v, changes->vanished[i - 1]->first, changes->vanished[i - 1]->last);
		return;
	}
	/* The log does not reach back: what is between the uids there are is gone. */
	uint32_t above = UINT32_MAX;

	for (size_t i = changes->n_uids; i > 0; i--) {
		if (changes->uids[i - 1]->last < above)
			tell_expunged(o, v, changes->uids[i - 1]->last + 1, above);
		above = changes->uids[i - 1]->first - 1;
	}
	if (above > 0)
		tell_expunged(o, v, 1, above);
}

/* Uids that are in ChangesReply.uids but came in no row: known only where the log is incomplete. */
static void tell_exists(struct sync *sync, struct imap_out *o, const Podstore__ChangesReply *changes)
{
	struct imap_selected *m = sync->s->selected;
	uint32_t before = m->view.exists;

	for (size_t i = 0; i < changes->n_uids; i++)
		sync->failed |=
			imap_view_append(&m->view, changes->uids[i]->first, changes->uids[i]->last) < 0;
	for (size_t i = 0; i < sync->added.ranges.n; i++)
		sync->failed |= imap_view_append(&m->view, sync->added.ranges.r[i].first,
		                                 sync->added.ranges.r[i].last) < 0;
	if (m->view.exists == before)
		return;
	imap_out_lit(o, "* ");
	imap_out_number(o, m->view.exists);
	imap_out_lit(o, " EXISTS\r\n* ");
	imap_out_number(o, imap_selected_recent(m));
	imap_out_lit(o, " RECENT\r\n");
}

static void tell_flags(struct sync *sync, struct imap_out *o)
{
	const struct imap_selected *m = sync->s->selected;

	for (size_t i = 0; i < sync->rows_n; i++) {
		const struct changed_row *row = &sync->rows[i];
		uint32_t seq = imap_view_seq(&m->view, row->uid);

		if (seq == 0)
			continue;
		imap_out_lit(o, "* ");
		imap_out_number(o, seq);
		imap_out_lit(o, " FETCH (");
		if (sync->s->condstore) {
			imap_out_lit(o, "UID ");
			imap_out_number(o, row->uid);
			imap_out_lit(o, " MODSEQ (");
			imap_out_number(o, row->modseq);
			imap_out_lit(o, ") ");
		}
		imap_out_lit(o, "FLAGS ");
		imap_out_flags(o, m, row->flags, row->uid >= m->recent_from);
		imap_out_lit(o, ")\r\n");
	}
}

static void tell_keywords(struct sync *sync, struct imap_out *o, const Podstore__ChangesReply *changes)
{
	struct imap_selected *m = sync->s->selected;

	if (changes->n_keywords <= m->keywords_n)
		return;
	if (imap_selected_set_keywords(m, changes->keywords, changes->n_keywords) < 0)
		sync->failed = true;
	else
		imap_out_flag_names(o, m);
}

static void tell_all(struct sync *sync, const Podstore__ChangesReply *changes)
{
	struct imap_session *s = sync->s;
	struct imap_selected *m = s->selected;
	struct imap_out o;

	imap_out_init(&o, imap_output(s));
	tell_keywords(sync, &o, changes);
	tell_vanished(&o, &m->view, changes);
	tell_exists(sync, &o, changes);
	tell_flags(sync, &o);
	imap_out_flush(&o);
	if (o.failed || sync->failed) {
		/* The client's idea of the mailbox and ours are no longer the same: it has to start again. */
		imap_session_bye(s, "[UNAVAILABLE] Out of memory");
		return;
	}
	m->modseq = changes->highestmodseq;
	if (m->announced < m->modseq)
		m->announced = m->modseq;
	if (changes->uidnext > m->uidnext)
		m->uidnext = changes->uidnext;
	m->stale = false;
	m->own_n = 0;
}

static void on_changes(void *arg, const struct store_reply *reply)
{
	struct sync *sync = arg;
	struct imap_session *s = sync->s;

	if (!reply->final) {
		take_rows(sync, (const Podstore__Rows *) reply->message);
		return;
	}
	s->selected->syncing = false;
	if (reply->code == 0) {
		const Podstore__ChangesReply *changes = (const Podstore__ChangesReply *) reply->message;

		if (changes->mailbox_gone)
			imap_session_bye(s, "Selected mailbox was deleted");
		else
			tell_all(sync, changes);
	} else if (reply->code == -POD_E_NOTFOUND) {
		imap_session_bye(s, "Selected mailbox was deleted");
	}
	/* Where the store is away, the command's own result stands; what changed is told the next time. */
	if (reply->code < 0 && s->selected)
		s->selected->stale = true;
	if (s->state != IMAP_CLOSING)
		sync->then(s);
}

void imap_sync(struct imap_session *s, void (*then)(struct imap_session *s))
{
	struct sync *sync = arena_new(s->a, struct sync);
	Podstore__Changes *request = arena_new(s->a, Podstore__Changes);

	if (!sync || !request) {
		then(s);
		return;
	}
	*sync = (struct sync){ .s = s, .then = then, .added = { .a = s->a } };
	podstore__changes__init(request);
	request->mailbox = s->selected->mailbox;
	request->since = s->selected->modseq;
	request->columns = STORE_COL_FLAGS | STORE_COL_MODSEQ;
	s->selected->syncing = true;
	if (!imap_call(s, STORE_CHANGES, &request->base, SPAN_NONE, -1, on_changes, sync)) {
		s->selected->syncing = false;
		then(s);
	}
}

static void on_watch(void *arg, const struct store_reply *reply)
{
	struct imap_session *s = arg;
	struct imap_selected *m = s->selected;

	if (reply->final) {
		m->watch = NULL; /* imap_session_on_store_back starts it again */
		return;
	}
	const Podstore__WatchEvent *event = (const Podstore__WatchEvent *) reply->message;

	if (event->mailbox == m->mailbox && event->highestmodseq > m->announced)
		m->announced = event->highestmodseq;
	imap_idle_on_changed(s);
}

void imap_watch(struct imap_session *s)
{
	struct imap_selected *m = s->selected;

	if (m->watch)
		s->ops->call_cancel(s->host, m->watch);
	m->stale = true; /* what came before the watch nobody announces */
	m->watch = s->ops->call(s->host, STORE_WATCH, &m->watch_request.base, SPAN_NONE, -1, on_watch, s);
}

void imap_unselect(struct imap_session *s)
{
	if (!s->selected)
		return;
	if (s->selected->watch)
		s->ops->call_cancel(s->host, s->selected->watch);
	s->selected = imap_selected_free(s->selected);
	s->state = IMAP_AUTHENTICATED;
}

void imap_enable_condstore(struct imap_session *s)
{
	if (s->condstore)
		return;
	s->condstore = true;
	if (s->selected)
		imap_untagged(s, "OK [HIGHESTMODSEQ %llu] Modification sequences from now on",
		              (unsigned long long) s->selected->modseq);
}
