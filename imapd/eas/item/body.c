#include "imapd/eas/item/body.h"

#include "base/buf.h"
#include "imapd/eas/item/html.h"
#include "imapd/eas/item/reference.h"
#include "imapd/eas/item/text.h"

int eas_message_open(struct arena *a, struct span bytes, struct span packed, const struct eas_layout *layout,
                     struct eas_message *ret_message)
{
	struct eas_message m = { .bytes = bytes, .layout = layout };
	int r = packed.len > 0 ? mime_tree_unpack(a, packed, &m.tree) : -POD_E_CORRUPT;

	if (r == -POD_E_CORRUPT)
		r = mime_parse(a, bytes, &m.tree);
	if (r == 0)
		*ret_message = m;
	return r;
}

static int section(const struct eas_message *m, const struct eas_reference *at, enum mime_section what,
                   struct span *ret_bytes)
{
	struct mime_range range;
	int r = mime_section_find(&m->tree, at->path, at->path_n, what, &range);

	if (r < 0)
		return r;
	if (range.off > m->bytes.len || range.len > m->bytes.len - range.off)
		return -POD_E_CORRUPT; /* the structure is of other bytes */
	*ret_bytes = span_make(m->bytes.p + range.off, (size_t) range.len);
	return 0;
}

/* The header of the one part of a message that has no others is the message's. */
static bool is_only_part(const struct eas_message *m, const struct eas_reference *at)
{
	return at->path_n == 1 && m->tree.parts[0].kind != MIME_MULTIPART;
}

int eas_message_part(const struct eas_message *m, struct span path, struct span *ret_header,
                     struct span *ret_body)
{
	static const struct eas_reference whole = { .path_n = 0 };
	struct eas_reference at = { .path_n = 0 };
	int r = path.len > 0 ? eas_path_parse(path, &at) : 0;

	if (r == 0)
		r = section(m, &at, MIME_SECTION_BODY, ret_body);
	if (r < 0 || at.path_n == 0)
		return r;
	if (is_only_part(m, &at))
		return section(m, &whole, MIME_SECTION_HEADER, ret_header);
	return section(m, &at, MIME_SECTION_MIME, ret_header);
}

int eas_message_invitation(struct arena *a, const struct eas_message *m, struct span *ret_text)
{
	struct span header, body;
	int r = -POD_E_NOTFOUND;

	if (m->layout->calendar != EAS_NO_PART)
		r = eas_message_part(m, m->layout->parts.parts[m->layout->calendar].path, &header, &body);
	return r == 0 ? mime_decode_body(a, header, body, ret_text) : r;
}

/* ---- text ---- */

static bool is_flowed(struct arena *a, const struct eas_part *p)
{
	return span_eq_nocase(eas_part_param(a, p, "format"), SPAN_LIT("flowed"));
}

static size_t quote_depth(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.p[n] == '>')
		n++;
	return n;
}

/* Lines that were broken for the way are joined again (RFC 3676 4.1-4.3). */
static struct span unflow(struct arena *a, struct span text, bool delsp)
{
	uint8_t *out = arena_alloc(a, 2 * text.len + 2);
	size_t n = 0, depth = SIZE_MAX;

	if (!out)
		return SPAN_NONE;
	while (text.p && text.len > 0) {
		struct span line = span_split(text, '\n', &text);
		bool ended = text.p != NULL, goes_on = depth != SIZE_MAX;
		size_t quotes;

		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		quotes = quote_depth(line);
		if (goes_on && quotes == depth) {
			line = span_skip(line, quotes);
			if (line.len > 0 && line.p[0] == ' ')
				line = span_skip(line, 1); /* stuffed */
		} else if (goes_on) {
			out[n++] = '\r';
			out[n++] = '\n';
		} else if (quotes == 0 && line.len > 0 && line.p[0] == ' ') {
			line = span_skip(line, 1);
		}
		depth = ended && line.len > 0 && line.p[line.len - 1] == ' ' &&
		                        !span_eq(line, SPAN_LIT("-- "))
		                ? quotes
		                : SIZE_MAX;
		if (depth != SIZE_MAX && delsp)
			line.len--;
		memcpy(out + n, line.p, line.len);
		n += line.len;
		if (ended && depth == SIZE_MAX) {
			out[n++] = '\r';
			out[n++] = '\n';
		}
	}
	return span_make(out, n);
}

static int decode(struct arena *a, const struct eas_message *m, uint32_t i, struct span *ret_text)
{
	const struct eas_part *p = &m->layout->parts.parts[i];
	struct span header = SPAN_NONE, body;
	int r = eas_message_part(m, p->path, &header, &body);

	/* An index that does not fit its file is no reason to keep a message from its reader. */
	if (r == -POD_E_NOTFOUND || r == -POD_E_CORRUPT) {
		*ret_text = SPAN_NONE;
		return 0;
	}
	if (r == 0)
		r = mime_decode_body(a, header, body, ret_text);
	if (r == 0 && ret_text->len > 0) {
		*ret_text = eas_text_clean(a, *ret_text);
		if (ret_text->p && is_flowed(a, p))
			*ret_text = unflow(a, *ret_text,
			                   span_eq_nocase(eas_part_param(a, p, "delsp"), SPAN_LIT("yes")));
		r = ret_text->p ? 0 : -POD_E_NOMEM;
	}
	return r;
}

static int add_text(struct arena *a, const struct eas_message *m, const struct eas_segment *seg,
                    struct buf *out)
{
	struct span text;
	int r;

	if (seg->continued && seg->text == EAS_NO_PART)
		return 0;
	r = decode(a, m, seg->text != EAS_NO_PART ? seg->text : seg->html, &text);
	if (r < 0)
		return r;
	if (out->len > 0)
		buf_add_str(out, "\r\n");
	if (seg->text != EAS_NO_PART)
		buf_add(out, text);
	else
		eas_html_to_text(text, out);
	return 0;
}

static int add_html(struct arena *a, const struct eas_message *m, const struct eas_segment *seg, bool only,
                    struct buf *out)
{
	struct span text;
	int r;

	if (seg->continued && seg->html == EAS_NO_PART)
		return 0;
	r = decode(a, m, seg->html != EAS_NO_PART ? seg->html : seg->text, &text);
	if (r < 0)
		return r;
	if (seg->html != EAS_NO_PART) {
		text = eas_html_claim_utf8(a, text);
		buf_add(out, text);
		return 0;
	}
	buf_add_str(out, only ? EAS_HTML_HEAD : "<div>");
	eas_text_to_html(text, out);
	buf_add_str(out, only ? EAS_HTML_TAIL : "</div>");
	return 0;
}

int eas_body_text(struct arena *a, const struct eas_message *m, enum eas_body_type type,
                  struct span *ret_text)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	const struct eas_layout *l = m->layout;
	int r = 0;

	if (type == EAS_BODY_MIME) {
		*ret_text = m->bytes;
		return 0;
	}
	for (uint32_t i = 0; r == 0 && i < l->segments_n; i++)
		r = type == EAS_BODY_HTML ? add_html(a, m, &l->segments[i], l->segments_n == 1, &out)
		                          : add_text(a, m, &l->segments[i], &out);
	if (r < 0 || out.failed)
		return r < 0 ? r : -POD_E_NOMEM;
	*ret_text = out.len > 0 ? arena_dup(a, buf_span(&out)) : SPAN_LIT("");
	return ret_text->p ? 0 : -POD_E_NOMEM;
}

/* ---- choosing ---- */

static bool wants_mime(const struct eas_layout *l, const struct eas_item_options *o)
{
	bool readable = o->body[EAS_BODY_TEXT].wanted || o->body[EAS_BODY_HTML].wanted;

	switch (o->mime_support) {
	case EAS_MIME_NEVER: return false;
	case EAS_MIME_SIGNED: return l->protection != EAS_PLAIN;
	case EAS_MIME_ALWAYS: return true;
	case EAS_MIME_UNSAID: return o->body[EAS_BODY_MIME].wanted && !readable;
	}
	return false;
}

static enum eas_body_type best_readable(const struct eas_layout *l, const struct eas_item_options *o)
{
	bool text = o->body[EAS_BODY_TEXT].wanted, html = o->body[EAS_BODY_HTML].wanted;

	if (text && html)
		return l->html ? EAS_BODY_HTML : EAS_BODY_TEXT;
	return html ? EAS_BODY_HTML : EAS_BODY_TEXT;
}

struct eas_body_choice eas_body_choose(const struct eas_layout *layout, const struct eas_item_options *o)
{
	struct eas_body_choice c = { .type = EAS_BODY_TEXT, .data = false };
	bool any = false;

	for (size_t i = 1; i <= EAS_BODY_TYPES; i++)
		any |= o->body[i].wanted;
	c.type = wants_mime(layout, o) ? EAS_BODY_MIME : best_readable(layout, o);
	c.preference = o->body[c.type];
	c.data = any || o->whole_by_default || c.type == EAS_BODY_MIME;
	/* A client that allows only forms that this message is not sent in still gets it within its limits.
	 */
	if (any && !c.preference.wanted) {
		for (size_t i = 1; i <= EAS_BODY_TYPES; i++)
			if (o->body[i].wanted && o->body[i].truncation < c.preference.truncation)
				c.preference.truncation = o->body[i].truncation;
	}
	if (c.type == EAS_BODY_MIME && o->mime_truncation < c.preference.truncation)
		c.preference.truncation = o->mime_truncation;
	return c;
}
