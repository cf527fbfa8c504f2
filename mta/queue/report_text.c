/* How a report's words become mail that every server takes: RFC 2047 in header fields, quoted-printable below. */
#include "mta/queue/report.h"

#define QUOTED_LINE_MAX 75 /* RFC 2045 6.7: 76 with the "=" of a soft break */
#define WORD_BYTES_MAX 20 /* of an encoded word, before it is encoded: three characters for each at worst */

bool report_is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] & 0x80)
			return false;
	return true;
}

/* Where an encoded word ends: it has 75 characters at most, and no character is split over two (RFC 2047 2, 5). */
static size_t word_len(struct span s)
{
	size_t n = s.len < WORD_BYTES_MAX ? s.len : WORD_BYTES_MAX;

	while (n < s.len && n > 1 && (s.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static bool is_plain_in_word(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '!';
}

void report_add_words(struct buf *out, const char *utf8)
{
	struct span rest = span_of(utf8);

	if (report_is_ascii(rest)) {
		buf_add(out, rest);
		return;
	}
	while (rest.len) {
		struct span word = span_head(rest, word_len(rest));

		buf_add_str(out, "=?utf-8?q?");
		for (size_t i = 0; i < word.len; i++) {
			if (word.p[i] == ' ')
				buf_add_byte(out, '_');
			else if (is_plain_in_word(word.p[i]))
				buf_add_byte(out, word.p[i]);
			else
				buf_printf(out, "=%02X", word.p[i]);
		}
		buf_add_str(out, "?=");
		rest = span_skip(rest, word.len);
		if (rest.len)
			buf_add_str(out, "\r\n ");
	}
}

static bool is_line_end(struct span s, size_t at)
{
	return at == s.len || s.p[at] == '\n' || (s.p[at] == '\r' && at + 1 < s.len && s.p[at + 1] == '\n');
}

void report_add_quoted(struct buf *out, struct span text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];
		bool plain = c >= ' ' && c <= '~' && c != '=' && !(c == ' ' && is_line_end(text, i + 1)) &&
		             !(c == '.' && column == 0);

		if (is_line_end(text, i)) {
			buf_add_str(out, "\r\n");
			column = 0;
			i += c == '\r';
			continue;
		}
		if (column + (plain ? 1 : 3) > QUOTED_LINE_MAX) {
			buf_add_str(out, "=\r\n");
			column = 0;
		}
		if (plain)
			buf_add_byte(out, c);
		else
			buf_printf(out, "=%02X", c);
		column += plain ? 1 : 3;
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* xtext = *( xchar / hexchar ), hexchar = "+" and two upper-case digits. */
void report_add_from_xtext(struct buf *out, const char *xtext)
{
	for (const char *p = xtext; *p; p++) {
		int c = (uint8_t) *p;

		if (*p == '+' && hex_value(p[1]) >= 0 && hex_value(p[2]) >= 0) {
			c = 16 * hex_value(p[1]) + hex_value(p[2]);
			p += 2;
		}
		buf_add_byte(out, c < ' ' || c >= 0x7f ? '?' : (uint8_t) c);
	}
}
