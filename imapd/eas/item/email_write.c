#include "base/base64.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "imapd/eas/item/email.h"
#include "imapd/eas/item/reference.h"
#include "imapd/eas/item/text.h"

#define UTF8_CODE_PAGE 65001

/* Strings that are put together on the way need memory for a moment. */
#define SCRATCH_MAX (16u << 20)

struct writing;

struct property {
	enum wbxml_tag tag; /* as a Schema names it */
	unsigned int since, until;
	void (*put)(struct writing *p);
	unsigned int flags;
	size_t header; /* put_header's: a text of struct eas_headers */
};

struct writing {
	struct wbxml_writer *w;
	const struct eas_email *e;
	struct arena *a;
	const struct property *property; /* that is being written */
};

static void put_present(struct writing *p, enum wbxml_tag tag, struct span text)
{
	if (text.len > 0)
		wbxml_text(p->w, tag, text);
}

static void put_time(struct writing *p, enum wbxml_tag tag, int64_t at_s)
{
	char text[CLOCK_ISO_SIZE];

	wbxml_str(p->w, tag, clock_format_iso(at_s * 1000, text, sizeof(text)));
}

/* ---- header ---- */

/* One that is left out where the message has none. */
static void put_header(struct writing *p)
{
	const void *text = (const char *) &p->e->headers + p->property->header;

	put_present(p, p->property->tag, *(const struct span *) text);
}

static void put_subject(struct writing *p)
{
	wbxml_text(p->w, EMAIL_SUBJECT, p->e->headers.subject);
}

static void put_date(struct writing *p)
{
	put_time(p, EMAIL_DATERECEIVED, p->e->item->internal_date);
}

static void put_importance(struct writing *p)
{
	wbxml_uint(p->w, EMAIL_IMPORTANCE, p->e->headers.importance);
}

static void put_read(struct writing *p)
{
	wbxml_uint(p->w, EMAIL_READ, (p->e->item->flags & STORE_FLAG_SEEN) != 0);
}

static void put_is_draft(struct writing *p)
{
	wbxml_uint(p->w, EMAIL2_ISDRAFT, (p->e->item->flags & STORE_FLAG_DRAFT) != 0);
}

/* ---- attachments ---- */

/* 1: a file; 5: a message inside (MS-ASAIRS 2.2.2.28) */
static unsigned int method_of(const struct eas_part *part)
{
	return part->kind == EAS_PART_MESSAGE ? 5 : 1;
}

static struct span reference_of(struct writing *p, const struct eas_part *part)
{
	return span_of(eas_file_reference(p->a, p->e->item->place->folder_id, p->e->item->uid, part->path));
}

static struct span clean(struct writing *p, struct span text)
{
	return eas_text_clean(p->a, text);
}

static void put_attachment(struct writing *p, const struct eas_part *part)
{
	wbxml_open(p->w, AIRSYNCBASE_ATTACHMENT);
	wbxml_text(p->w, AIRSYNCBASE_DISPLAYNAME, clean(p, eas_attachment_name(p->a, part)));
	wbxml_text(p->w, AIRSYNCBASE_FILEREFERENCE, reference_of(p, part));
	wbxml_uint(p->w, AIRSYNCBASE_METHOD, method_of(part));
	wbxml_uint(p->w, AIRSYNCBASE_ESTIMATEDDATASIZE, eas_part_size(part));
	put_present(p, AIRSYNCBASE_CONTENTID, clean(p, part->content_id));
	put_present(p, AIRSYNCBASE_CONTENTLOCATION, clean(p, part->location));
	if (eas_attachment_is_inline(&p->e->layout, part))
		wbxml_uint(p->w, AIRSYNCBASE_ISINLINE, 1);
	wbxml_close(p->w);
}

static void put_old_attachment(struct writing *p, const struct eas_part *part)
{
	wbxml_open(p->w, EMAIL_ATTACHMENT);
	wbxml_text(p->w, EMAIL_DISPLAYNAME, clean(p, eas_attachment_name(p->a, part)));
	wbxml_text(p->w, EMAIL_ATTNAME, reference_of(p, part));
	wbxml_uint(p->w, EMAIL_ATTMETHOD, method_of(part));
	wbxml_uint(p->w, EMAIL_ATTSIZE, eas_part_size(part));
	put_present(p, EMAIL_ATTOID, clean(p, part->content_id));
	wbxml_close(p->w);
}

static void put_attachments(struct writing *p)
{
	const struct eas_layout *l = &p->e->layout;
	bool old = p->e->options->version < 120;

	if (l->attachments_n == 0)
		return;
	wbxml_open(p->w, old ? EMAIL_ATTACHMENTS : AIRSYNCBASE_ATTACHMENTS);
	for (uint32_t i = 0; i < l->attachments_n; i++)
		(old ? put_old_attachment : put_attachment)(p, &l->parts.parts[l->attachments[i]]);
	wbxml_close(p->w);
}

/* ---- bodies ---- */

static void put_data(struct writing *p, enum wbxml_tag tag, const struct eas_body_answer *b)
{
	if (b->bytes)
		wbxml_opaque(p->w, tag, b->data);
	else
		wbxml_text(p->w, tag, b->data);
}

static void put_body_data(struct writing *p, const struct eas_body_answer *b)
{
	uint32_t part = p->e->multipart ? eas_multipart_add(p->e->multipart, b->data) : 0;

	if (part > 0)
		wbxml_uint(p->w, ITEMOPERATIONS_PART, part);
	else
		put_data(p, AIRSYNCBASE_DATA, b);
}

static void put_body_inside(struct writing *p, const struct eas_body_answer *b)
{
	wbxml_uint(p->w, AIRSYNCBASE_TYPE, b->type);
	wbxml_uint(p->w, AIRSYNCBASE_ESTIMATEDDATASIZE, b->size);
	wbxml_uint(p->w, AIRSYNCBASE_TRUNCATED, b->truncated);
	if (b->has_data)
		put_body_data(p, b);
	if (b->preview.p && p->e->options->version >= 140)
		wbxml_text(p->w, AIRSYNCBASE_PREVIEW, b->preview);
}

static void put_body(struct writing *p)
{
	wbxml_open(p->w, AIRSYNCBASE_BODY);
	put_body_inside(p, &p->e->body);
	wbxml_close(p->w);
}

static void put_body_part(struct writing *p)
{
	if (!p->e->options->part.wanted)
		return;
	wbxml_open(p->w, AIRSYNCBASE_BODYPART);
	wbxml_uint(p->w, AIRSYNCBASE_STATUS, 1);
	put_body_inside(p, &p->e->part);
	wbxml_close(p->w);
}

/* MS-ASEMAIL of 2.5: the text, or the message. */
static void put_old_body(struct writing *p)
{
	const struct eas_body_answer *b = &p->e->body;
	bool mime = b->type == EAS_BODY_MIME;

	wbxml_uint(p->w, mime ? EMAIL_MIMETRUNCATED : EMAIL_BODYTRUNCATED, b->truncated);
	if (b->has_data)
		put_data(p, mime ? EMAIL_MIMEDATA : EMAIL_BODY, b);
	wbxml_uint(p->w, mime ? EMAIL_MIMESIZE : EMAIL_BODYSIZE, b->size);
}

static void put_native_type(struct writing *p)
{
	wbxml_uint(p->w, AIRSYNCBASE_NATIVEBODYTYPE, p->e->layout.html ? EAS_BODY_HTML : EAS_BODY_TEXT);
}

/* ---- the rest ---- */

static void put_class(struct writing *p)
{
	wbxml_str(p->w, EMAIL_MESSAGECLASS, p->e->message_class);
}

static void put_meeting(struct writing *p)
{
	if (p->e->has_meeting)
		eas_meeting_write(p->w, p->a, &p->e->meeting, p->e->options->version);
}

static void put_code_page(struct writing *p)
{
	wbxml_uint(p->w, EMAIL_INTERNETCPID, UTF8_CODE_PAGE);
}

static void put_flag(struct writing *p)
{
	eas_flag_write(p->w, &p->e->note);
}

static void put_content_class(struct writing *p)
{
	wbxml_str(p->w, EMAIL_CONTENTCLASS,
	          p->e->has_meeting ? "urn:content-classes:calendarmessage" : "urn:content-classes:message");
}

static void put_conversation(struct writing *p)
{
	wbxml_opaque(p->w, EMAIL2_CONVERSATIONID, span_make(p->e->conversation, sizeof(p->e->conversation)));
}

static void put_conversation_index(struct writing *p)
{
	wbxml_opaque(p->w, EMAIL2_CONVERSATIONINDEX, p->e->conversation_index);
}

static void put_verb(struct writing *p)
{
	if (p->e->note.verb > 0)
		wbxml_uint(p->w, EMAIL2_LASTVERBEXECUTED, p->e->note.verb);
}

/* Of a verb that IMAP did nobody knows the time. */
static void put_verb_time(struct writing *p)
{
	if (p->e->note.verb > 0 && p->e->note.verb_s > 0)
		put_time(p, EMAIL2_LASTVERBEXECUTIONTIME, p->e->note.verb_s);
}

static void put_categories(struct writing *p)
{
	if (p->e->categories_n == 0) {
		wbxml_empty(p->w, EMAIL_CATEGORIES);
		return;
	}
	wbxml_open(p->w, EMAIL_CATEGORIES);
	for (size_t i = 0; i < p->e->categories_n; i++)
		wbxml_text(p->w, EMAIL_CATEGORY, p->e->categories[i]);
	wbxml_close(p->w);
}

#define MAY_CHANGE   1u
#define HEADER(name) put_header, 0, offsetof(struct eas_headers, name)

static const struct property properties[] = {
	{ EMAIL_TO, 25, 161, HEADER(to) },
	{ EMAIL_CC, 25, 161, HEADER(cc) },
	{ EMAIL_FROM, 25, 161, HEADER(from) },
	{ EMAIL_REPLYTO, 25, 161, HEADER(reply_to) },
	{ EMAIL_SUBJECT, 25, 161, put_subject, 0 },
	{ EMAIL_DATERECEIVED, 25, 161, put_date, 0 },
	{ EMAIL_DISPLAYTO, 25, 161, HEADER(display_to) },
	{ EMAIL_THREADTOPIC, 25, 161, HEADER(topic) },
	{ EMAIL_IMPORTANCE, 25, 161, put_importance, 0 },
	{ EMAIL_READ, 25, 161, put_read, MAY_CHANGE },
	{ EMAIL_ATTACHMENTS, 25, 25, put_attachments, 0 },
	{ AIRSYNCBASE_ATTACHMENTS, 120, 161, put_attachments, 0 },
	{ EMAIL_BODY, 25, 25, put_old_body, 0 },
	{ AIRSYNCBASE_BODY, 120, 161, put_body, 0 },
	{ EMAIL_MESSAGECLASS, 25, 161, put_class, 0 },
	{ EMAIL_MEETINGREQUEST, 25, 161, put_meeting, 0 },
	{ EMAIL_INTERNETCPID, 25, 161, put_code_page, 0 },
	{ EMAIL_FLAG, 120, 161, put_flag, MAY_CHANGE },
	{ EMAIL_CONTENTCLASS, 120, 161, put_content_class, 0 },
	{ AIRSYNCBASE_NATIVEBODYTYPE, 120, 161, put_native_type, 0 },
	{ EMAIL2_CONVERSATIONID, 140, 161, put_conversation, 0 },
	{ EMAIL2_CONVERSATIONINDEX, 140, 161, put_conversation_index, 0 },
	{ EMAIL2_LASTVERBEXECUTED, 140, 161, put_verb, MAY_CHANGE },
	{ EMAIL2_LASTVERBEXECUTIONTIME, 140, 161, put_verb_time, MAY_CHANGE },
	{ EMAIL2_SENDER, 140, 161, HEADER(sender) },
	{ EMAIL_CATEGORIES, 140, 161, put_categories, MAY_CHANGE },
	{ AIRSYNCBASE_BODYPART, 141, 161, put_body_part, 0 },
	{ EMAIL2_ISDRAFT, 160, 161, put_is_draft, 0 },
	{ EMAIL2_BCC, 160, 161, HEADER(bcc) },
};

static void write_properties(const struct eas_email *e, struct wbxml_writer *w,
                             const struct wbxml_node *schema, unsigned int flags)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SCRATCH_MAX);
	struct writing p = { .w = w, .e = e, .a = a };

	if (!a) {
		w->out->failed = true;
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		const struct property *q = &properties[i];

		if (e->options->version < q->since || e->options->version > q->until ||
		    (q->flags & flags) != flags || (schema && !wbxml_child(schema, q->tag)))
			continue;
		p.property = q;
		q->put(&p);
	}
}

void eas_email_write(const struct eas_email *e, struct wbxml_writer *w, const struct wbxml_node *schema)
{
	write_properties(e, w, schema, 0);
}

void eas_email_write_changed(const struct eas_email *e, struct wbxml_writer *w)
{
	write_properties(e, w, NULL, MAY_CHANGE);
}
