#include "mime/mutf7.h"

#include "base/err.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* ---- UTF-8 ---- */

/*
 * UTF8-2, UTF8-3 and UTF8-4 of RFC 3629: the least value for each length keeps overlong forms out.
 * Returns the bytes taken, 0 where they are not UTF-8.
 */
static size_t utf8_take(struct span s, uint32_t *ret_char)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t lead = s.p[0];
	size_t n = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 0;
	uint32_t c;

	if (n == 0 || n > s.len)
		return 0;
	c = n == 1 ? lead : lead & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s.p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s.p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) || c == 0)
		return 0;
	*ret_char = c;
	return n;
}

static void utf8_put(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_add_byte(out, (uint8_t) c);
		return;
	}
	if (c < 0x800) {
		buf_add_byte(out, (uint8_t) (0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			buf_add_byte(out, (uint8_t) (0xe0 | c >> 12));
		} else {
			buf_add_byte(out, (uint8_t) (0xf0 | c >> 18));
			buf_add_byte(out, (uint8_t) (0x80 | (c >> 12 & 0x3f)));
		}
		buf_add_byte(out, (uint8_t) (0x80 | (c >> 6 & 0x3f)));
	}
	buf_add_byte(out, (uint8_t) (0x80 | (c & 0x3f)));
}

/* ---- encoding ---- */

/* A shifted run: UTF-16 units as a stream of bits, six to a character, the last ones filled with zeros. */
struct shift {
	struct buf *out;
	uint32_t bits;
	unsigned int bits_n;
	bool open;
};

static void shift_unit(struct shift *sh, uint16_t unit)
{
	if (!sh->open)
		buf_add_byte(sh->out, '&');
	sh->open = true;
	sh->bits = (sh->bits << 16 | unit) & 0x3fffff; /* at most 5 bits wait here */
	sh->bits_n += 16;
	while (sh->bits_n >= 6) {
		sh->bits_n -= 6;
		buf_add_byte(sh->out, (uint8_t) alphabet[sh->bits >> sh->bits_n & 0x3f]);
	}
}

static void shift_close(struct shift *sh)
{
	if (!sh->open)
		return;
	if (sh->bits_n)
		buf_add_byte(sh->out, (uint8_t) alphabet[sh->bits << (6 - sh->bits_n) & 0x3f]);
	buf_add_byte(sh->out, '-');
	*sh = (struct shift){ .out = sh->out };
}

static bool is_direct(uint32_t c, const char *also)
{
	return c >= 0x20 && c <= 0x7e && !strchr(also, (int) c);
}

int mutf7_encode(struct span utf8, const char *also, struct buf *out)
{
	struct shift sh = { .out = out };

	while (utf8.len) {
		uint32_t c = 0;
		size_t n = utf8_take(utf8, &c);

		if (n == 0)
			return -POD_E_SYNTAX;
		utf8 = span_skip(utf8, n);
		if (is_direct(c, also)) {
			shift_close(&sh);
			buf_add_byte(out, (uint8_t) c);
			if (c == '&')
				buf_add_byte(out, '-');
		} else if (c < 0x10000) {
			shift_unit(&sh, (uint16_t) c);
		} else {
			shift_unit(&sh, (uint16_t) (0xd800 | (c - 0x10000) >> 10));
			shift_unit(&sh, (uint16_t) (0xdc00 | (c & 0x3ff)));
		}
	}
	shift_close(&sh);
	return out->failed ? -POD_E_LIMIT : 0;
}

/* ---- decoding ---- */

static int base64_value(uint8_t c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int) (at - alphabet) : -1;
}

/* One UTF-16 unit; *high is the first half of a pair that waits for its second, or 0. */
static int unit_put(struct buf *out, uint32_t unit, uint32_t *high)
{
	if (*high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return -POD_E_SYNTAX;
		utf8_put(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
		*high = 0;
		return 0;
	}
	if (unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return -POD_E_SYNTAX;
	if (unit >= 0xd800 && unit <= 0xdbff)
		*high = unit;
	else
		utf8_put(out, unit);
	return 0;
}

/* What stands between '&' and '-'. */
static int decode_shifted(struct span base64, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned int bits_n = 0;

	for (size_t i = 0; i < base64.len; i++) {
		int v = base64_value(base64.p[i]);

		if (v < 0)
			return -POD_E_SYNTAX;
		bits = (bits << 6 | (uint32_t) v) & 0x3fffff;
		bits_n += 6;
		if (bits_n >= 16) {
			bits_n -= 16;
			if (unit_put(out, bits >> bits_n & 0xffff, &high) < 0)
				return -POD_E_SYNTAX;
		}
	}
	/* Fewer than six bits may be left, all zero: anything else is a spelling nobody else would use. */
	return high || bits_n >= 6 || (bits & ((1u << bits_n) - 1)) ? -POD_E_SYNTAX : 0;
}

int mutf7_decode(struct span text, struct buf *out)
{
	while (text.len) {
		uint8_t c = text.p[0];
		struct span rest, base64;

		if (c < 0x20 || c > 0x7e)
			return -POD_E_SYNTAX;
		text = span_skip(text, 1);
		if (c != '&') {
			buf_add_byte(out, c);
			continue;
		}
		base64 = span_split(text, '-', &rest);
		if (!rest.p)
			return -POD_E_SYNTAX;
		if (base64.len == 0)
			buf_add_byte(out, '&');
		else if (decode_shifted(base64, out) < 0)
			return -POD_E_SYNTAX;
		text = rest;
	}
	return out->failed ? -POD_E_LIMIT : 0;
}
