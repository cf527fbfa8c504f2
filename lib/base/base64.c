#include "base/base64.h"

#include "base/err.h"

/* RFC 4648 4, table 1. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Number of '=' at the end: 0, 1 or 2; a third one is not padding and fails as a character. */
static size_t padding_of(struct span text)
{
	size_t n = 0;

	while (n < 2 && n < text.len && text.p[text.len - 1 - n] == '=')
		n++;
	return n;
}

/* One group of four; the characters past `used` count as zero bits. Negative where one is not base64. */
static int32_t group_value(const uint8_t *p, size_t used)
{
	int32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int v = i < used ? value_of(p[i]) : 0;

		if (v < 0)
			return -1;
		bits = bits << 6 | v;
	}
	return bits;
}

int base64_decode(struct arena *a, struct span text, struct span *ret_bytes)
{
	size_t pad = padding_of(text), len = text.len / 4 * 3 - pad;
	uint8_t *out;

	if (text.len % 4)
		return -POD_E_SYNTAX;
	out = arena_alloc(a, len + 1);
	if (!out)
		return -POD_E_NOMEM;
	for (size_t at = 0, to = 0; at < text.len; at += 4) {
		size_t used = at + 4 == text.len ? 4 - pad : 4;
		int32_t bits = group_value(text.p + at, used);

		/* Bits under the padding must be zero, or two texts would mean the same bytes (RFC 4648 3.5).
		 */
		if (bits < 0 || (used < 4 && (bits & ((1 << 8 * (4 - used)) - 1)) != 0))
			return -POD_E_SYNTAX;
		for (size_t i = 0; i < used - 1; i++)
			out[to++] = (uint8_t) (bits >> (16 - 8 * i));
	}
	*ret_bytes = span_make(out, len);
	return 0;
}

struct span base64_encode(struct arena *a, struct span bytes)
{
	size_t len = (bytes.len + 2) / 3 * 4, to = 0;
	uint8_t *out = arena_alloc(a, len + 1);

	if (!out)
		return SPAN_NONE;
	for (size_t at = 0; at < bytes.len; at += 3) {
		size_t n = bytes.len - at < 3 ? bytes.len - at : 3;
		uint32_t bits = 0;

		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 | (i < n ? bytes.p[at + i] : 0);
		for (size_t i = 0; i < 4; i++)
			out[to++] = i <= n ? (uint8_t) alphabet[bits >> (18 - 6 * i) & 63] : '=';
	}
	return span_make(out, len);
}
