#include "conf/utf8.h"

/* The length of the character at the start of s, 0 where it is none; RFC 3629 section 4. */
static size_t char_len(struct span s)
{
	static const struct {
		uint8_t first, last, second_low, second_high;
		size_t len;
	} rows[] = {
		{ 0x20, 0x7e, 0, 0, 1 },       { 0xc2, 0xc2, 0xa0, 0xbf, 2 }, /* U+0080..9F are controls */
		{ 0xc3, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (s.p[0] < rows[i].first || s.p[0] > rows[i].last)
			continue;
		if (s.len < rows[i].len)
			return 0;
		if (rows[i].len > 1 && (s.p[1] < rows[i].second_low || s.p[1] > rows[i].second_high))
			return 0;
		for (size_t k = 2; k < rows[i].len; k++)
			if ((s.p[k] & 0xc0) != 0x80)
				return 0;
		return rows[i].len;
	}
	return 0;
}

bool utf8_is_text(struct span s)
{
	while (s.len) {
		size_t n = char_len(s);

		if (n == 0)
			return false;
		s = span_skip(s, n);
	}
	return true;
}

bool utf8_encode(uint32_t point, struct buf *out)
{
	if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return false;
	if (point < 0x80) {
		buf_add_byte(out, (uint8_t) point);
		return true;
	}
	if (point < 0x800) {
		buf_add_byte(out, (uint8_t) (0xc0 | point >> 6));
	} else if (point < 0x10000) {
		buf_add_byte(out, (uint8_t) (0xe0 | point >> 12));
		buf_add_byte(out, (uint8_t) (0x80 | (point >> 6 & 0x3f)));
	} else {
		buf_add_byte(out, (uint8_t) (0xf0 | point >> 18));
		buf_add_byte(out, (uint8_t) (0x80 | (point >> 12 & 0x3f)));
		buf_add_byte(out, (uint8_t) (0x80 | (point >> 6 & 0x3f)));
	}
	buf_add_byte(out, (uint8_t) (0x80 | (point & 0x3f)));
	return true;
}
