#include "imapd/imap/fetch.h"

#include "mime/date.h"
#include "mime/header.h"

/* ---- columns ---- */

bool fetch_rows_are_whole(const Podstore__Rows *rows, uint32_t columns)
{
	size_t n = rows->n_uids;

	return (!(columns & STORE_COL_FLAGS) || rows->n_flags == n) &&
	       (!(columns & STORE_COL_MODSEQ) || rows->n_modseqs == n) &&
	       (!(columns & STORE_COL_INTERNAL_DATE) || rows->n_internal_dates == n) &&
	       (!(columns & STORE_COL_SIZE) || rows->n_sizes == n) &&
	       (!(columns & STORE_COL_ENVELOPE) || rows->n_envelopes == n) &&
	       (!(columns & STORE_COL_BODYSTRUCTURE) || rows->n_bodystructures == n) &&
	       (!(columns & STORE_COL_HEADERS) || rows->n_headers == n);
}

static struct span bytes_of(ProtobufCBinaryData b)
{
	return span_make(b.data, b.len);
}

struct fetch_row fetch_row_of(const Podstore__Rows *rows, size_t i, uint32_t columns)
{
	struct fetch_row row = { .uid = rows->uids[i] };

	if (columns & STORE_COL_FLAGS)
		row.flags = rows->flags[i];
	if (columns & STORE_COL_MODSEQ)
		row.modseq = rows->modseqs[i];
	if (columns & STORE_COL_INTERNAL_DATE)
		row.internal_date = rows->internal_dates[i];
	if (columns & STORE_COL_SIZE)
		row.size = rows->sizes[i];
	if (columns & STORE_COL_ENVELOPE)
		row.envelope = bytes_of(rows->envelopes[i]);
	if (columns & STORE_COL_BODYSTRUCTURE)
		row.bodystructure = bytes_of(rows->bodystructures[i]);
	if (columns & STORE_COL_HEADERS)
		row.headers = bytes_of(rows->headers[i]);
	return row;
}

/* ---- items ---- */

static void format_flags(struct fetch *f, struct imap_out *o, const struct fetch_row *row)
{
	const struct imap_selected *m = f->s->selected;
	bool recent = row->uid >= m->recent_from;
	uint32_t key = row->flags | (recent ? 1u << 31 : 0);
	struct flags_memo *memo = &f->memo[(key ^ key >> 5) % FETCH_FLAGS_MEMO];
	size_t start;

	if (memo->len > 0 && memo->key == key) {
		imap_out_span(o, span_make(memo->text, memo->len));
		return;
	}
	if (sizeof(o->chunk) - o->n < FETCH_FLAGS_TEXT)
		imap_out_flush(o);
	start = o->n;
	imap_out_flags(o, m, row->flags, recent);
	if (o->n > start && o->n - start <= sizeof(memo->text)) {
		memo->key = key;
		memo->len = (uint16_t) (o->n - start);
		memcpy(memo->text, o->chunk + start, memo->len);
	}
}

static void tell_date(struct imap_out *o, int64_t unix_s)
{
	char text[DATE_IMAP_SIZE];

	imap_out_lit(o, "INTERNALDATE \"");
	imap_out_str(o, date_format_imap((struct mail_date){ .unix_s = unix_s }, text, sizeof(text)));
	imap_out_byte(o, '"');
}

/* A message whose structure is not known (it could not be parsed) has an empty one. */
static void tell_envelope(struct imap_out *o, struct span envelope)
{
	imap_out_lit(o, "ENVELOPE ");
	imap_out_span(o, envelope.len > 0 ? envelope : SPAN_LIT("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"));
}

static const struct span no_structure =
	SPAN_LIT("(\"application\" \"octet-stream\" NIL NIL NIL \"binary\" 0)");

static void tell_structure(struct imap_out *o, struct span structure, bool extensible)
{
	_cleanup_buf_ struct buf body = BUF_INIT;

	if (extensible) {
		imap_out_lit(o, "BODYSTRUCTURE ");
		imap_out_span(o, structure.len > 0 ? structure : no_structure);
		return;
	}
	imap_out_lit(o, "BODY ");
	if (structure.len > 0 && mime_body_of_bodystructure(structure, &body) == 0 && !body.failed)
		imap_out_span(o, buf_span(&body));
	else
		imap_out_span(o, no_structure);
}

static void tell_modseq(struct imap_out *o, uint64_t modseq)
{
	imap_out_lit(o, "MODSEQ (");
	imap_out_number(o, modseq);
	imap_out_byte(o, ')');
}

static void tell_flags(struct fetch *f, struct imap_out *o, const struct fetch_row *row)
{
	imap_out_lit(o, "FLAGS ");
	format_flags(f, o, row);
}

/* Flags that the FETCH itself changed are told even where it did not ask (RFC 3501 6.4.5, RFC 7162 3.2). */
static void tell_changed(struct fetch *f, struct imap_out *o, const struct fetch_row *row)
{
	if (!f->items.flags) {
		imap_out_byte(o, ' ');
		tell_flags(f, o, row);
	}
	if (!f->items.modseq && f->s->condstore) {
		imap_out_byte(o, ' ');
		tell_modseq(o, row->modseq);
	}
}

void fetch_tell_row(struct fetch *f, struct imap_out *o, const struct fetch_row *row, bool flags_changed,
                    fetch_section_fn *tell_section, void *arg)
{
	imap_out_lit(o, "* ");
	imap_out_number(o, row->seq);
	imap_out_lit(o, " FETCH (");
	for (size_t i = 0; i < f->items.n; i++) {
		const struct imap_fetch_item *item = &f->items.items[i];

		if (i > 0)
			imap_out_byte(o, ' ');
		switch (item->kind) {
		case FETCH_FLAGS: tell_flags(f, o, row); break;
		case FETCH_UID:
			imap_out_lit(o, "UID ");
			imap_out_number(o, row->uid);
			break;
		case FETCH_INTERNALDATE: tell_date(o, row->internal_date); break;
		case FETCH_SIZE:
			imap_out_lit(o, "RFC822.SIZE ");
			imap_out_number(o, row->size);
			break;
		case FETCH_ENVELOPE: tell_envelope(o, row->envelope); break;
		case FETCH_BODYSTRUCTURE: tell_structure(o, row->bodystructure, true); break;
		case FETCH_BODY: tell_structure(o, row->bodystructure, false); break;
		case FETCH_MODSEQ: tell_modseq(o, row->modseq); break;
		case FETCH_SECTION: tell_section(f, o, row, item->section, arg); break;
		}
	}
	if (flags_changed)
		tell_changed(f, o, row);
	imap_out_lit(o, ")\r\n");
	f->told++;
}

/* ---- header fields ---- */

static bool is_named(const struct imap_section *section, struct span name)
{
	for (size_t i = 0; i < section->names_n; i++)
		if (span_eq_nocase(section->names[i], name))
			return true;
	return false;
}

int fetch_filter_header(struct arena *a, struct span header, const struct imap_section *section,
                        struct span *ret)
{
	bool wanted = section->fields == SECTION_FIELDS;
	uint8_t *out = arena_alloc(a, header.len + 2);
	size_t n = 0;
	struct mime_field field;

	if (!out)
		return -POD_E_NOMEM;
	while (mime_field_next(&header, &field)) {
		/* A line that is no field has no name: only the list of what to leave out keeps it. */
		if (is_named(section, field.name) != wanted)
			continue;
		memcpy(out + n, field.whole.p, field.whole.len);
		n += field.whole.len;
	}
	memcpy(out + n, "\r\n", 2);
	*ret = span_make(out, n + 2);
	return 0;
}

void fetch_cut_partial(const struct imap_section *section, uint64_t *off, uint64_t *len)
{
	uint64_t from = section->partial_from;

	if (!section->partial)
		return;
	if (from > *len)
		from = *len;
	*off += from;
	*len -= from;
	if (*len > section->partial_len)
		*len = section->partial_len;
}

void fetch_tell_bytes(struct imap_out *o, const struct imap_section *section, struct span bytes)
{
	uint64_t off = 0, len = bytes.len;

	fetch_cut_partial(section, &off, &len);
	imap_out_span(o, section->label);
	imap_out_lit(o, " {");
	imap_out_number(o, len);
	imap_out_lit(o, "}\r\n");
	imap_out_span(o, span_head(span_skip(bytes, off), len));
}

void fetch_tell_cached_section(struct fetch *f, struct imap_out *o, const struct fetch_row *row,
                               const struct imap_section *section, void *arg)
{
	struct span fields = SPAN_LIT("\r\n");

	if (fetch_filter_header(f->batch, row->headers, section, &fields) < 0)
		o->failed = true;
	fetch_tell_bytes(o, section, fields);
}

/* ---- rows as they come ---- */

static void pause_if_full(struct fetch *f)
{
	struct imap_session *s = f->s;

	if (f->paused || !s->ops->output_is_full(s->host))
		return;
	f->paused = true;
	s->ops->call_pause(s->host, f->call);
}

static void on_writable(struct imap_session *s)
{
	struct fetch *f = s->data;

	if (f->paused && f->call) {
		f->paused = false;
		s->ops->call_resume(s->host, f->call);
	}
}

static void tell_rows(struct fetch *f, const Podstore__Rows *rows)
{
	uint32_t columns = f->request.columns;
	struct imap_out o;

	if (!fetch_rows_are_whole(rows, columns)) {
		f->failed = -POD_E_PROTOCOL;
		return;
	}
	imap_out_init(&o, imap_output(f->s));
	for (size_t i = 0; i < rows->n_uids; i++) {
		struct fetch_row row = fetch_row_of(rows, i, columns);

		row.seq = row.uid > f->last_uid
		                  ? imap_view_cursor_seq(&f->s->selected->view, &f->cursor, row.uid)
		                  : 0;
		if (row.seq == 0)
			continue;
		f->last_uid = row.uid;
		fetch_tell_row(f, &o, &row, false, fetch_tell_cached_section, NULL);
		if (arena_used(f->batch) > IMAP_OUT_CHUNK)
			arena_reset(f->batch);
	}
	imap_out_flush(&o);
	if (o.failed)
		imap_session_bye(f->s, "[UNAVAILABLE] Out of memory");
}

static void on_rows(void *arg, const struct store_reply *reply)
{
	struct fetch *f = arg;

	if (reply->code == 0 && reply->message)
		tell_rows(f, (const Podstore__Rows *) reply->message);
	if (f->s->state == IMAP_CLOSING)
		return;
	if (!reply->final) {
		pause_if_full(f);
		return;
	}
	f->call = NULL;
	if (reply->code < 0)
		f->failed = reply->code;
	fetch_end(f);
}

void fetch_rows_start(struct fetch *f)
{
	struct imap_session *s = f->s;

	s->on_writable = on_writable;
	f->batch = arena_create(IMAP_ARENA_LIMIT);
	if (f->batch)
		f->call = imap_call(s, STORE_FETCH, &f->request.base, SPAN_NONE, -1, on_rows, f);
	if (!f->call) {
		f->failed = -POD_E_NOMEM;
		fetch_end(f);
	}
}
