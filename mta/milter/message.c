#include "mta/milter/message.h"

#include "base/cleanup.h"

#define ARENA_MAX (2 * MILTER_HEADER_MAX + (2u << 20)) /* fields, their copies after changes, the array */

int milter_message_init(struct milter_message *m, struct spool *spool)
{
	*m = (struct milter_message){ .spool = spool, .partial = { .limit = MILTER_HEADER_MAX } };
	m->arena = arena_create(ARENA_MAX);
	return m->arena ? 0 : -POD_E_NOMEM;
}

void milter_message_done(struct milter_message *m)
{
	m->arena = arena_free(m->arena);
	m->body = spool_free(m->body);
	buf_done(&m->partial);
	*m = (struct milter_message){ 0 };
}

/* field-name = 1*ftext (RFC 5322 3.6.8); blanks before the colon are of its obsolete syntax (4.5). */
static size_t name_len(struct span raw)
{
	size_t colon = span_find_byte(raw, ':'), n;

	if (colon == SIZE_MAX)
		return 0;
	n = span_trim(span_head(raw, colon)).len;
	for (size_t i = 0; i < n; i++)
		if (raw.p[i] <= ' ' || raw.p[i] >= 0x7f)
			return 0;
	return n;
}

static int make_room(struct milter_message *m)
{
	size_t cap = m->cap ? 2 * m->cap : 64;
	struct milter_field *grown;

	if (m->n < m->cap)
		return 0;
	grown = arena_grow(m->arena, m->fields, m->n, cap, sizeof(*grown));
	if (!grown)
		return -POD_E_LIMIT;
	m->fields = grown;
	m->cap = cap;
	return 0;
}

/* Puts a field, whose bytes are the arena's, at a place. */
static int put(struct milter_message *m, size_t at, struct milter_field f)
{
	int r = f.raw.p ? make_room(m) : -POD_E_LIMIT;

	if (r < 0)
		return r;
	memmove(&m->fields[at + 1], &m->fields[at], (m->n - at) * sizeof(*m->fields));
	m->fields[at] = f;
	m->n++;
	return 0;
}

static int field_ends(struct milter_message *m, bool ours)
{
	struct milter_field f = { .raw = arena_dup(m->arena, buf_span(&m->partial)), .ours = ours };
	int r;

	f.name_len = f.raw.p ? name_len(f.raw) : 0;
	f.is_field = f.name_len > 0;
	r = put(m, m->n, f);
	buf_clear(&m->partial);
	m->line_at = 0;
	return r;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* A line's bytes, or the beginning of them. */
static int take_line(struct milter_message *m, struct span line, bool ours)
{
	bool begins = m->line_at == m->partial.len;
	int r = 0;

	if (begins && m->partial.len && !is_blank(line.p[0]))
		r = field_ends(m, ours);
	if (r < 0)
		return r;
	buf_add(&m->partial, line);
	if (m->partial.failed)
		return -POD_E_LIMIT;
	m->taken += line.len;
	if (line.p[line.len - 1] != '\n')
		return 0;
	if (m->line_at == 0 && span_eq(buf_span(&m->partial), SPAN_LIT("\r\n"))) {
		buf_clear(&m->partial);
		m->header_complete = m->has_separator = true;
		m->body_off = m->taken;
		return 0;
	}
	m->line_at = m->partial.len;
	return 0;
}

int milter_message_add(struct milter_message *m, struct span bytes, bool ours)
{
	int r = 0;

	while (r == 0 && bytes.len && !m->header_complete) {
		size_t lf = span_find_byte(bytes, '\n');
		size_t n = lf == SIZE_MAX ? bytes.len : lf + 1;

		r = take_line(m, span_head(bytes, n), ours);
		bytes = span_skip(bytes, n);
	}
	/* What we put there is whole, whatever the message's first line is. */
	if (r == 0 && ours && m->partial.len)
		r = field_ends(m, true);
	return r;
}

int milter_message_end(struct milter_message *m)
{
	int r = 0;

	if (m->header_complete)
		return 0;
	if (m->partial.len)
		r = field_ends(m, false);
	m->header_complete = true;
	m->body_off = m->taken;
	return r;
}

struct span milter_field_name(const struct milter_field *f)
{
	return span_head(f->raw, f->name_len);
}

void milter_field_value(const struct milter_field *f, bool leading_space, struct buf *v)
{
	struct span rest = span_skip(f->raw, span_find_byte(f->raw, ':') + 1);

	if (!leading_space && rest.len && *rest.p == ' ')
		rest = span_skip(rest, 1);
	while (rest.len && (rest.p[rest.len - 1] == '\n' || rest.p[rest.len - 1] == '\r'))
		rest.len--;
	while (rest.p) {
		struct span line = span_split(rest, '\n', &rest);

		if (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		buf_add(v, line);
		if (rest.p)
			buf_add_byte(v, '\n');
	}
}

uint64_t milter_message_body_size(const struct milter_message *m)
{
	if (m->body)
		return spool_size(m->body);
	return m->header_complete ? spool_size(m->spool) - m->body_off : 0;
}

int milter_message_body_read(const struct milter_message *m, uint64_t off, uint8_t *to, size_t len,
                             struct err *err)
{
	return m->body ? spool_read(m->body, off, to, len, err)
	               : spool_read(m->spool, m->body_off + off, to, len, err);
}

/* ---- changes ---- */

/*
 * A field made of what a milter gave. No value can end the field or the header early: a line that does not
 * begin with a blank gets one, an empty one goes.
 */
static struct milter_field make(struct milter_message *m, struct span name, struct span value, bool space)
{
	_cleanup_buf_ struct buf b = { .limit = MILTER_HEADER_MAX };
	struct span rest = value;
	bool first = true;

	buf_add(&b, name);
	buf_add_str(&b, space ? ":" : ": ");
	while (rest.p) {
		struct span line = span_split(rest, '\n', &rest);

		while (line.len && line.p[line.len - 1] == '\r')
			line.len--;
		if (!first && !span_trim(line).len)
			continue;
		if (!first)
			buf_add_str(&b, is_blank(*line.p) ? "\r\n" : "\r\n\t");
		first = false;
		for (size_t i = 0; i < line.len; i++)
			buf_add_byte(&b, line.p[i] == '\r' || line.p[i] == '\0' ? ' ' : line.p[i]);
	}
	buf_add_str(&b, "\r\n");
	m->header_changed = true;
	return (struct milter_field){ .raw = b.failed ? SPAN_NONE : arena_dup(m->arena, buf_span(&b)),
		                      .name_len = name.len,
		                      .is_field = true };
}

static bool is_named(const struct milter_field *f, const char *name)
{
	return span_eq_nocase(milter_field_name(f), span_of(name));
}

/* Where the index-th field stands, our Received being the first. */
static size_t place_of(const struct milter_message *m, size_t index)
{
	size_t at = 0;

	while (at < m->n && m->fields[at].ours && !is_named(&m->fields[at], "Received"))
		at++;
	while (at < m->n && index > 0) {
		index -= m->fields[at].is_field;
		at++;
	}
	return at;
}

int milter_message_insert(struct milter_message *m, size_t index, struct span name, struct span value,
                          bool space)
{
	return put(m, place_of(m, index), make(m, name, value, space));
}

int milter_message_change(struct milter_message *m, struct span name, size_t nth, struct span value,
                          bool space)
{
	size_t at = 0;

	if (nth == 0)
		nth = 1;
	for (; at < m->n; at++)
		if (m->fields[at].is_field && !m->fields[at].ours &&
		    span_eq_nocase(milter_field_name(&m->fields[at]), name) && --nth == 0)
			break;
	if (at == m->n)
		return value.len ? put(m, m->n, make(m, name, value, space)) : 0;
	if (value.len) {
		struct milter_field f = make(m, milter_field_name(&m->fields[at]), value, space);

		m->fields[at] = f;
		return f.raw.p ? 0 : -POD_E_LIMIT;
	}
	m->header_changed = true;
	m->n--;
	memmove(&m->fields[at], &m->fields[at + 1], (m->n - at) * sizeof(*m->fields));
	return 0;
}

int milter_message_set_return_path(struct milter_message *m, struct span sender)
{
	struct milter_field f;
	char *value;

	if (!m->n || !m->fields[0].ours || !is_named(&m->fields[0], "Return-Path"))
		return 0;
	value = arena_printf(m->arena, "<" SPAN_FMT ">", SPAN_ARG(sender));
	if (!value)
		return -POD_E_LIMIT;
	f = make(m, SPAN_LIT("Return-Path"), span_of(value), false);
	f.ours = true;
	m->fields[0] = f;
	return f.raw.p ? 0 : -POD_E_LIMIT;
}

void milter_message_replace_body(struct milter_message *m, struct spool *body)
{
	(void) spool_free(m->body);
	m->body = body;
}

static void add_header(const struct milter_message *m, struct buf *out)
{
	for (size_t i = 0; i < m->n; i++) {
		struct span raw = m->fields[i].raw;

		buf_add(out, raw);
		/* The last line of a message that is all header may lack its end. */
		if (raw.p[raw.len - 1] != '\n')
			buf_add_str(out, "\r\n");
	}
	if (m->has_separator || m->body)
		buf_add_str(out, "\r\n");
}

int milter_message_settle(struct milter_message *m, struct err *err)
{
	_cleanup_buf_ struct buf header = BUF_INIT;
	int r;

	if (!m->header_changed && !m->body)
		return 0;
	add_header(m, &header);
	if (header.failed)
		return err_set(err, POD_E_NOMEM, "no memory for a message's header");
	if (m->body)
		r = spool_assemble(m->spool, buf_span(&header), m->body, 0, err);
	else
		r = spool_assemble(m->spool, buf_span(&header), m->spool, m->body_off, err);
	if (r < 0)
		return r;
	m->body = spool_free(m->body);
	m->body_off = header.len;
	m->header_changed = false;
	return 0;
}
