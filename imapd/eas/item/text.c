#include "imapd/eas/item/text.h"

#include "mime/utf8.h"

static bool is_control(uint8_t c)
{
	return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f;
}

/* U+FFFE and U+FFFF are no characters of XML either. */
static bool is_noncharacter(struct span c)
{
	return c.len == 3 && c.p[0] == 0xef && c.p[1] == 0xbf && c.p[2] >= 0xbe;
}

/* How much of the text is clean from its start. */
static size_t clean_len(struct span text)
{
	size_t i = 0;

	while (i < text.len) {
		size_t n = text.p[i] < 0x80 ? !is_control(text.p[i]) : utf8_char_len(span_skip(text, i));

		if (n == 0 || is_noncharacter(span_make(text.p + i, n)))
			break;
		i += n;
	}
	return i;
}

struct span eas_text_clean(struct arena *a, struct span text)
{
	static const uint8_t replacement[] = { 0xef, 0xbf, 0xbd };
	size_t from = clean_len(text), n;
	uint8_t *out;

	if (from == text.len)
		return text;
	out = arena_alloc(a, from + sizeof(replacement) * (text.len - from));
	if (!out)
		return SPAN_NONE;
	memcpy(out, text.p, from);
	n = from;
	for (struct span rest = span_skip(text, from); rest.len > 0;) {
		size_t clean = clean_len(rest);

		memcpy(out + n, rest.p, clean);
		n += clean;
		rest = span_skip(rest, clean);
		if (rest.len > 0 && rest.p[0] >= 0x80) {
			memcpy(out + n, replacement, sizeof(replacement));
			n += sizeof(replacement);
		}
		rest = span_skip(rest, 1);
	}
	return span_make(out, n);
}

struct span eas_text_cut(struct span text, uint64_t max)
{
	size_t n = (size_t) max;

	if (max >= text.len)
		return text;
	while (n > 0 && max - n < 3 && (text.p[n] & 0xc0) == 0x80)
		n--;
	return span_head(text, n);
}

/* Length of the white space at the start of s, U+00A0 among it. */
static size_t space_len(struct span s)
{
	if (s.len > 1 && s.p[0] == 0xc2 && s.p[1] == 0xa0)
		return 2;
	return s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n');
}

struct span eas_text_preview(struct arena *a, struct span text, unsigned int max_chars)
{
	uint8_t *out = arena_alloc(a, 4 * (size_t) max_chars + 1);
	unsigned int chars = 0;
	bool space = false;
	size_t n = 0;

	if (!out)
		return SPAN_NONE;
	while (text.len > 0 && chars < max_chars) {
		size_t white = space_len(text), len = utf8_char_len(text);

		if (white > 0) {
			space = n > 0;
			text = span_skip(text, white);
			continue;
		}
		if (space) {
			out[n++] = ' ';
			space = false;
			if (++chars == max_chars)
				break;
		}
		if (len == 0)
			len = 1; /* the caller's text was not clean */
		memcpy(out + n, text.p, len);
		n += len;
		chars++;
		text = span_skip(text, len);
	}
	return span_make(out, n);
}
