#include "mime/imap_text.h"

static bool fits_quoted(struct span s, size_t *ret_escapes)
{
	size_t escapes = 0;

	if (s.len > IMAP_QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.p[i];

		if (c >= 0x80 || c == '\0' || c == '\r' || c == '\n')
			return false;
		escapes += c == '"' || c == '\\';
	}
	*ret_escapes = escapes;
	return true;
}

static void put_literal(struct buf *out, struct span s)
{
	uint8_t *to;

	buf_printf(out, "{%zu}\r\n", s.len);
	to = buf_reserve(out, s.len);
	if (!to)
		return;
	for (size_t i = 0; i < s.len; i++)
		to[i] = s.p[i] ? s.p[i] : '?';
	out->len += s.len;
}

static void put_escaped(uint8_t *to, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			*to++ = '\\';
		*to++ = s.p[i];
	}
}

void imap_put_string(struct buf *out, struct span s)
{
	size_t escapes;
	uint8_t *to;

	if (!fits_quoted(s, &escapes)) {
		put_literal(out, s);
		return;
	}
	to = buf_reserve(out, s.len + escapes + 2);
	if (!to)
		return;
	to[0] = '"';
	if (escapes)
		put_escaped(to + 1, s);
	else if (s.len)
		memcpy(to + 1, s.p, s.len);
	to[s.len + escapes + 1] = '"';
	out->len += s.len + escapes + 2;
}

void imap_put_nstring(struct buf *out, struct span s)
{
	if (s.p)
		imap_put_string(out, s);
	else
		buf_add(out, SPAN_LIT("NIL"));
}

void imap_put_lower(struct buf *out, struct span s)
{
	size_t from = out->len;

	imap_put_string(out, s);
	for (size_t i = from; i < out->len; i++)
		out->p[i] = ascii_lower(out->p[i]);
}
