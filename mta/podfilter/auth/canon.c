#include "mta/podfilter/auth/canon.h"

static int canon_of(struct span word, enum canon *ret)
{
	if (span_eq_nocase(word, SPAN_LIT("simple")))
		*ret = CANON_SIMPLE;
	else if (span_eq_nocase(word, SPAN_LIT("relaxed")))
		*ret = CANON_RELAXED;
	else
		return -POD_E_SYNTAX;
	return 0;
}

int canon_parse(struct span c, enum canon *ret_header, enum canon *ret_body)
{
	struct span body, header = span_trim(span_split(c, '/', &body));

	*ret_header = *ret_body = CANON_SIMPLE;
	if (c.len == 0)
		return 0;
	if (canon_of(header, ret_header) < 0)
		return -POD_E_SYNTAX;
	return body.p ? canon_of(span_trim(body), ret_body) : 0;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* RFC 6376 3.4.2: unfolded, runs of white space as one space, none at the ends. */
static void relaxed_value(struct buf *out, struct span value)
{
	bool blank = false, started = false;

	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.p[i];

		if (c == '\r' || c == '\n')
			continue;
		if (is_blank(c)) {
			blank = true;
			continue;
		}
		if (blank && started)
			buf_add_byte(out, ' ');
		buf_add_byte(out, c);
		blank = false;
		started = true;
	}
}

static void relaxed_name(struct buf *out, struct span name)
{
	name = span_trim(name);
	for (size_t i = 0; i < name.len; i++)
		buf_add_byte(out, ascii_lower(name.p[i]));
}

static void field_without_end(struct buf *out, enum canon canon, struct span name, struct span value)
{
	if (canon == CANON_RELAXED) {
		relaxed_name(out, name);
		buf_add_byte(out, ':');
		relaxed_value(out, value);
	} else {
		buf_add(out, name);
		buf_add_byte(out, ':');
		buf_add(out, value);
	}
}

void canon_field(struct buf *out, enum canon canon, const struct field *field)
{
	field_without_end(out, canon, field->name, field->value);
	buf_add_str(out, "\r\n");
}

/* Copies a signature's value without what b= holds; bh= and the rest stay as they are. */
static void value_without_b(struct buf *out, struct span value)
{
	while (value.p) {
		struct span rest, spec = span_split(value, ';', &rest), tail;
		struct span name = span_split(spec, '=', &tail);

		if (tail.p && span_eq(span_trim(name), SPAN_LIT("b"))) {
			buf_add(out, name);
			buf_add_byte(out, '=');
		} else {
			buf_add(out, spec);
		}
		if (rest.p)
			buf_add_byte(out, ';');
		value = rest;
	}
}

void canon_signature_field(struct buf *out, enum canon canon, const struct field *field)
{
	_cleanup_buf_ struct buf value = BUF_INIT;

	value_without_b(&value, field->value);
	if (value.failed)
		out->failed = true;
	field_without_end(out, canon, field->name, buf_span(&value));
}

static const struct field *lowest_unused(const struct fields *fields, bool *used, struct span name)
{
	for (size_t i = fields->n; i-- > 0;)
		if (!used[i] && span_eq_nocase(span_trim(fields->items[i].name), name)) {
			used[i] = true;
			return &fields->items[i];
		}
	return NULL;
}

#define SIGNED_NAMES_MAX 500 /* each of them walks the header */

int canon_signed_fields(struct buf *out, enum canon canon, const struct fields *fields, struct span names,
                        struct arena *a, struct err *err)
{
	bool *used = arena_array(a, fields->n + 1, sizeof(*used));
	size_t n = 0;

	if (!used)
		return err_set(err, POD_E_NOMEM, "signed fields");
	while (names.p) {
		struct span name = span_trim(span_split(names, ':', &names));
		const struct field *field = lowest_unused(fields, used, name);

		if (++n > SIGNED_NAMES_MAX)
			return err_set(err, POD_E_LIMIT, "h= has more than %d names", SIGNED_NAMES_MAX);
		if (field)
			canon_field(out, canon, field);
	}
	return out->failed ? err_set(err, POD_E_NOMEM, "signed fields") : 0;
}
