#include "imapd/eas/item/email.h"

#include "base/cleanup.h"
#include "imapd/eas/item/categories.h"
#include "imapd/eas/item/html.h"
#include "imapd/eas/item/text.h"

/* ---- what the index says ---- */

/* Without the message, what kind of report it is cannot be told: most are of failures. */
static const char *class_of(const struct eas_email *e)
{
	const struct eas_layout *l = &e->layout;

	if (l->protection == EAS_SMIME)
		return "IPM.Note.SMIME";
	if (l->protection == EAS_SIGNED)
		return "IPM.Note.SMIME.MultipartSigned";
	if (l->report != EAS_NO_PART)
		return eas_part_is(&l->parts.parts[l->report], "message", "delivery-status")
		               ? "REPORT.IPM.Note.NDR"
		               : "REPORT.IPM.Note.IPNRN";
	return "IPM.Note";
}

static const char *keyword_of(const struct eas_item_place *place, unsigned int number)
{
	return number < place->keywords_n ? place->keywords[number] : NULL;
}

static bool has_keyword(const struct eas_item *item, const char *name)
{
	for (unsigned int i = 0; i < STORE_KEYWORDS_MAX; i++) {
		const char *keyword = keyword_of(item->place, i);

		if (item->flags & 1u << (STORE_KEYWORD_SHIFT + i) && keyword &&
		    span_eq_nocase(span_of(keyword), span_of(name)))
			return true;
	}
	return false;
}

static int read_categories(struct arena *a, struct eas_email *e)
{
	e->categories = arena_array(a, STORE_KEYWORDS_MAX, sizeof(*e->categories));
	if (!e->categories)
		return -POD_E_NOMEM;
	for (unsigned int i = 0; i < STORE_KEYWORDS_MAX; i++) {
		const char *keyword = keyword_of(e->item->place, i);

		if (e->item->flags & 1u << (STORE_KEYWORD_SHIFT + i) && keyword &&
		    eas_keyword_category(a, span_of(keyword), &e->categories[e->categories_n]))
			e->categories_n++;
	}
	return 0;
}

static void read_flags(struct eas_email *e)
{
	e->note = (struct eas_note){ .verb = EAS_VERB_NONE };
	if (e->item->flags & STORE_FLAG_FLAGGED)
		e->note.flag = EAS_FLAG_ACTIVE;
	else if (has_keyword(e->item, EAS_KEYWORD_COMPLETE))
		e->note.flag = EAS_FLAG_COMPLETE;
	if (has_keyword(e->item, "$Forwarded"))
		e->note.verb = EAS_VERB_FORWARD;
	if (e->item->flags & STORE_FLAG_ANSWERED)
		e->note.verb = EAS_VERB_REPLY;
}

/* Of a body that is not opened the size is told as it can be guessed from the index. */
static void guess_body(struct eas_email *e)
{
	const struct eas_layout *l = &e->layout;

	e->body = (struct eas_body_answer){ .type = EAS_BODY_TEXT, .truncated = true };
	for (uint32_t i = 0; i < l->segments_n; i++) {
		uint32_t at = l->segments[i].text != EAS_NO_PART ? l->segments[i].text : l->segments[i].html;

		e->body.size += eas_part_size(&l->parts.parts[at]);
	}
	e->body.truncated = e->body.size > 0;
}

int eas_email_begin(struct arena *a, const struct eas_item *item, const struct eas_item_options *o,
                    struct eas_email *ret_email)
{
	struct eas_email e = { .item = item, .options = o };
	int r = eas_layout_read(a, item->bodystructure, &e.layout);

	/* A structure that the index has wrong hides no message. */
	if (r == -POD_E_CORRUPT)
		r = eas_layout_read(a, SPAN_NONE, &e.layout);
	if (r == 0)
		r = eas_headers_read(a, item->headers, &e.headers);
	if (r == 0)
		r = eas_conversation_id(a, item->headers, e.conversation);
	if (r == 0)
		r = eas_conversation_index(a, item->headers, &e.conversation_index);
	if (r == 0)
		r = read_categories(a, &e);
	if (r < 0)
		return r;
	e.message_class = class_of(&e);
	read_flags(&e);
	guess_body(&e);
	*ret_email = e;
	return 0;
}

bool eas_email_needs_note(const struct eas_email *e)
{
	return e->options->version >= 120 && (e->note.flag != EAS_FLAG_NONE || e->note.verb != EAS_VERB_NONE);
}

void eas_email_add_note(struct eas_email *e, const struct eas_note *kept)
{
	if (e->note.flag == kept->flag)
		memcpy(e->note.values, kept->values, sizeof(e->note.values));
	if (e->note.verb != EAS_VERB_NONE && kept->verb != EAS_VERB_NONE) {
		e->note.verb = kept->verb;
		e->note.verb_s = kept->verb_s;
	}
}

bool eas_email_needs_bytes(const struct eas_email *e)
{
	return eas_item_options_want_body(e->options) || e->layout.calendar != EAS_NO_PART ||
	       e->layout.report != EAS_NO_PART;
}

/* ---- what the message says ---- */

static int take_preview(struct arena *a, const struct eas_message *m, const struct eas_body_preference *p,
                        struct eas_body_answer *b)
{
	return p->preview > 0 && m->layout->protection != EAS_SMIME
	               ? eas_email_preview(a, m, p->preview, &b->preview)
	               : 0;
}

int eas_email_preview(struct arena *a, const struct eas_message *m, unsigned int max_chars,
                      struct span *ret_preview)
{
	struct span text, preview;
	int r = eas_body_text(a, m, EAS_BODY_TEXT, &text);

	if (r < 0)
		return r;
	preview = eas_text_preview(a, text, max_chars);
	if (!preview.p)
		return -POD_E_NOMEM;
	*ret_preview = preview;
	return 0;
}

/* All of text, its start, or nothing of it. */
static int cut_body(struct arena *a, struct span text, const struct eas_body_preference *p,
                    struct eas_body_answer *b)
{
	struct span clean = eas_text_clean(a, text);

	if (!clean.p && text.len > 0)
		return -POD_E_NOMEM;
	b->size = text.len;
	b->truncated = text.len > p->truncation;
	b->has_data = !b->truncated || (!p->all_or_none && p->truncation > 0);
	b->bytes = clean.p != text.p; /* a message in another charset: its bytes stay what they are */
	b->data = eas_text_cut(text, p->truncation);
	return 0;
}

/* The body in one form, within what its preference allows. */
static int take_form(struct arena *a, const struct eas_message *m, enum eas_body_type type,
                     const struct eas_body_preference *p, struct eas_body_answer *ret_body)
{
	struct eas_body_answer b = { .type = type };
	struct span text;
	int r = eas_body_text(a, m, type, &text);

	if (r == 0)
		r = cut_body(a, text, p, &b);
	if (r == 0)
		r = take_preview(a, m, p, &b);
	if (r == 0)
		*ret_body = b;
	return r;
}

/*
 * A form that is wanted whole or not at all and does not fit leaves its place to the next that is wanted
 * (MS-ASAIRS 2.2.2.3.2): the other readable one, where of that something is sent.
 */
static int take_other_form(struct arena *a, const struct eas_message *m, const struct eas_item_options *o,
                           struct eas_body_answer *body)
{
	enum eas_body_type other = body->type == EAS_BODY_HTML ? EAS_BODY_TEXT : EAS_BODY_HTML;
	struct eas_body_answer b = { .type = other };
	int r = 0;

	if (o->body[other].wanted)
		r = take_form(a, m, other, &o->body[other], &b);
	if (r == 0 && b.has_data)
		*body = b;
	return r;
}

static int take_body(struct arena *a, const struct eas_message *m, struct eas_email *e)
{
	struct eas_body_choice c = eas_body_choose(m->layout, e->options);
	struct eas_body_answer b;
	int r;

	if (e->options->version < 120) {
		c.data = true;
		c.preference.truncation =
			c.type == EAS_BODY_MIME ? e->options->mime_truncation : e->options->truncation;
	}
	r = take_form(a, m, c.type, &c.preference, &b);
	if (r == 0 && b.truncated && c.preference.all_or_none)
		r = take_other_form(a, m, e->options, &b);
	if (r < 0)
		return r;
	if (!c.data) {
		b.has_data = false;
		b.truncated = b.size > 0;
	}
	e->body = b;
	return 0;
}

static int take_part(struct arena *a, const struct eas_message *m, struct eas_email *e)
{
	struct eas_body_answer b = { .type = EAS_BODY_HTML };
	struct span html;
	int r = eas_body_text(a, m, EAS_BODY_HTML, &html);

	if (r == 0)
		r = cut_body(a, eas_html_unquoted(html), &e->options->part, &b);
	if (r == 0)
		r = take_preview(a, m, &e->options->part, &b);
	if (r == 0)
		e->part = b;
	return r;
}

static int take_meeting(struct arena *a, const struct eas_message *m, struct eas_email *e)
{
	struct span text;
	int r = eas_message_invitation(a, m, &text);

	if (r == 0)
		r = eas_meeting_read(a, text, &e->meeting);
	if (r == 0) {
		e->has_meeting = true;
		if (m->layout->protection == EAS_PLAIN)
			e->message_class = eas_meeting_class(&e->meeting);
	}
	/* What cannot be read is no invitation, but still a message. */
	return r == -POD_E_NOMEM ? r : 0;
}

static void take_report(const struct eas_message *m, struct eas_email *e)
{
	static const struct {
		const char *says, *class;
	} kinds[] = {
		{ "\nAction: failed", "REPORT.IPM.Note.NDR" },
		{ "\nAction: delayed", "REPORT.IPM.Note.DELAYED" },
		{ "\nAction: delivered", "REPORT.IPM.Note.DR" },
		{ "\nAction: relayed", "REPORT.IPM.Note.DR" },
		{ "\nAction: expanded", "REPORT.IPM.Note.DR" },
		{ "; deleted", "REPORT.IPM.Note.IPNNRN" },
	};
	struct span header, body;

	if (eas_message_part(m, m->layout->parts.parts[m->layout->report].path, &header, &body) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (span_find_nocase(body, span_of(kinds[i].says)) != SIZE_MAX) {
			e->message_class = kinds[i].class;
			return;
		}
	}
}

int eas_email_add_bytes(struct arena *a, struct eas_email *e, struct span bytes)
{
	struct eas_message m;
	int r = eas_message_open(a, bytes, e->item->parts, &e->layout, &m);

	if (r == 0 && eas_item_options_want_body(e->options))
		r = take_body(a, &m, e);
	if (r == 0 && e->options->part.wanted && e->options->version >= 141)
		r = take_part(a, &m, e);
	if (r == 0 && e->layout.calendar != EAS_NO_PART)
		r = take_meeting(a, &m, e);
	if (r == 0 && e->layout.report != EAS_NO_PART)
		take_report(&m, e);
	return r;
}
