#include "imapd/eas/send/encode.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/cleanup.h"

#define LINE_MAX_7BIT 998 /* RFC 5322 2.1.1 */
#define LINE_ENCODED  76  /* RFC 2045 6.7, 6.8 */
#define BASE64_RUN    57  /* bytes of such a line */
#define BASE64_ARENA  4096

void encode_lines(struct buf *out, struct span text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] != '\r' && text.p[i] != '\n')
			continue;
		buf_add(out, span_make(text.p + from, i - from));
		buf_add(out, SPAN_LIT("\r\n"));
		if (text.p[i] == '\r' && i + 1 < text.len && text.p[i + 1] == '\n')
			i++;
		from = i + 1;
	}
	buf_add(out, span_skip(text, from));
}

void encode_fields(struct buf *out, struct span fields)
{
	size_t from = 0;

	for (size_t i = 0; i < fields.len; i++) {
		if (fields.p[i] != '\r' && fields.p[i] != '\n')
			continue;
		buf_add(out, span_make(fields.p + from, i - from));
		if (fields.p[i] == '\n')
			buf_add(out, SPAN_LIT("\r\n"));
		from = i + 1;
	}
	buf_add(out, span_skip(fields, from));
	if (fields.len && fields.p[fields.len - 1] != '\n')
		buf_add(out, SPAN_LIT("\r\n"));
}

struct texture {
	size_t eight_bit, longest;
	bool control; /* bytes that no encoding but these two carries */
};

static struct texture look_at(struct span text)
{
	struct texture t = { 0 };
	size_t line = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];

		line = c == '\n' ? 0 : line + 1;
		t.longest = line > t.longest ? line : t.longest;
		t.eight_bit += c > 126;
		t.control = t.control || c == 0;
	}
	return t;
}

void encode_base64(struct buf *out, struct span bytes)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(BASE64_ARENA);

	for (; a && bytes.len; bytes = span_skip(bytes, BASE64_RUN)) {
		buf_add(out, base64_encode(a, span_head(bytes, BASE64_RUN)));
		buf_add(out, SPAN_LIT("\r\n"));
		arena_reset(a);
	}
	out->failed = out->failed || !a;
}

static bool is_line_end(struct span s, size_t i)
{
	return i + 1 < s.len && s.p[i] == '\r' && s.p[i + 1] == '\n';
}

/* RFC 2045 6.7. A space or tab at the end of a line is encoded, as is a dot that begins one and "From ". */
static void put_quoted(struct buf *out, struct span text)
{
	size_t column = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];
		bool blank = c == ' ' || c == '\t';
		bool plain = (c > ' ' && c < 127 && c != '=') ||
		             (blank && i + 1 < text.len && !is_line_end(text, i + 1));
		size_t width = plain ? 1 : 3;

		if (is_line_end(text, i)) {
			buf_add(out, SPAN_LIT("\r\n"));
			column = 0;
			i++;
			continue;
		}
		if (column + width > LINE_ENCODED - 1) {
			buf_add(out, SPAN_LIT("=\r\n"));
			column = 0;
		}
		if (plain && !(column == 0 && (c == '.' || c == 'F'))) {
			buf_add_byte(out, c);
		} else {
			buf_printf(out, "=%02X", c);
			width = 3;
		}
		column += width;
	}
}

void encode_text(struct buf *fields, struct buf *body, const char *subtype, const char *params,
                 struct span text)
{
	_cleanup_buf_ struct buf lines = BUF_INIT;
	struct texture t;
	const char *encoding;

	encode_lines(&lines, text);
	t = look_at(buf_span(&lines));
	if (!t.eight_bit && !t.control && t.longest <= LINE_MAX_7BIT) {
		encoding = "7bit";
		buf_add(body, buf_span(&lines));
	} else if (t.eight_bit * 6 > lines.len) {
		encoding = "base64";
		encode_base64(body, buf_span(&lines));
	} else {
		encoding = "quoted-printable";
		put_quoted(body, buf_span(&lines));
	}
	body->failed = body->failed || lines.failed;
	buf_printf(fields, "Content-Type: text/%s; charset=utf-8%s%s\r\nContent-Transfer-Encoding: %s\r\n",
	           subtype, *params ? "; " : "", params, encoding);
}
