#include "mime/utf8.h"

static bool is_tail(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/* The range of the second byte narrows after these lead bytes (RFC 3629 section 4). */
static bool second_is_in_range(uint8_t lead, uint8_t second)
{
	switch (lead) {
	case 0xe0: return second >= 0xa0;
	case 0xed: return second <= 0x9f;
	case 0xf0: return second >= 0x90;
	case 0xf4: return second <= 0x8f;
	default: return true;
	}
}

size_t utf8_char_len(struct span s)
{
	size_t n;

	if (s.len == 0)
		return 0;
	if (s.p[0] < 0x80)
		return 1;
	if (s.p[0] < 0xc2 || s.p[0] > 0xf4)
		return 0;
	n = s.p[0] < 0xe0 ? 2 : s.p[0] < 0xf0 ? 3 : 4;
	if (s.len < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (!is_tail(s.p[i]))
			return 0;
	return second_is_in_range(s.p[0], s.p[1]) ? n : 0;
}

bool utf8_is_valid(struct span s)
{
	while (s.len) {
		size_t n = utf8_char_len(s);

		if (n == 0)
			return false;
		s = span_skip(s, n);
	}
	return true;
}
