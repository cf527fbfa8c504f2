/* encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="   (RFC 2047 2, RFC 2231 5) */
#include "base/buf.h"
#include "mime/cfws.h"
#include "mime/charset.h"
#include "mime/header.h"
#include "mime/transfer.h"
#include "mime/utf8.h"

/*
 * RFC 2047 allows 75 bytes, but there are senders who put a whole subject into one word. Without a bound a
 * text full of openings would be searched to its end from each of them.
 */
#define WORD_MAX 8192

struct encoded_word {
	struct span charset, text;
	uint8_t encoding; /* 'b' or 'q' */
	size_t len;       /* of the whole word */
};

/* Senders leave spaces in encoded-text, so only the delimiters count. */
static bool read_word(struct span s, struct encoded_word *ret_word)
{
	struct span rest, charset, encoding, lang;
	size_t end;

	s = span_head(s, WORD_MAX);
	rest = span_skip(s, 2);
	if (s.len < 2 || s.p[0] != '=' || s.p[1] != '?')
		return false;
	charset = span_split(rest, '?', &rest);
	encoding = span_split(rest, '?', &rest);
	end = span_find(rest, SPAN_LIT("?="));
	if (!rest.p || charset.len == 0 || encoding.len != 1 || end == SIZE_MAX)
		return false;
	ret_word->encoding = ascii_lower(encoding.p[0]);
	ret_word->charset = span_split(charset, '*', &lang);
	ret_word->text = span_head(rest, end);
	ret_word->len = (size_t) (rest.p - s.p) + end + 2;
	return ret_word->encoding == 'b' || ret_word->encoding == 'q';
}

/* Where the next word may start at or behind `from`, or s.len. */
static size_t find_start(struct span s, size_t from)
{
	size_t at = span_find(span_skip(s, from), SPAN_LIT("=?"));

	return at == SIZE_MAX ? s.len : from + at;
}

static bool is_space(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!cfws_is_space(s.p[i]))
			return false;
	return true;
}

/* Where decoded text goes, and what makes UTF-8 of it. */
struct decoding {
	struct arena *a;
	charset_fn *to_utf8;
	struct buf out;
};

static void put_decoded(struct decoding *d, struct span charset, struct buf *bytes)
{
	struct span text = d->to_utf8(d->a, charset, buf_span(bytes));
	struct buf *out = &d->out;

	buf_add(out, text);
	buf_clear(bytes);
	if (bytes->failed || (text.len == 0 && !text.p))
		out->failed |= bytes->failed;
}

static void add_bytes(const struct encoded_word *w, struct buf *bytes)
{
	uint8_t *to = buf_reserve(bytes, w->text.len + 1);

	if (to)
		bytes->len += w->encoding == 'b' ? transfer_base64(w->text, to) : transfer_q(w->text, to);
}

/*
 * Decodes a run of words with nothing but white space between, which is not shown (RFC 2047 6.2). The bytes
 * of neighbours in one charset are joined first, for senders do split characters. Returns where the run ends.
 */
static size_t decode_run(struct decoding *d, struct span s, size_t at, struct encoded_word w)
{
	_cleanup_buf_ struct buf bytes = BUF_INIT;
	struct encoded_word next;
	size_t start;

	for (;;) {
		add_bytes(&w, &bytes);
		at += w.len;
		start = find_start(s, at);
		if (!is_space(span_make(s.p + at, start - at)) || !read_word(span_skip(s, start), &next))
			break;
		if (!span_eq_nocase(w.charset, next.charset))
			put_decoded(d, w.charset, &bytes);
		w = next;
		at = start;
	}
	put_decoded(d, w.charset, &bytes);
	return at;
}

/* Bytes outside of encoded words: UTF-8 (RFC 6532), or else what most such senders mean. */
static void put_plain(struct decoding *d, struct span s)
{
	buf_add(&d->out, utf8_is_valid(s) ? s : d->to_utf8(d->a, SPAN_LIT("windows-1252"), s));
}

static struct span decode(struct arena *a, struct span value, charset_fn *to_utf8)
{
	struct decoding d = { a, to_utf8, BUF_INIT };
	struct span s = mime_unfold(a, value), result;
	size_t plain = 0, at = find_start(s, 0);

	if (at == s.len && utf8_is_valid(s))
		return s;
	while (at < s.len) {
		struct encoded_word w;

		if (!read_word(span_skip(s, at), &w)) {
			at = find_start(s, at + 2);
			continue;
		}
		put_plain(&d, span_make(s.p + plain, at - plain));
		plain = decode_run(&d, s, at, w);
		at = find_start(s, plain);
	}
	put_plain(&d, span_skip(s, plain));
	result = d.out.failed ? SPAN_NONE : arena_dup(a, buf_span(&d.out));
	buf_done(&d.out);
	return result;
}

struct span mime_decode_text(struct arena *a, struct span value)
{
	return decode(a, value, charset_to_utf8);
}

struct span mime_decode_text_sandboxed(struct arena *a, struct span value)
{
	return decode(a, value, charset_to_utf8_sandboxed);
}
