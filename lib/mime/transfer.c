#include "mime/transfer.h"

static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Padding in the middle begins afresh: some join two encoded texts into one body. */
size_t transfer_base64(struct span in, uint8_t *to)
{
	uint32_t bits = 0;
	unsigned int have = 0;
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		int v = base64_value(in.p[i]);

		if (v < 0) {
			if (in.p[i] == '=')
				have = 0;
			continue;
		}
		bits = bits << 6 | (uint32_t) v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (uint8_t) (bits >> have);
		}
	}
	return n;
}

/* The byte of "=XX" at the start of s, -1 where it is none. */
static int hex_pair(struct span s)
{
	return s.len >= 3 ? ascii_hex_pair(s.p + 1) : -1;
}

/* Length of a soft line break "=" *transport-padding line-end, 0 where there is none. */
static size_t soft_break_len(struct span s)
{
	size_t i = 1;

	while (i < s.len && (s.p[i] == ' ' || s.p[i] == '\t' || s.p[i] == '\r'))
		i++;
	if (i == s.len)
		return i;
	return s.p[i] == '\n' ? i + 1 : 0;
}

/* White space at the end of a line was added on the way (RFC 2045 6.7 rule 3); n is what stands in `to`. */
static size_t trim_line(const uint8_t *to, size_t n, size_t from)
{
	while (n > from && (to[n - 1] == ' ' || to[n - 1] == '\t'))
		n--;
	return n;
}

size_t transfer_quoted_printable(struct span in, uint8_t *to)
{
	size_t n = 0, i = 0, keep = 0; /* what is in `to` before keep was encoded and is not trimmed */

	while (i < in.len) {
		struct span here = span_skip(in, i);
		size_t soft = here.p[0] == '=' ? soft_break_len(here) : 0;
		int byte = here.p[0] == '=' ? hex_pair(here) : -1;

		if (soft) {
			i += soft;
			keep = n;
		} else if (byte >= 0) {
			to[n++] = (uint8_t) byte;
			i += 3;
			keep = n;
		} else {
			if (here.p[0] == '\n' || (here.p[0] == '\r' && here.len > 1 && here.p[1] == '\n'))
				n = trim_line(to, n, keep);
			to[n++] = here.p[0];
			i++;
		}
	}
	return n;
}

size_t transfer_q(struct span in, uint8_t *to)
{
	size_t n = 0, i = 0;

	while (i < in.len) {
		int byte = in.p[i] == '=' ? hex_pair(span_skip(in, i)) : -1;

		to[n++] = byte >= 0 ? (uint8_t) byte : in.p[i] == '_' ? ' ' : in.p[i];
		i += byte >= 0 ? 3 : 1;
	}
	return n;
}
