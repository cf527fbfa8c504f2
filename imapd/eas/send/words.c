#include "imapd/eas/send/words.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "mime/utf8.h"

#define WORD_BYTES 42 /* 56 as base64, with the frame below the 75 of RFC 2047 section 2 */
#define ARENA      4096

static uint8_t clean(uint8_t c)
{
	return c < ' ' || c == 0x7f ? ' ' : c;
}

static bool is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] > 0x7f)
			return false;
	return true;
}

static void put_quoted(struct buf *out, struct span s)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, clean(s.p[i]));
	}
	buf_add_byte(out, '"');
}

/* Whole characters that fit in a word; a byte that is none counts as one. */
static size_t word_len(struct span s)
{
	size_t n = 0;

	while (n < s.len) {
		size_t len = utf8_char_len(span_skip(s, n));

		if (n + (len ? len : 1) > WORD_BYTES)
			break;
		n += len ? len : 1;
	}
	return n;
}

static void put_encoded(struct buf *out, struct span s)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA);

	out->failed = out->failed || !a;
	while (a && s.len) {
		size_t len = word_len(s);

		buf_add_str(out, "=?utf-8?B?");
		buf_add(out, base64_encode(a, span_head(s, len)));
		buf_add_str(out, "?=");
		s = span_skip(s, len);
		if (s.len)
			buf_add_str(out, "\r\n ");
		arena_reset(a);
	}
}

static void put_clean(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_add_byte(out, clean(s.p[i]));
}

void words_put_phrase(struct buf *out, struct span utf8)
{
	if (!is_ascii(utf8))
		put_encoded(out, utf8);
	else if (span_find(utf8, SPAN_LIT("=?")) != SIZE_MAX)
		put_clean(out, utf8);
	else
		put_quoted(out, utf8);
}

void words_put_text(struct buf *out, struct span utf8)
{
	if (is_ascii(utf8))
		put_clean(out, utf8);
	else
		put_encoded(out, utf8);
}
