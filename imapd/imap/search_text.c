#include "imapd/imap/search_text.h"

/*
 * Simple case folding for the scripts that have case and two-byte UTF-8 (Latin with accents, Greek,
 * Cyrillic, Armenian): there the lower-case letter is found by arithmetic and has the same length, so that
 * folding is one pass in place. What is beyond is compared as it is.
 */
static uint32_t fold_two_bytes(uint32_t c)
{
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if (c >= 0x531 && c <= 0x556)
		return c + 48;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c & 1 ? c + 1 : c;
	if ((c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) || (c >= 0x14a && c <= 0x177) ||
	    (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f))
		return c | 1;
	switch (c) {
	case 0x178: return 0xff;
	case 0x386: return 0x3ac;
	case 0x388:
	case 0x389:
	case 0x38a: return c + 37;
	case 0x38c: return 0x3cc;
	case 0x38e:
	case 0x38f: return c + 63;
	case 0x3c2: return 0x3c3; /* final sigma */
	default: return c;
	}
}

struct span search_text_fold(struct arena *a, struct span text)
{
	uint8_t *out = arena_alloc(a, text.len + 1);

	if (!out)
		return SPAN_NONE;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];

		if (c >= 0xc3 && c <= 0xdf && i + 1 < text.len && (text.p[i + 1] & 0xc0) == 0x80) {
			uint32_t folded = fold_two_bytes((uint32_t) (c & 0x1f) << 6 | (text.p[i + 1] & 0x3f));

			out[i++] = (uint8_t) (0xc0 | folded >> 6);
			out[i] = (uint8_t) (0x80 | (folded & 0x3f));
		} else {
			out[i] = ascii_lower(c);
		}
	}
	return span_make(out, text.len);
}

bool search_text_has(struct arena *scratch, struct span text, struct span needle)
{
	struct span folded;

	if (needle.len == 0)
		return true;
	if (text.len < needle.len)
		return false;
	folded = search_text_fold(scratch, text);
	return folded.p && memmem(folded.p, folded.len, needle.p, needle.len) != NULL;
}
