#include "imapd/imap/fetch.h"

#include <fcntl.h>

#define READ_MAX   (16u << 10) /* up to here a part of a file is read; beyond, the file itself is queued */
#define HEADER_MAX (16u << 20)

static void start_batch(struct fetch *f);

/* What tell_section needs of the message at hand. */
struct message {
	struct imap_body *body;
	struct mime_tree tree;
};

/* The parts table came with the body; where it did not (or is damaged) the message is parsed now. */
static int load_tree(struct fetch *f, struct message *m)
{
	struct span bytes;
	int r;

	if (m->tree.n > 0)
		return 0;
	if (m->body->parts.len > 0 && mime_tree_unpack(f->batch, buf_span(&m->body->parts), &m->tree) == 0)
		return 0;
	r = imap_spool_map(&m->body->bytes, &bytes);
	return r == 0 ? mime_parse(f->batch, bytes, &m->tree) : r;
}

static void tell_file_part(struct fetch *f, struct imap_out *o, const struct imap_section *section,
                           const struct imap_spool *bytes, uint64_t off, uint64_t len)
{
	struct imap_session *s = f->s;
	int fd = fcntl(bytes->fd, F_DUPFD_CLOEXEC, 0);

	imap_out_span(o, section->label);
	imap_out_lit(o, " {");
	imap_out_number(o, len);
	imap_out_lit(o, "}\r\n");
	imap_out_flush(o);
	if (fd < 0 || s->ops->write_file(s->host, fd, off, len) < 0)
		o->failed = true;
}

static int tell_part(struct fetch *f, struct imap_out *o, const struct imap_section *section,
                     struct message *m, struct mime_range range)
{
	const struct imap_spool *bytes = &m->body->bytes;
	struct imap_section whole = *section;
	struct span part;
	int r;

	if (range.off > bytes->size || range.len > bytes->size - range.off)
		return -POD_E_CORRUPT; /* the table is not of this file */
	fetch_cut_partial(section, &range.off, &range.len);
	if (bytes->fd >= 0 && range.len > READ_MAX) {
		tell_file_part(f, o, section, bytes, range.off, range.len);
		return 0;
	}
	r = imap_spool_read(bytes, f->batch, range.off, range.len, &part);
	whole.partial = false; /* cut already */
	if (r == 0)
		fetch_tell_bytes(o, &whole, part);
	return r;
}

static int tell_header(struct fetch *f, struct imap_out *o, const struct imap_section *section,
                       struct message *m, struct mime_range range)
{
	struct span header, fields;
	int r;

	if (range.len > HEADER_MAX)
		range.len = HEADER_MAX;
	r = imap_spool_read(&m->body->bytes, f->batch, range.off, range.len, &header);
	if (r == 0)
		r = fetch_filter_header(f->batch, header, section, &fields);
	if (r == 0)
		fetch_tell_bytes(o, section, fields);
	return r;
}

static int tell_section_of(struct fetch *f, struct imap_out *o, const struct imap_section *section,
                           struct message *m)
{
	struct mime_range range = { 0, m->body->bytes.size };
	int r = 0;

	if (section->path_n > 0 || section->what != MIME_SECTION_BODY) {
		r = load_tree(f, m);
		if (r == 0)
			r = mime_section_find(&m->tree, section->path, section->path_n, section->what,
			                      &range);
	}
	if (r < 0)
		return r;
	if (section->fields != SECTION_ALL_FIELDS)
		return tell_header(f, o, section, m, range);
	return tell_part(f, o, section, m, range);
}

static void tell_section(struct fetch *f, struct imap_out *o, const struct fetch_row *row,
                         const struct imap_section *section, void *arg)
{
	struct message *m = arg;
	int r = -POD_E_NOTFOUND;

	if (imap_section_is_cached(section)) {
		fetch_tell_cached_section(f, o, row, section, NULL);
		return;
	}
	if (m->body)
		r = tell_section_of(f, o, section, m);
	if (r == 0)
		return;
	if (r != -POD_E_NOTFOUND) /* a part that is not there is no failure: it has no bytes */
		f->failed = r;
	imap_out_span(o, section->label);
	imap_out_lit(o, " NIL");
}

/* ---- one batch: rows, \Seen, bodies ---- */

static bool was_marked(const struct fetch *f, const struct fetch_row *row)
{
	for (size_t i = 0; f->marks_seen && i < f->seen.n_uids; i++)
		if (row->uid >= f->seen.uids[i]->first && row->uid <= f->seen.uids[i]->last)
			return true;
	return false;
}

static void tell_message(struct fetch *f, const struct fetch_row *row, struct imap_body *body)
{
	struct message m = { .body = body };
	struct imap_out o;

	imap_out_init(&o, imap_output(f->s));
	fetch_tell_row(f, &o, row, was_marked(f, row), tell_section, &m);
	imap_out_flush(&o);
	if (o.failed)
		imap_session_bye(f->s, "[UNAVAILABLE] Message could not be sent");
}

/* Tells what is there until the client is slower than the store. */
static void tell_bodies(void *arg)
{
	struct fetch *f = arg;
	struct imap_session *s = f->s;

	while (f->bodies.taken < f->rows_n && !s->ops->output_is_full(s->host)) {
		const struct fetch_row *row = &f->rows[f->bodies.taken];
		struct imap_body *body = imap_bodies_next(&f->bodies);

		if (!body)
			return;
		if (body->code == 0)
			tell_message(f, row, body);
		else if (body->code != -POD_E_NOTFOUND)
			f->failed = body->code;
		if (s->state == IMAP_CLOSING)
			return;
		imap_bodies_pop(&f->bodies);
	}
	if (f->bodies.taken == f->rows_n)
		start_batch(f);
}

static void tell_without_bodies(struct fetch *f)
{
	for (size_t i = 0; i < f->rows_n && f->s->state != IMAP_CLOSING; i++)
		tell_message(f, &f->rows[i], NULL);
	if (f->s->state != IMAP_CLOSING)
		start_batch(f);
}

static void tell_batch(struct fetch *f)
{
	if (f->rows_n == 0)
		start_batch(f);
	else if (f->items.bodies)
		imap_bodies_start(&f->bodies, f->s, f->row_uids, f->rows_n, tell_bodies, f);
	else
		tell_without_bodies(f);
}

/* \Seen is durable: the rows are told with it. */
static void on_seen(void *arg, const struct store_reply *reply)
{
	struct fetch *f = arg;
	const Podstore__StoreFlagsReply *stored = (const Podstore__StoreFlagsReply *) reply->message;
	const Podstore__Rows *rows = stored ? stored->rows : NULL;
	size_t k = 0;

	if (reply->code < 0) {
		/* A full or read-only volume does not keep anybody from reading; the flag is not told then.
		 */
		f->seen.n_uids = 0;
		tell_batch(f);
		return;
	}
	for (size_t i = 0;
	     rows && fetch_rows_are_whole(rows, STORE_COL_FLAGS | STORE_COL_MODSEQ) && i < rows->n_uids;
	     i++) {
		imap_selected_own_add(f->s->selected, rows->uids[i], rows->flags[i], rows->modseqs[i]);
		while (k < f->rows_n && f->rows[k].uid < rows->uids[i])
			k++;
		if (k < f->rows_n && f->rows[k].uid == rows->uids[i]) {
			f->rows[k].flags = rows->flags[i];
			f->rows[k].modseq = rows->modseqs[i];
		}
	}
	tell_batch(f);
}

static void mark_seen(struct fetch *f)
{
	struct imap_ranges_writer unseen = { .a = f->batch };
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->rows_n; i++)
		if (!(f->rows[i].flags & STORE_FLAG_SEEN))
			r = imap_ranges_add(&unseen, f->rows[i].uid, f->rows[i].uid);
	podstore__store_flags__init(&f->seen);
	if (r < 0 || unseen.ranges.n == 0) {
		tell_batch(f);
		return;
	}
	f->seen.mailbox = f->s->selected->mailbox;
	f->seen.mode = PODSTORE__FLAG_MODE__FLAGS_ADD;
	f->seen.flags = STORE_FLAG_SEEN;
	f->seen.uids = imap_uid_ranges(f->batch, &unseen.ranges);
	f->seen.n_uids = f->seen.uids ? unseen.ranges.n : 0;
	if (!f->seen.uids || !imap_call(f->s, STORE_STORE_FLAGS, &f->seen.base, SPAN_NONE, -1, on_seen, f)) {
		f->seen.n_uids = 0;
		tell_batch(f);
	}
}

static void keep_row(struct fetch *f, struct fetch_row row)
{
	row.seq = imap_view_seq(&f->s->selected->view, row.uid);
	if (row.seq == 0 || f->rows_n == FETCH_BATCH ||
	    (f->rows_n > 0 && row.uid <= f->rows[f->rows_n - 1].uid))
		return;
	row.envelope = arena_dup(f->batch, row.envelope);
	row.bodystructure = arena_dup(f->batch, row.bodystructure);
	row.headers = arena_dup(f->batch, row.headers);
	f->row_uids[f->rows_n] = row.uid;
	f->rows[f->rows_n++] = row;
}

static void on_batch_rows(void *arg, const struct store_reply *reply)
{
	struct fetch *f = arg;
	const Podstore__Rows *rows = (const Podstore__Rows *) reply->message;

	if (reply->code == 0 && rows && fetch_rows_are_whole(rows, f->request.columns))
		for (size_t i = 0; i < rows->n_uids; i++)
			keep_row(f, fetch_row_of(rows, i, f->request.columns));
	if (!reply->final)
		return;
	f->call = NULL;
	if (reply->code < 0) {
		f->failed = reply->code;
		fetch_end(f);
	} else if (f->marks_seen) {
		mark_seen(f);
	} else {
		tell_batch(f);
	}
}

/* The uids of the next FETCH_BATCH messages. */
static int next_uids(struct fetch *f, struct imap_ranges_writer *w)
{
	const struct imap_view *v = &f->s->selected->view;
	uint32_t left = FETCH_BATCH;
	int r = 0;

	for (size_t i = 0; r == 0 && left > 0 && i < f->uids.n; i++) {
		uint32_t first = f->uids.r[i].first > f->next_uid ? f->uids.r[i].first : f->next_uid;
		uint32_t seq, end;

		if (first > f->uids.r[i].last)
			continue;
		seq = imap_view_seq_from(v, first);
		end = imap_view_seq_from(v, f->uids.r[i].last + 1);
		if (end - seq > left)
			end = seq + left;
		if (seq >= end)
			continue;
		left -= end - seq;
		r = imap_ranges_add(w, imap_view_uid(v, seq), imap_view_uid(v, end - 1));
		f->next_uid = imap_view_uid(v, end - 1) + 1;
	}
	return r;
}

static void on_writable(struct imap_session *s)
{
	struct fetch *f = s->data;

	if (f->items.bodies && f->rows_n > 0 && f->bodies.n > 0)
		tell_bodies(f);
}

static void start_batch(struct fetch *f)
{
	struct imap_ranges_writer uids = { .a = f->batch };
	int r;

	imap_bodies_done(&f->bodies);
	arena_reset(f->batch);
	f->rows_n = 0;
	f->rows = arena_array(f->batch, FETCH_BATCH, sizeof(*f->rows));
	f->row_uids = arena_array(f->batch, FETCH_BATCH, sizeof(*f->row_uids));
	r = f->rows && f->row_uids ? next_uids(f, &uids) : -POD_E_NOMEM;
	if (r == 0 && uids.ranges.n > 0) {
		f->request.uids = imap_uid_ranges(f->batch, &uids.ranges);
		f->request.n_uids = uids.ranges.n;
		f->call = f->request.uids ? imap_call(f->s, STORE_FETCH, &f->request.base, SPAN_NONE, -1,
		                                      on_batch_rows, f)
		                          : NULL;
		r = f->call ? 0 : -POD_E_NOMEM;
	}
	if (r < 0)
		f->failed = r;
	if (r < 0 || uids.ranges.n == 0)
		fetch_end(f);
}

void fetch_bodies_start(struct fetch *f)
{
	if (f->marks_seen)
		f->request.columns |= STORE_COL_FLAGS | STORE_COL_MODSEQ;
	f->s->on_writable = on_writable;
	f->batch = arena_create(IMAP_ARENA_LIMIT);
	if (!f->batch) {
		f->failed = -POD_E_NOMEM;
		fetch_end(f);
		return;
	}
	start_batch(f);
}
