#include "mime/cfws.h"

size_t cfws_comment_len(struct span s)
{
	size_t depth = 0, i = 0;

	while (i < s.len) {
		uint8_t c = s.p[i++];

		if (c == '\\' && i < s.len)
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	return i;
}

size_t cfws_quoted_len(struct span s)
{
	size_t i = 1;

	while (i < s.len && s.p[i] != '"')
		i += s.p[i] == '\\' && i + 1 < s.len ? 2 : 1;
	return i < s.len ? i + 1 : s.len;
}

void cfws_skip(struct span *s)
{
	size_t i = 0;

	while (i < s->len) {
		if (cfws_is_space(s->p[i]))
			i++;
		else if (s->p[i] == '(')
			i += cfws_comment_len(span_skip(*s, i));
		else
			break;
	}
	*s = span_skip(*s, i);
}

static bool needs_copy(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == '\\' || s.p[i] == '\r' || s.p[i] == '\n')
			return true;
	return false;
}

struct span cfws_unquote(struct arena *a, struct span inner)
{
	uint8_t *to;
	size_t n = 0;

	if (!needs_copy(inner))
		return inner;
	to = arena_alloc(a, inner.len);
	if (!to)
		return SPAN_NONE;
	for (size_t i = 0; i < inner.len; i++) {
		if (inner.p[i] == '\\' && i + 1 < inner.len)
			i++;
		else if (inner.p[i] == '\r' || inner.p[i] == '\n' || inner.p[i] == '\\')
			continue;
		to[n++] = inner.p[i];
	}
	return span_make(to, n);
}
