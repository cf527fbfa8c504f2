#include "imapd/eas/item/structure.h"

#include "base/buf.h"
#include "mime/header.h"
#include "mime/imap_lex.h"
#include "mime/mime.h"

/* A multipart that is open. */
struct level {
	uint32_t part;
	uint32_t children;
};

struct reader {
	struct arena *a;
	struct span rest;
	struct eas_structure out;
	uint32_t cap;
	struct level levels[MIME_DEPTH_MAX + 2];
	size_t depth;
	int failed;
};

static bool starts_with(const struct reader *r, uint8_t c)
{
	return r->rest.len > 0 && r->rest.p[0] == c;
}

/* ---- strings ---- */

static struct span unescape(struct arena *a, struct span s)
{
	uint8_t *out;
	size_t n = 0;

	if (span_find_byte(s, '\\') == SIZE_MAX)
		return s;
	out = arena_alloc(a, s.len);
	if (!out)
		return SPAN_NONE;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		out[n++] = s.p[i];
	}
	return span_make(out, n);
}

/* Takes a string, a number or NIL (which is empty) off *s. False: there is none. */
static bool take_string(struct arena *a, struct span *s, struct span *ret_value)
{
	size_t head = 0, n = imap_string_len(*s, &head);
	struct span value = span_head(*s, n);

	if (n == 0)
		return false;
	if (s->p[0] == '"')
		value = unescape(a, span_make(s->p + 1, n - 2));
	else if (s->p[0] == '{')
		value = span_skip(value, head);
	else if (span_eq_nocase(value, SPAN_LIT("NIL")))
		value = SPAN_NONE;
	*s = span_skip(*s, n);
	*ret_value = value;
	return true;
}

static bool pass_space(struct reader *r)
{
	if (!starts_with(r, ' '))
		return false;
	r->rest = span_skip(r->rest, 1);
	return true;
}

static bool next_string(struct reader *r, struct span *ret_value)
{
	return pass_space(r) && take_string(r->a, &r->rest, ret_value);
}

static bool next_element(struct reader *r, struct span *ret_raw)
{
	size_t n = pass_space(r) ? imap_element_len(r->rest, SIZE_MAX) : 0;

	if (n == 0)
		return false;
	*ret_raw = span_head(r->rest, n);
	r->rest = span_skip(r->rest, n);
	return true;
}

/* ---- parameters ---- */

/* The next name and value of "(name value ...)", of which *list is what is left. */
static bool next_param(struct arena *a, struct span *list, struct span *ret_name, struct span *ret_value)
{
	while (list->len > 0 && (list->p[0] == '(' || list->p[0] == ' '))
		*list = span_skip(*list, 1);
	if (list->len == 0 || list->p[0] == ')' || !take_string(a, list, ret_name) || list->len == 0)
		return false;
	*list = span_skip(*list, 1);
	return take_string(a, list, ret_value);
}

struct span eas_part_param(struct arena *a, const struct eas_part *part, const char *name)
{
	struct span list = part->params, key, value;

	while (next_param(a, &list, &key, &value))
		if (span_eq_nocase(key, span_of(name)))
			return value;
	return SPAN_NONE;
}

/* Parameters as they were in the header; nothing is added where none could be a file's name. */
static bool put_params(struct arena *a, struct buf *out, const char *field, const char *name,
                       struct span list)
{
	struct span key, value;
	bool any = false;

	buf_add_str(out, field);
	while (next_param(a, &list, &key, &value)) {
		any |= span_starts_nocase(key, span_of(name));
		buf_add_str(out, "; ");
		buf_add(out, key);
		buf_add_str(out, "=\"");
		for (size_t i = 0; i < value.len; i++) {
			if (value.p[i] == '"' || value.p[i] == '\\')
				buf_add_byte(out, '\\');
			if (value.p[i] != '\r' && value.p[i] != '\n')
				buf_add_byte(out, value.p[i]);
		}
		buf_add_byte(out, '"');
	}
	buf_add_str(out, "\r\n");
	return any;
}

/* lib/mime knows how names are written against the rules; it is given the fields that they came from. */
static struct span name_of(struct arena *a, struct span disposition_params, struct span type_params)
{
	_cleanup_buf_ struct buf header = BUF_INIT;
	struct span names[MIME_PART_NAMES_MAX];
	bool any = put_params(a, &header, "Content-Disposition: attachment", "filename", disposition_params);

	any |= put_params(a, &header, "Content-Type: x/x", "name", type_params);
	if (!any || header.failed || mime_part_names(a, arena_dup(a, buf_span(&header)), names) == 0)
		return SPAN_NONE;
	return names[0];
}

/* ---- bodies ---- */

static struct span without_angles(struct span id)
{
	id = span_trim(id);
	if (id.len >= 2 && id.p[0] == '<' && id.p[id.len - 1] == '>')
		id = span_make(id.p + 1, id.len - 2);
	return id;
}

/* body-fld-dsp SP body-fld-lang SP body-fld-loc, any of which may be missing. Leaves r before the ")" of the
 * body. */
static bool read_extension(struct reader *r, struct eas_part *p)
{
	struct span raw, params = SPAN_NONE;

	if (starts_with(r, ' ')) {
		if (!next_element(r, &raw))
			return false;
		if (raw.len > 0 && raw.p[0] == '(') {
			raw = span_skip(raw, 1);
			if (!take_string(r->a, &raw, &p->disposition))
				return false;
			params = span_skip(raw, 1);
		}
	}
	if (starts_with(r, ' ') && !next_element(r, &raw))
		return false;
	if (starts_with(r, ' ') && !next_string(r, &p->location))
		return false;
	while (starts_with(r, ' '))
		if (!next_element(r, &raw))
			return false;
	p->name = name_of(r->a, params, p->params);
	return true;
}

/* body-fields: params id description encoding octets */
static bool read_fields(struct reader *r, struct eas_part *p)
{
	struct span octets;

	if (!next_element(r, &p->params) || !next_string(r, &p->content_id) ||
	    !next_string(r, &p->description) || !next_string(r, &p->encoding) || !next_string(r, &octets) ||
	    span_to_u64(octets, &p->octets) < 0)
		return false;
	p->content_id = without_angles(p->content_id);
	return true;
}

/* envelope SP body SP lines, of a message inside: its subject is kept. */
static bool read_message(struct reader *r, struct eas_part *p)
{
	struct span envelope, raw, date;

	if (!next_element(r, &envelope) || !next_element(r, &raw) || !next_element(r, &raw))
		return false;
	envelope = span_skip(envelope, 1);
	if (take_string(r->a, &envelope, &date)) {
		envelope = span_skip(envelope, 1);
		(void) take_string(r->a, &envelope, &p->subject);
	}
	return true;
}

/* The rest of a leaf, after its "(". */
static bool read_leaf(struct reader *r, struct eas_part *p)
{
	struct span raw;

	if (!take_string(r->a, &r->rest, &p->type) || !next_string(r, &p->subtype) || !read_fields(r, p))
		return false;
	if (eas_part_is(p, "message", "rfc822") || eas_part_is(p, "message", "global")) {
		p->kind = EAS_PART_MESSAGE;
		if (!read_message(r, p))
			return false;
	} else if (span_eq(p->type, SPAN_LIT("text")) && !next_element(r, &raw)) {
		return false; /* its lines */
	}
	if (starts_with(r, ' ') && !next_element(r, &raw)) /* MD5 */
		return false;
	return read_extension(r, p);
}

static struct span path_below(struct reader *r)
{
	const struct level *up = r->depth > 0 ? &r->levels[r->depth - 1] : NULL;
	struct span above = up ? r->out.parts[up->part].path : SPAN_NONE;
	unsigned int number = up ? up->children : 1;

	if (above.len > 0)
		return span_of(arena_printf(r->a, SPAN_FMT ".%u", SPAN_ARG(above), number));
	return span_of(arena_printf(r->a, "%u", number));
}

static struct eas_part *new_part(struct reader *r)
{
	struct eas_part *p;

	if (r->out.n == r->cap) {
		uint32_t cap = r->cap ? 2 * r->cap : 4;
		struct eas_part *grown = arena_grow(r->a, r->out.parts, r->out.n, cap, sizeof(*grown));

		if (!grown || cap > 2 * MIME_PARTS_MAX) {
			r->failed = grown ? -POD_E_LIMIT : -POD_E_NOMEM;
			return NULL;
		}
		r->out.parts = grown;
		r->cap = cap;
	}
	p = &r->out.parts[r->out.n++];
	*p = (struct eas_part){ .parent = EAS_NO_PART };
	if (r->depth > 0) {
		p->parent = r->levels[r->depth - 1].part;
		r->levels[r->depth - 1].children++;
	}
	p->path = path_below(r);
	return p;
}

/* "(" opens a body: a multipart where another one stands right behind it. */
static bool open_body(struct reader *r)
{
	struct eas_part *p;

	if (!starts_with(r, '('))
		return false;
	r->rest = span_skip(r->rest, 1);
	p = new_part(r);
	if (!p)
		return false;
	if (starts_with(r, '(')) {
		if (r->depth == sizeof(r->levels) / sizeof(r->levels[0]))
			return false;
		p->kind = EAS_PART_MULTIPART;
		p->type = SPAN_LIT("multipart");
		if (r->depth == 0)
			p->path = SPAN_LIT("");
		r->levels[r->depth++] = (struct level){ .part = r->out.n - 1 };
		return true;
	}
	if (!read_leaf(r, p) || !starts_with(r, ')'))
		return false;
	r->rest = span_skip(r->rest, 1);
	p->end = r->out.n;
	return true;
}

/* SP subtype SP params SP extension ")" */
static bool close_multipart(struct reader *r)
{
	struct eas_part *p = &r->out.parts[r->levels[r->depth - 1].part];

	if (!next_string(r, &p->subtype) || (starts_with(r, ' ') && !next_element(r, &p->params)) ||
	    !read_extension(r, p) || !starts_with(r, ')'))
		return false;
	r->rest = span_skip(r->rest, 1);
	p->end = r->out.n;
	r->depth--;
	return true;
}

int eas_structure_read(struct arena *a, struct span text, struct eas_structure *ret_structure)
{
	struct reader *r = arena_new(a, struct reader);
	bool ok;

	if (!r)
		return -POD_E_NOMEM;
	r->a = a;
	r->rest = text;
	ok = open_body(r);
	while (ok && r->depth > 0)
		ok = starts_with(r, '(') ? open_body(r) : close_multipart(r);
	if (r->failed < 0)
		return r->failed;
	if (!ok || r->rest.len > 0)
		return -POD_E_CORRUPT;
	*ret_structure = r->out;
	return 0;
}

bool eas_part_is(const struct eas_part *part, const char *type, const char *subtype)
{
	return span_eq_nocase(part->type, span_of(type)) && span_eq_nocase(part->subtype, span_of(subtype));
}

uint64_t eas_part_size(const struct eas_part *part)
{
	/* lines of 76 characters and a line end hold 57 bytes; of the last one only its groups of four count
	 */
	if (span_eq_nocase(part->encoding, SPAN_LIT("base64")))
		return part->octets / 78 * 57 + part->octets % 78 / 4 * 3;
	return part->octets;
}
