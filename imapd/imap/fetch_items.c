#include "imapd/imap/fetch_items.h"

#include "base/cleanup.h"
#include "storeproto/storeproto.h"

static const uint32_t kind_columns[] = {
	[FETCH_FLAGS] = STORE_COL_FLAGS,
	[FETCH_UID] = 0,
	[FETCH_INTERNALDATE] = STORE_COL_INTERNAL_DATE,
	[FETCH_SIZE] = STORE_COL_SIZE,
	[FETCH_ENVELOPE] = STORE_COL_ENVELOPE,
	[FETCH_BODYSTRUCTURE] = STORE_COL_BODYSTRUCTURE,
	[FETCH_BODY] = STORE_COL_BODYSTRUCTURE,
	[FETCH_MODSEQ] = STORE_COL_MODSEQ,
	[FETCH_SECTION] = 0,
};

bool imap_section_is_cached(const struct imap_section *section)
{
	if (section->path_n > 0 || section->what != MIME_SECTION_HEADER || section->fields != SECTION_FIELDS)
		return false;
	for (size_t i = 0; i < section->names_n; i++)
		if (!mime_field_is_cached(section->names[i]))
			return false;
	return true;
}

static int add_item(struct imap_parser *p, struct imap_fetch_items *f, struct imap_fetch_item item)
{
	if (f->n == IMAP_FETCH_ITEMS_MAX)
		return imap_parse_fail(p, "Too many items");
	if (!f->items)
		f->items = arena_array(p->a, IMAP_FETCH_ITEMS_MAX, sizeof(*f->items));
	if (!f->items)
		return -POD_E_NOMEM;
	f->items[f->n++] = item;
	f->columns |= kind_columns[item.kind];
	f->flags |= item.kind == FETCH_FLAGS;
	f->uid |= item.kind == FETCH_UID;
	f->modseq |= item.kind == FETCH_MODSEQ;
	return 0;
}

/* In front: what a client takes as the message's name should come before its bytes. */
int imap_fetch_items_add(struct imap_parser *p, struct imap_fetch_items *items, enum imap_fetch_kind kind)
{
	int r;

	for (size_t i = 0; i < items->n; i++)
		if (items->items[i].kind == kind)
			return 0;
	r = add_item(p, items, (struct imap_fetch_item){ .kind = kind });
	if (r < 0)
		return r;
	memmove(&items->items[1], &items->items[0], (items->n - 1) * sizeof(*items->items));
	items->items[0] = (struct imap_fetch_item){ .kind = kind };
	return 0;
}

static int add_section(struct imap_parser *p, struct imap_fetch_items *f, struct imap_section *s, bool peek)
{
	f->sets_seen |= !peek;
	if (imap_section_is_cached(s))
		f->columns |= STORE_COL_HEADERS;
	else
		f->bodies = true;
	return add_item(p, f, (struct imap_fetch_item){ FETCH_SECTION, s });
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static int parse_header_list(struct imap_parser *p, struct imap_section *s)
{
	int r = imap_parse_space(p);

	if (r == 0)
		r = imap_parse_byte(p, '(');
	if (r < 0)
		return r;
	s->names = arena_array(p->a, IMAP_FIELD_NAMES_MAX, sizeof(*s->names));
	if (!s->names)
		return -POD_E_NOMEM;
	do {
		if (s->names_n == IMAP_FIELD_NAMES_MAX)
			return imap_parse_fail(p, "Too many header fields");
		r = imap_parse_astring(p, &s->names[s->names_n++]);
	} while (r == 0 && imap_take_byte(p, ' '));
	return r == 0 ? imap_parse_byte(p, ')') : r;
}

/* section-part = nz-number *("." nz-number); the dot before a section-text is taken too */
static int parse_section_part(struct imap_parser *p, struct imap_section *s)
{
	s->path = arena_array(p->a, MIME_DEPTH_MAX, sizeof(*s->path));
	if (!s->path)
		return -POD_E_NOMEM;
	while (ascii_is_digit((uint8_t) imap_peek(p))) {
		int r;

		if (s->path_n == MIME_DEPTH_MAX)
			return imap_parse_fail(p, "Part number is too deep");
		r = imap_parse_nz_number(p, &s->path[s->path_n]);
		if (r < 0)
			return r;
		s->path_n++;
		if (!imap_take_byte(p, '.'))
			return 0;
		if (imap_peek(p) == ']')
			return imap_parse_fail(p, "Malformed part number");
	}
	return 0;
}

/*
 * section-text = section-msgtext / "MIME"
 * section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
 */
static int parse_section_text(struct imap_parser *p, struct imap_section *s)
{
	if (imap_take_word(p, "HEADER.FIELDS.NOT"))
		s->fields = SECTION_FIELDS_NOT;
	else if (imap_take_word(p, "HEADER.FIELDS"))
		s->fields = SECTION_FIELDS;
	else if (imap_take_word(p, "HEADER"))
		s->fields = SECTION_ALL_FIELDS;
	else if (imap_take_word(p, "TEXT"))
		s->what = MIME_SECTION_TEXT;
	else if (s->path_n > 0 && imap_take_word(p, "MIME"))
		s->what = MIME_SECTION_MIME;
	else
		return imap_parse_fail(p, "Unknown section");
	if (s->what == MIME_SECTION_BODY)
		s->what = MIME_SECTION_HEADER;
	return s->fields == SECTION_ALL_FIELDS ? 0 : parse_header_list(p, s);
}

/* section = "[" [section-spec] "]" */
static int parse_section_spec(struct imap_parser *p, struct imap_section *s)
{
	int r = parse_section_part(p, s);
	bool dot = s->path_n > 0 && p->in.p[-1] == '.';

	if (r == 0 && (dot || (s->path_n == 0 && imap_peek(p) != ']')))
		r = parse_section_text(p, s);
	return r == 0 ? imap_parse_byte(p, ']') : r;
}

/* ["<" number "." nz-number ">"] */
static int parse_partial(struct imap_parser *p, struct imap_section *s)
{
	int r;

	if (!imap_take_byte(p, '<'))
		return 0;
	s->partial = true;
	r = imap_parse_number(p, &s->partial_from);
	if (r == 0)
		r = imap_parse_byte(p, '.');
	if (r == 0)
		r = imap_parse_nz_number(p, &s->partial_len);
	return r == 0 ? imap_parse_byte(p, '>') : r;
}

/* Field names that came as literals, in the form they can be echoed in. */
static struct span respell_section(struct imap_parser *p, const struct imap_section *s, struct span spec)
{
	char *text = arena_printf(p->a, SPAN_FMT "(", SPAN_ARG(span_head(spec, span_find_byte(spec, '('))));

	for (size_t i = 0; text && i < s->names_n; i++) {
		for (size_t k = 0; k < s->names[i].len; k++)
			if (!imap_is_atom_byte(s->names[i].p[k]))
				return SPAN_NONE;
		text = arena_printf(p->a, "%s%s" SPAN_FMT, text, i ? " " : "", SPAN_ARG(s->names[i]));
	}
	return text ? span_of(arena_printf(p->a, "%s)]", text)) : SPAN_NONE;
}

/* The label names the section as the client did. */
static int label_section(struct imap_parser *p, struct imap_section *s, struct span spec)
{
	if (span_find_byte(spec, '\r') != SIZE_MAX)
		spec = respell_section(p, s, spec);
	if (!spec.p)
		return imap_parse_fail(p, "Invalid header field name");
	if (s->partial)
		s->label =
			span_of(arena_printf(p->a, "BODY" SPAN_FMT "<%u>", SPAN_ARG(spec), s->partial_from));
	else
		s->label = span_of(arena_printf(p->a, "BODY" SPAN_FMT, SPAN_ARG(spec)));
	return s->label.p ? 0 : -POD_E_NOMEM;
}

/* fetch-att = "BODY" [".PEEK"] section ["<" number "." nz-number ">"]; the "[" is next */
static int parse_body_section(struct imap_parser *p, struct imap_fetch_items *f, bool peek)
{
	struct imap_section *s = arena_new(p->a, struct imap_section);
	const uint8_t *start = p->in.p;
	struct span spec;
	int r;

	if (!s)
		return -POD_E_NOMEM;
	p->in = span_skip(p->in, 1);
	r = parse_section_spec(p, s);
	spec = span_make(start, (size_t) (p->in.p - start));
	if (r == 0)
		r = parse_partial(p, s);
	if (r == 0)
		r = label_section(p, s, spec);
	return r == 0 ? add_section(p, f, s, peek) : r;
}

/* The items of RFC 822 are sections under other names. */
static int add_rfc822(struct imap_parser *p, struct imap_fetch_items *f, const char *label,
                      enum mime_section what, bool peek)
{
	struct imap_section *s = arena_new(p->a, struct imap_section);

	if (!s)
		return -POD_E_NOMEM;
	s->what = what;
	s->label = span_of(label);
	return add_section(p, f, s, peek);
}

static int parse_fetch_att(struct imap_parser *p, struct imap_fetch_items *f)
{
	static const struct {
		const char *name;
		enum imap_fetch_kind kind;
	} plain[] = {
		{ "FLAGS", FETCH_FLAGS },       { "UID", FETCH_UID },
		{ "ENVELOPE", FETCH_ENVELOPE }, { "INTERNALDATE", FETCH_INTERNALDATE },
		{ "RFC822.SIZE", FETCH_SIZE },  { "BODYSTRUCTURE", FETCH_BODYSTRUCTURE },
		{ "MODSEQ", FETCH_MODSEQ },
	};

	if (span_starts_nocase(p->in, SPAN_LIT("BODY["))) {
		p->in = span_skip(p->in, 4);
		return parse_body_section(p, f, false);
	}
	if (span_starts_nocase(p->in, SPAN_LIT("BODY.PEEK["))) {
		p->in = span_skip(p->in, 9);
		return parse_body_section(p, f, true);
	}
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (imap_take_word(p, plain[i].name))
			return add_item(p, f, (struct imap_fetch_item){ .kind = plain[i].kind });
	if (imap_take_word(p, "BODY"))
		return add_item(p, f, (struct imap_fetch_item){ .kind = FETCH_BODY });
	if (imap_take_word(p, "RFC822.HEADER"))
		return add_rfc822(p, f, "RFC822.HEADER", MIME_SECTION_HEADER, true);
	if (imap_take_word(p, "RFC822.TEXT"))
		return add_rfc822(p, f, "RFC822.TEXT", MIME_SECTION_TEXT, false);
	if (imap_take_word(p, "RFC822"))
		return add_rfc822(p, f, "RFC822", MIME_SECTION_BODY, false);
	return imap_parse_fail(p, "Unknown FETCH item");
}

static bool take_macro(struct imap_parser *p, const enum imap_fetch_kind **ret_kinds, size_t *ret_n)
{
	static const enum imap_fetch_kind kinds[] = { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE,
		                                      FETCH_ENVELOPE, FETCH_BODY };
	static const struct {
		const char *name;
		size_t n;
	} macros[] = { { "FAST", 3 }, { "ALL", 4 }, { "FULL", 5 } };

	for (size_t i = 0; i < ARRAY_SIZE(macros); i++)
		if (imap_take_word(p, macros[i].name)) {
			*ret_kinds = kinds;
			*ret_n = macros[i].n;
			return true;
		}
	return false;
}

int imap_fetch_items_parse(struct imap_parser *p, struct imap_fetch_items *ret_items)
{
	struct imap_fetch_items f = { 0 };
	const enum imap_fetch_kind *kinds = NULL;
	size_t n = 0;
	int r = 0;

	if (take_macro(p, &kinds, &n)) {
		for (size_t i = 0; r == 0 && i < n; i++)
			r = add_item(p, &f, (struct imap_fetch_item){ .kind = kinds[i] });
	} else if (imap_take_byte(p, '(')) {
		do {
			r = parse_fetch_att(p, &f);
		} while (r == 0 && imap_take_byte(p, ' '));
		if (r == 0)
			r = imap_parse_byte(p, ')');
	} else {
		r = parse_fetch_att(p, &f);
	}
	if (r == 0)
		*ret_items = f;
	return r;
}
