#include "base/span.h"

#include "base/err.h"

bool span_eq_nocase(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
			return false;
	return true;
}

bool span_starts_nocase(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq_nocase(span_head(s, prefix.len), prefix);
}

int span_cmp(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c != 0)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

size_t span_find_byte(struct span s, uint8_t c)
{
	const uint8_t *at = s.len ? memchr(s.p, c, s.len) : NULL;

	return at ? (size_t) (at - s.p) : SIZE_MAX;
}

size_t span_find(struct span s, struct span needle)
{
	const uint8_t *at;

	if (needle.len == 0)
		return 0;
	at = s.len ? memmem(s.p, s.len, needle.p, needle.len) : NULL;
	return at ? (size_t) (at - s.p) : SIZE_MAX;
}

size_t span_find_nocase(struct span s, struct span needle)
{
	if (needle.len == 0)
		return 0;
	for (size_t i = 0; i + needle.len <= s.len; i++)
		if (ascii_lower(s.p[i]) == ascii_lower(needle.p[0]) &&
		    span_eq_nocase((struct span){ s.p + i, needle.len }, needle))
			return i;
	return SIZE_MAX;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
	while (s.len && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

struct span span_split(struct span s, uint8_t c, struct span *rest)
{
	size_t at = span_find_byte(s, c);

	if (at == SIZE_MAX) {
		*rest = SPAN_NONE;
		return s;
	}
	*rest = span_skip(s, at + 1);
	return span_head(s, at);
}

int span_to_u64(struct span s, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (s.len == 0)
		return -POD_E_SYNTAX;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.p[i]) || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, s.p[i] - '0', &v))
			return -POD_E_SYNTAX;
	}
	*ret_value = v;
	return 0;
}

int span_to_u32(struct span s, uint32_t *ret_value)
{
	uint64_t v;
	int r = span_to_u64(s, &v);

	if (r < 0)
		return r;
	if (v > UINT32_MAX)
		return -POD_E_SYNTAX;
	*ret_value = (uint32_t) v;
	return 0;
}
