#include "imapd/eas/item/html.h"

#include "base/cleanup.h"

/* ---- HTML out of text ---- */

static void put_escaped(struct buf *out, uint8_t c)
{
	switch (c) {
	case '<': buf_add_str(out, "&lt;"); break;
	case '>': buf_add_str(out, "&gt;"); break;
	case '&': buf_add_str(out, "&amp;"); break;
	case '"': buf_add_str(out, "&quot;"); break;
	default: buf_add_byte(out, c);
	}
}

/* Spaces at the start of a line, and all but the last of several, would not be shown. */
static void put_line(struct buf *out, struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		bool before = i == 0 || line.p[i - 1] == ' ';

		if (line.p[i] == '\t')
			buf_add_str(out, "&nbsp;&nbsp;&nbsp; ");
		else if (line.p[i] == ' ' && before)
			buf_add_str(out, "&nbsp;");
		else
			put_escaped(out, line.p[i]);
	}
}

void eas_text_to_html(struct span text, struct buf *out)
{
	while (text.p && text.len > 0) {
		struct span line = span_split(text, '\n', &text);

		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		put_line(out, line);
		if (text.p)
			buf_add_str(out, "<br>\r\n");
	}
}

/* ---- charsets ---- */

static bool is_token(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_' || c == ':' || c == '.';
}

/* Where the value of charset= stands in the inside of a tag. */
static struct span charset_in(struct span tag)
{
	size_t at = span_find_nocase(tag, SPAN_LIT("charset"));
	struct span value = span_skip(tag, at == SIZE_MAX ? tag.len : at + 7);
	size_t n = 0;

	while (value.len > 0 &&
	       (value.p[0] == ' ' || value.p[0] == '=' || value.p[0] == '"' || value.p[0] == '\''))
		value = span_skip(value, 1);
	while (n < value.len && is_token(value.p[n]))
		n++;
	return span_head(value, n);
}

/* The next charset that a meta element claims and that is not UTF-8; *rest then begins behind it. */
static struct span next_claim(struct span *rest)
{
	size_t at;

	while ((at = span_find_nocase(*rest, SPAN_LIT("<meta"))) != SIZE_MAX) {
		struct span tag = span_skip(*rest, at), claim;

		tag = span_head(tag, span_find_byte(tag, '>'));
		claim = charset_in(tag);
		*rest = span_skip(*rest, at + tag.len);
		if (claim.len > 0 && !span_eq_nocase(claim, SPAN_LIT("utf-8")))
			return claim;
	}
	return SPAN_NONE;
}

struct span eas_html_claim_utf8(struct arena *a, struct span html)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct span rest = html, claim = next_claim(&rest), done = html;

	if (!claim.p)
		return html;
	for (; claim.p; claim = next_claim(&rest)) {
		buf_add(&out, span_make(done.p, (size_t) (claim.p - done.p)));
		buf_add_str(&out, "utf-8");
		done = span_skip(html, (size_t) (claim.p - html.p) + claim.len);
	}
	buf_add(&out, done);
	return out.failed ? SPAN_NONE : arena_dup(a, buf_span(&out));
}

/* ---- quotations ---- */

struct span eas_html_unquoted(struct span html)
{
	/* Thunderbird, Apple Mail; Gmail; Outlook's desktop, mobile and web; Yahoo; and what SmartReply
	 * writes here. */
	static const char *const marks[] = {
		"<blockquote type=\"cite\"",
		"<blockquote type=cite",
		"<div class=\"moz-cite-prefix\"",
		"<div class=\"gmail_quote",
		"<div id=\"appendonsend\"",
		"<div id=\"divRplyFwdMsg\"",
		"<hr id=\"stopSpelling\"",
		"<div class=\"yahoo_quoted\"",
		"<div id=\"mail-editor-reference-message-container\"",
		"<div class=\"podmail-quote\"",
	};
	size_t end = html.len;

	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t at = span_find_nocase(span_head(html, end), span_of(marks[i]));

		if (at < end)
			end = at;
	}
	return span_head(html, end);
}
