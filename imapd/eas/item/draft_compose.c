/*
 * mixed{ related{ alternative{ text, html }, pictures... }, files... }, each level only where there is more
 * than one thing in it. Parts of a draft that is changed and keep are copied as they are.
 */
#include "base/cleanup.h"
#include "imapd/eas/item/draft.h"
#include "imapd/eas/item/draft_header.h"
#include "imapd/eas/item/html.h"
#include "imapd/eas/item/reference.h"
#include "imapd/eas/item/text.h"
#include "imapd/eas/send/encode.h"
#include "mime/header.h"

/* Content-* fields, and what stands below them. */
struct entity {
	struct buf fields, body;
};

struct composing {
	struct arena *a;
	const struct eas_draft *d;
	const struct eas_message *base;
	const struct eas_draft_frame *frame;
	char boundary[ID_TEXT_SIZE + 4];
	bool *dropped; /* of the base's attachments */
};

static void entity_done(struct entity *e)
{
	buf_done(&e->fields);
	buf_done(&e->body);
}

/* ---- multiparts ---- */

static void open_part(struct buf *out, const struct composing *c, char level)
{
	buf_printf(out, "--%c%s\r\n", level, c->boundary);
}

static void add_entity(struct buf *out, const struct composing *c, char level, const struct entity *e)
{
	open_part(out, c, level);
	buf_add(out, buf_span(&e->fields));
	buf_add_str(out, "\r\n");
	buf_add(out, buf_span(&e->body));
	buf_add_str(out, "\r\n");
	out->failed |= e->fields.failed || e->body.failed;
}

/* What is in e becomes the first part of a multipart that is e; it is closed by close_multipart. */
static void wrap(struct entity *e, const struct composing *c, const char *subtype, char level)
{
	struct entity outer = { .fields = BUF_INIT };

	buf_printf(&outer.fields, "Content-Type: multipart/%s; boundary=\"%c%s\"\r\n", subtype, level,
	           c->boundary);
	add_entity(&outer.body, c, level, e);
	entity_done(e);
	*e = outer;
}

static void close_multipart(struct entity *e, const struct composing *c, char level)
{
	buf_printf(&e->body, "--%c%s--\r\n", level, c->boundary);
}

/* ---- the text ---- */

static int text_of(const struct composing *c, enum eas_body_type *ret_type, struct span *ret_text)
{
	if (c->d->body_type != 0 || !c->base) {
		*ret_type = c->d->body_type != 0 ? c->d->body_type : EAS_BODY_TEXT;
		*ret_text = eas_text_clean(c->a, c->d->body);
		return ret_text->p || c->d->body.len == 0 ? 0 : -POD_E_NOMEM;
	}
	*ret_type = c->base->layout->html ? EAS_BODY_HTML : EAS_BODY_TEXT;
	return eas_body_text(c->a, c->base, *ret_type, ret_text);
}

static int put_text(const struct composing *c, struct entity *e)
{
	_cleanup_(entity_done) struct entity html = { .fields = BUF_INIT };
	_cleanup_buf_ struct buf plain = BUF_INIT;
	enum eas_body_type type;
	struct span text;
	int r = text_of(c, &type, &text);

	if (r < 0)
		return r;
	if (type == EAS_BODY_TEXT) {
		encode_text(&e->fields, &e->body, "plain", "", text);
		return 0;
	}
	eas_html_to_text(text, &plain);
	encode_text(&e->fields, &e->body, "plain", "", buf_span(&plain));
	encode_text(&html.fields, &html.body, "html", "", text);
	wrap(e, c, "alternative", 'a');
	add_entity(&e->body, c, 'a', &html);
	close_multipart(e, c, 'a');
	return plain.failed ? -POD_E_NOMEM : 0;
}

/* ---- files ---- */

/* A part of the base as it is: its header and what is below. */
static int copy_part(const struct composing *c, struct entity *e, char level, const struct eas_part *part)
{
	struct span header, body;
	int r = eas_message_part(c->base, part->path, &header, &body);

	if (r < 0)
		return r == -POD_E_NOMEM ? r : 0; /* a part that is not in the file cannot be kept */
	open_part(&e->body, c, level);
	if (part->path.len == 1 && c->base->layout->parts.n == 1)
		draft_put_content_fields(&e->body, header);
	else
		encode_fields(&e->body, header);
	encode_lines(&e->body, body);
	buf_add_str(&e->body, "\r\n");
	return 0;
}

static void put_file(const struct composing *c, struct entity *e, char level, const struct eas_draft_file *f)
{
	_cleanup_(entity_done) struct entity part = { .fields = BUF_INIT };

	draft_put_file_fields(c->a, &part.fields, f);
	encode_base64(&part.body, f->bytes);
	add_entity(&e->body, c, level, &part);
}

/* Those of the base that stay; shown: that are inside the body, or that are not. */
static size_t count_kept(const struct composing *c, bool shown)
{
	const struct eas_layout *l = c->base ? c->base->layout : NULL;
	size_t n = 0;

	for (uint32_t i = 0; l && i < l->attachments_n; i++)
		n += !c->dropped[i] &&
		     eas_attachment_is_inline(l, &l->parts.parts[l->attachments[i]]) == shown;
	return n;
}

/* And those that are new. */
static size_t count_files(const struct composing *c, bool shown)
{
	size_t n = count_kept(c, shown);

	for (size_t i = 0; i < c->d->files_n; i++)
		n += c->d->files[i].shown == shown;
	return n;
}

/* In a multipart the text is the first part, then come the files that stay, then the new ones. */
static int place_files(const struct composing *c, bool shown)
{
	bool inside = shown && count_files(c, false) > 0;
	size_t number = 1 + count_kept(c, shown);

	for (size_t i = 0; i < c->d->files_n; i++) {
		struct eas_draft_file *f = &c->d->files[i];

		if (f->shown != shown)
			continue;
		f->path = arena_printf(c->a, inside ? "1.%zu" : "%zu", ++number);
		if (!f->path)
			return -POD_E_NOMEM;
	}
	return 0;
}

int eas_draft_place_files(struct arena *a, const struct eas_draft *d)
{
	const struct composing c = { .a = a, .d = d };
	int r = place_files(&c, true);

	return r == 0 ? place_files(&c, false) : r;
}

static int put_files(const struct composing *c, struct entity *e, const char *subtype, char level, bool shown)
{
	const struct eas_layout *l = c->base ? c->base->layout : NULL;
	int r = 0;

	if (count_files(c, shown) == 0)
		return 0;
	wrap(e, c, subtype, level);
	for (uint32_t i = 0; r == 0 && l && i < l->attachments_n; i++) {
		const struct eas_part *part = &l->parts.parts[l->attachments[i]];

		if (!c->dropped[i] && eas_attachment_is_inline(l, part) == shown)
			r = copy_part(c, e, level, part);
	}
	for (size_t i = 0; r == 0 && i < c->d->files_n; i++)
		if (c->d->files[i].shown == shown)
			put_file(c, e, level, &c->d->files[i]);
	close_multipart(e, c, level);
	return r;
}

static bool is_named(const struct composing *c, struct span reference, const struct eas_part *part)
{
	const char *name = eas_file_reference(c->a, c->frame->folder_id, c->frame->uid, part->path);

	return name && span_eq(span_of(name), reference);
}

/* Which of the base's attachments go. */
static int mark_dropped(struct composing *c)
{
	const struct eas_layout *l = c->base ? c->base->layout : NULL;

	c->dropped = arena_array(c->a, l ? l->attachments_n + 1 : 1, sizeof(*c->dropped));
	if (!c->dropped)
		return -POD_E_NOMEM;
	for (size_t k = 0; k < c->d->removed_n; k++) {
		uint32_t i = 0;

		while (l && i < l->attachments_n &&
		       !is_named(c, c->d->removed[k], &l->parts.parts[l->attachments[i]]))
			i++;
		if (!l || i == l->attachments_n)
			return -POD_E_NOTFOUND;
		c->dropped[i] = true;
	}
	return 0;
}

int eas_draft_compose(struct arena *a, const struct eas_draft *d, const struct eas_message *base,
                      const struct eas_draft_frame *frame, struct buf *out)
{
	_cleanup_(entity_done) struct entity e = { .fields = BUF_INIT };
	struct composing c = { .a = a, .d = d, .base = base, .frame = frame };
	int r = mark_dropped(&c);

	guid_format(&frame->id, c.boundary);
	if (r == 0)
		r = put_text(&c, &e);
	if (r == 0)
		r = place_files(&c, true);
	if (r == 0)
		r = place_files(&c, false);
	if (r == 0)
		r = put_files(&c, &e, "related", 'r', true);
	if (r == 0)
		r = put_files(&c, &e, "mixed", 'm', false);
	if (r < 0)
		return r;
	draft_put_header(a, out, d, base, frame);
	buf_add_str(out, "MIME-Version: 1.0\r\n");
	buf_add(out, buf_span(&e.fields));
	buf_add_str(out, "\r\n");
	buf_add(out, buf_span(&e.body));
	return out->failed || e.fields.failed || e.body.failed ? -POD_E_NOMEM : 0;
}
