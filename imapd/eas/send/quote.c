#include "imapd/eas/send/quote.h"

#include "base/cleanup.h"
#include "mime/header.h"

/* The fields that say whose message it was, as mail programs have them. */
static const struct {
	const char *field, *words;
} shown[] = {
	{ "From", "From" }, { "Date", "Sent" }, { "To", "To" }, { "Cc", "Cc" }, { "Subject", "Subject" },
};

int quoted_of(struct arena *a, const struct message_parts *original, bool marked,
              html_to_text_fn *html_to_text, struct quoted *ret)
{
	struct quoted q = { .original = original, .marked = marked };
	int r = 0;

	if (original->text == MIME_NO_PART && original->html == MIME_NO_PART)
		return -POD_E_NOTFOUND;
	if (original->html != MIME_NO_PART)
		r = message_part_text(a, original, original->html, &q.html);
	if (r == 0 && original->text != MIME_NO_PART)
		r = message_part_text(a, original, original->text, &q.text);
	else if (r == 0)
		r = html_to_text(a, q.html, &q.text);
	if (r == 0)
		*ret = q;
	return r;
}

/* A field for people; empty where there is none. */
static struct span words_of(struct arena *a, const struct quoted *q, const char *field)
{
	struct mime_field f;

	if (!mime_field_find(message_part_header(q->original, 0), span_of(field), &f))
		return SPAN_NONE;
	return span_trim(mime_decode_text(a, f.value));
}

/* ---- as text ---- */

static void put_line(struct buf *out, struct span line, bool marked)
{
	while (line.len &&
	       (line.p[line.len - 1] == ' ' || line.p[line.len - 1] == '\r' || line.p[line.len - 1] == '\t'))
		line.len--; /* under format=flowed a line with a space at its end goes on in the next (RFC
		               3676) */
	if (marked)
		buf_add_str(out, line.len && line.p[0] == '>' ? ">" : line.len ? "> " : ">");
	buf_add(out, line);
	buf_add_str(out, "\r\n");
}

void quote_as_text(struct arena *a, const struct quoted *q, struct buf *out)
{
	struct span rest = q->text;

	buf_add_str(out, "\r\n\r\n-----Original Message-----\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		struct span words = words_of(a, q, shown[i].field);

		if (words.len)
			buf_printf(out, "%s: " SPAN_FMT "\r\n", shown[i].words, SPAN_ARG(words));
	}
	buf_add_str(out, "\r\n");
	while (rest.len) {
		struct span line = span_split(rest, '\n', &rest);

		put_line(out, line, q->marked);
	}
}

/* ---- as HTML ---- */

static void put_escaped(struct buf *out, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		switch (s.p[i]) {
		case '&': buf_add_str(out, "&amp;"); break;
		case '<': buf_add_str(out, "&lt;"); break;
		case '>': buf_add_str(out, "&gt;"); break;
		case '"': buf_add_str(out, "&quot;"); break;
		case '\r': break;
		case '\n': buf_add_str(out, "<br>\r\n"); break;
		default: buf_add_byte(out, s.p[i]);
		}
}

/* Where the tag `name` ("<body") begins and the bytes behind its ">"; false where there is none. */
static bool find_tag(struct span html, const char *name, size_t *ret_begin, size_t *ret_end)
{
	struct span tag = span_of(name);
	size_t found, close, at = 0;

	while ((found = span_find_nocase(span_skip(html, at), tag)) != SIZE_MAX) {
		at += found + tag.len;
		if (at < html.len && ascii_is_alpha(html.p[at])) /* "<header>" is no "<head" */
			continue;
		close = span_find_byte(span_skip(html, at), '>');
		if (close == SIZE_MAX)
			return false;
		*ret_begin = at - tag.len;
		*ret_end = at + close + 1;
		return true;
	}
	return false;
}

/* What a document shows: without its html, head and body elements, of which there can be but one. */
static struct span inner_of(struct span html)
{
	size_t begin, end;

	if (find_tag(html, "<body", &begin, &end) || find_tag(html, "</head", &begin, &end))
		html = span_skip(html, end);
	if (find_tag(html, "</body", &begin, &end) || find_tag(html, "</html", &begin, &end))
		html = span_head(html, begin);
	return html;
}

void quote_as_html(struct arena *a, const struct quoted *q, struct buf *out)
{
	buf_add_str(out, "\r\n<br><hr>\r\n<div>");
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		struct span words = words_of(a, q, shown[i].field);

		if (!words.len)
			continue;
		buf_printf(out, "<b>%s:</b> ", shown[i].words);
		put_escaped(out, words);
		buf_add_str(out, "<br>\r\n");
	}
	buf_add_str(out, q->marked ? "</div>\r\n<br>\r\n<blockquote type=\"cite\">\r\n"
	                           : "</div>\r\n<br>\r\n<div>\r\n");
	if (q->html.p)
		buf_add(out, inner_of(q->html));
	else
		put_escaped(out, q->text);
	buf_add_str(out, q->marked ? "\r\n</blockquote>\r\n" : "\r\n</div>\r\n");
}

void quote_into_html(struct span html, struct span quote, struct buf *out)
{
	size_t begin, end;

	if (!find_tag(html, "</body", &begin, &end) && !find_tag(html, "</html", &begin, &end))
		begin = html.len;
	buf_add(out, span_head(html, begin));
	buf_add(out, quote);
	buf_add(out, span_skip(html, begin));
}
