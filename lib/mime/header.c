#include "mime/header.h"

/* Length of the line at the start of s, its line end included. */
static size_t line_len(struct span s)
{
	size_t at = span_find_byte(s, '\n');

	return at == SIZE_MAX ? s.len : at + 1;
}

static bool is_empty_line(struct span s)
{
	return (s.len >= 1 && s.p[0] == '\n') || (s.len >= 2 && s.p[0] == '\r' && s.p[1] == '\n');
}

static size_t line_end_len(struct span line)
{
	if (line.len == 0 || line.p[line.len - 1] != '\n')
		return 0;
	return line.len >= 2 && line.p[line.len - 2] == '\r' ? 2 : 1;
}

/*
 * field-name = 1*ftext (RFC 5322 3.6.8: printable, no space, no colon), with obsolete space before the
 * colon (4.5). Returns the name's length, 0 where the line is no field ("From " of mbox, stray text).
 */
static size_t name_len(struct span line, size_t *ret_colon)
{
	size_t name = 0, i;

	while (name < line.len && line.p[name] > ' ' && line.p[name] < 0x7f && line.p[name] != ':')
		name++;
	for (i = name; i < line.len && (line.p[i] == ' ' || line.p[i] == '\t'); i++)
		;
	if (i == line.len || line.p[i] != ':')
		return 0;
	*ret_colon = i;
	return name;
}

bool mime_field_next(struct span *rest, struct mime_field *ret_field)
{
	struct span s = *rest;
	size_t len, name, colon = 0;

	if (s.len == 0)
		return false;
	if (is_empty_line(s)) {
		*rest = span_skip(s, line_len(s));
		return false;
	}
	len = line_len(s);
	while (len < s.len && (s.p[len] == ' ' || s.p[len] == '\t'))
		len += line_len(span_skip(s, len));

	*rest = span_skip(s, len);
	s.len = len;
	name = name_len(s, &colon);
	ret_field->whole = s;
	ret_field->name = span_head(s, name);
	s.len -= line_end_len(s);
	ret_field->value = name ? span_skip(s, colon + 1) : s;
	return true;
}

struct span mime_header_of(struct span entity)
{
	size_t at = 0;

	while (at < entity.len) {
		struct span line = span_skip(entity, at);

		at += line_len(line);
		if (is_empty_line(line))
			break;
	}
	return span_head(entity, at);
}

bool mime_field_find(struct span header, struct span name, struct mime_field *ret_field)
{
	struct mime_field f;

	while (mime_field_next(&header, &f)) {
		if (f.name.len && span_eq_nocase(f.name, name)) {
			*ret_field = f;
			return true;
		}
	}
	return false;
}

struct span mime_unfold(struct arena *a, struct span value)
{
	uint8_t *to;
	size_t n = 0;

	value = span_trim(value);
	if (span_find_byte(value, '\n') == SIZE_MAX && span_find_byte(value, '\r') == SIZE_MAX)
		return value;
	to = arena_alloc(a, value.len);
	if (!to)
		return SPAN_NONE;
	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n')
			to[n++] = value.p[i];
	return span_make(to, n);
}
