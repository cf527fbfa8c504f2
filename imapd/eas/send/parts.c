#include "imapd/eas/send/parts.h"

#include "mime/content.h"
#include "mime/header.h"

/* A stranger may write thousands of parts with ids of any length, for each of which the HTML is read. */
#define CONTENT_ID_MAX 998 /* of a line (RFC 5322 2.1.1) */
#define SHOWN_IN_MAX   ((size_t) 1 << 20)

struct span message_part_header(const struct message_parts *m, uint32_t part)
{
	const struct mime_part *p = &m->tree.parts[part];

	return span_make(m->message.p + p->header_off, p->header_len);
}

struct span message_part_body(const struct message_parts *m, uint32_t part)
{
	const struct mime_part *p = &m->tree.parts[part];

	return span_make(m->message.p + p->body_off, p->body_len);
}

int message_part_text(struct arena *a, const struct message_parts *m, uint32_t part, struct span *ret_text)
{
	return mime_decode_body(a, message_part_header(m, part), message_part_body(m, part), ret_text);
}

static struct span field(struct span header, const char *name)
{
	struct mime_field f;

	return mime_field_find(header, span_of(name), &f) ? f.value : SPAN_NONE;
}

bool message_type_is(struct span header, const char *type, const char *subtype)
{
	struct content_type t = content_type_parse(field(header, "Content-Type"));

	if (!t.type.len)
		t = (struct content_type){ SPAN_LIT("text"), SPAN_LIT("plain"), SPAN_NONE };
	return span_eq_nocase(t.type, span_of(type)) &&
	       (!*subtype || span_eq_nocase(t.subtype, span_of(subtype)));
}

static bool is_multipart(const struct message_parts *m, uint32_t part, const char *subtype)
{
	return m->tree.parts[part].kind == MIME_MULTIPART &&
	       message_type_is(message_part_header(m, part), "multipart", subtype);
}

/* The nearest part above that is a multipart of that kind; MIME_NO_PART. */
static uint32_t above(const struct message_parts *m, uint32_t part, const char *subtype)
{
	uint32_t p = m->tree.parts[part].parent;

	while (p != MIME_NO_PART && !is_multipart(m, p, subtype))
		p = m->tree.parts[p].parent;
	return p;
}

static bool is_inside_message(const struct message_parts *m, uint32_t part)
{
	for (uint32_t p = m->tree.parts[part].parent; p != MIME_NO_PART; p = m->tree.parts[p].parent)
		if (m->tree.parts[p].kind == MIME_MESSAGE)
			return true;
	return false;
}

/* A leaf that is shown as the message's text, if it is the first. */
static bool may_be_text(const struct message_parts *m, uint32_t part, bool touch)
{
	struct span header = message_part_header(m, part), params;

	if (m->tree.parts[part].kind != MIME_LEAF || !message_type_is(header, "text", "") ||
	    is_inside_message(m, part))
		return false;
	if (span_eq_nocase(content_token(field(header, "Content-Disposition"), &params),
	                   SPAN_LIT("attachment")))
		return false;
	if (above(m, part, "encrypted") != MIME_NO_PART)
		return false;
	return !touch || above(m, part, "signed") == MIME_NO_PART;
}

int message_parts_of(struct arena *a, struct span message, bool touch, struct message_parts *ret)
{
	struct message_parts m = { .message = message, .text = MIME_NO_PART, .html = MIME_NO_PART };
	uint32_t common;
	int r = mime_parse(a, message, &m.tree);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < m.tree.n; i++) {
		struct span header = message_part_header(&m, i);

		if (!may_be_text(&m, i, touch))
			continue;
		if (m.text == MIME_NO_PART && message_type_is(header, "text", "plain"))
			m.text = i;
		else if (m.html == MIME_NO_PART && message_type_is(header, "text", "html"))
			m.html = i;
	}
	if (m.text != MIME_NO_PART && m.html != MIME_NO_PART) {
		common = above(&m, m.text, "alternative");
		/* Two texts that are not said to be the same: the first is the message's, the other came
		 * along. */
		if (common == MIME_NO_PART || above(&m, m.html, "alternative") != common) {
			if (m.text < m.html)
				m.html = MIME_NO_PART;
			else
				m.text = MIME_NO_PART;
		}
	}
	*ret = m;
	return 0;
}

static bool is_signature(struct span header)
{
	return message_type_is(header, "application", "pkcs7-signature") ||
	       message_type_is(header, "application", "x-pkcs7-signature") ||
	       message_type_is(header, "application", "pgp-signature");
}

bool message_part_is_attachment(const struct message_parts *m, uint32_t part)
{
	const struct mime_part *p = &m->tree.parts[part];

	if (p->kind == MIME_MULTIPART || is_inside_message(m, part))
		return false;
	return part != m->text && part != m->html && !is_signature(message_part_header(m, part));
}

bool message_part_is_shown(struct arena *a, const struct message_parts *m, uint32_t part, struct span html)
{
	struct span id = span_trim(mime_unfold(a, field(message_part_header(m, part), "Content-ID")));
	char *url;

	if (id.len < 3 || id.len > CONTENT_ID_MAX || id.p[0] != '<' || id.p[id.len - 1] != '>')
		return false;
	url = arena_printf(a, "cid:" SPAN_FMT, (int) id.len - 2, (const char *) id.p + 1);
	return url && span_find_nocase(span_head(html, SHOWN_IN_MAX), span_of(url)) != SIZE_MAX;
}

void message_put_content_fields(struct buf *out, struct span header, const char *const *without)
{
	struct mime_field f;

	while (mime_field_next(&header, &f)) {
		bool keep = span_starts_nocase(f.name, SPAN_LIT("Content-"));

		for (const char *const *w = without; keep && w && *w; w++)
			keep = !span_eq_nocase(f.name, span_of(*w));
		if (!keep)
			continue;
		buf_add(out, f.whole);
		if (f.whole.p[f.whole.len - 1] != '\n') /* a header that was all there is */
			buf_add(out, SPAN_LIT("\r\n"));
	}
}
