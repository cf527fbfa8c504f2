/*
 *   authres-payload = [CFWS] authserv-id [ [CFWS] authres-version ] ( no-result / 1*resinfo ) ...
 *   authserv-id     = value          value = token / quoted-string
 */
#include "mta/podfilter/auth/results/results.h"

/* Comments may nest; how deep they do is counted, not followed. */
static struct span skip_comment(struct span s)
{
	size_t depth = 0, i = 0;

	for (; i < s.len; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return span_skip(s, i + 1);
	}
	return span_skip(s, i);
}

static struct span skip_cfws(struct span s)
{
	while (s.len) {
		if (s.p[0] == '(')
			s = skip_comment(s);
		else if (memchr(" \t\r\n", s.p[0], 4))
			s = span_skip(s, 1);
		else
			break;
	}
	return s;
}

static struct span quoted(struct arena *a, struct span s)
{
	uint8_t *to = arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 1; to && i < s.len && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		to[n++] = s.p[i];
	}
	return span_make(to, n);
}

/* Up to the next semicolon that is neither in a comment nor in quotes. */
static struct span take_part(struct span *rest)
{
	struct span s = *rest, left = s;
	bool quote = false;

	while (left.len && (quote || left.p[0] != ';')) {
		if (!quote && left.p[0] == '(') {
			left = skip_comment(left);
			continue;
		}
		if (left.p[0] == '"')
			quote = !quote;
		left = span_skip(left, quote && left.p[0] == '\\' ? 2 : 1);
	}
	*rest = left.len ? span_skip(left, 1) : SPAN_NONE;
	return span_head(s, s.len - left.len);
}

static struct span take_keyword(struct span *s)
{
	struct span word = skip_cfws(*s);
	size_t n = 0;

	while (n < word.len && (ascii_is_alpha(word.p[n]) || ascii_is_digit(word.p[n]) || word.p[n] == '-'))
		n++;
	*s = skip_cfws(span_skip(word, n));
	return span_head(word, n);
}

/* methodspec = [CFWS] method [CFWS] "=" [CFWS] result; a version of the method, "/1", is nobody's. */
bool results_say(struct span results, struct span method, struct span result)
{
	while (results.len) {
		struct span part = take_part(&results);

		if (!span_eq_nocase(take_keyword(&part), method) || part.len == 0 || part.p[0] != '=')
			continue;
		part = span_skip(part, 1);
		return span_eq_nocase(take_keyword(&part), result);
	}
	return false;
}

struct span results_authserv_id(struct arena *a, struct span value)
{
	struct span s = skip_cfws(value);
	size_t n = 0;

	if (s.len && s.p[0] == '"')
		return quoted(a, s);
	while (n < s.len && !memchr(" \t\r\n;(", s.p[n], 6))
		n++;
	return span_head(s, n);
}
