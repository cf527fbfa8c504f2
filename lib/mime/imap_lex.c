#include "mime/imap_lex.h"

#include <string.h>

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE */
static size_t quoted_len(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '"')
			return i + 1;
		if (s.p[i] == '\\')
			i++;
	}
	return 0;
}

/* literal = "{" number "}" CRLF *CHAR8 */
static size_t literal_len(struct span s, size_t *ret_head)
{
	size_t close = span_find_byte(s, '}');
	uint64_t n;

	if (close == SIZE_MAX || span_to_u64(span_make(s.p + 1, close - 1), &n) < 0)
		return 0;
	if (s.len < close + 3 || s.p[close + 1] != '\r' || s.p[close + 2] != '\n' || n > s.len - close - 3)
		return 0;
	if (ret_head)
		*ret_head = close + 3;
	return close + 3 + (size_t) n;
}

static size_t atom_len(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.p[n] > ' ' && !strchr("(){\"", s.p[n]))
		n++;
	return n;
}

size_t imap_string_len(struct span s, size_t *ret_head)
{
	if (s.len == 0)
		return 0;
	if (s.p[0] == '"')
		return quoted_len(s);
	return s.p[0] == '{' ? literal_len(s, ret_head) : atom_len(s);
}

size_t imap_element_len(struct span s, size_t depth_max)
{
	size_t depth = 0, i = 0;

	do {
		size_t n = 1;

		if (i == s.len)
			return 0;
		if (s.p[i] == '(') {
			if (++depth > depth_max)
				return 0;
		} else if (s.p[i] == ')') {
			if (depth-- == 0)
				return 0;
		} else if (s.p[i] != ' ' || depth == 0) {
			n = imap_string_len(span_skip(s, i), NULL);
		}
		if (n == 0)
			return 0;
		i += n;
	} while (depth);
	return i;
}
