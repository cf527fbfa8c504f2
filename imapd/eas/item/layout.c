#include "imapd/eas/item/layout.h"

#include "base/cleanup.h"
#include "mime/header.h"

struct sorter {
	struct arena *a;
	struct eas_layout *l;
	uint32_t alternative_end; /* where the outermost one that is open ends */
	uint32_t segment;         /* of it; EAS_NO_PART where it has none yet */
};

static const struct eas_part *parent_of(const struct eas_layout *l, const struct eas_part *p)
{
	return p->parent == EAS_NO_PART ? NULL : &l->parts.parts[p->parent];
}

static bool is_attached(const struct eas_part *p)
{
	return span_eq_nocase(p->disposition, SPAN_LIT("attachment"));
}

/* Text that is read, not a file that happens to be text. */
static bool is_body(const struct sorter *s, const struct eas_part *p)
{
	if (p->kind != EAS_PART_LEAF || is_attached(p))
		return false;
	if (!eas_part_is(p, "text", "plain") && !eas_part_is(p, "text", "html"))
		return false;
	return p->name.len == 0 || (s->l->segments_n == 0 && p->disposition.len == 0);
}

static struct eas_segment *new_segment(struct sorter *s)
{
	struct eas_segment *seg = &s->l->segments[s->l->segments_n++];

	*seg = (struct eas_segment){ EAS_NO_PART, EAS_NO_PART, false };
	return seg;
}

/*
 * Of the parts of a multipart/alternative the text and the HTML are one segment. Where there is more of
 * either (HTML on both sides of a picture), it goes on in segments of its own.
 */
static void add_body(struct sorter *s, uint32_t i)
{
	bool html = eas_part_is(&s->l->parts.parts[i], "text", "html");
	bool in_alternative = i < s->alternative_end;
	struct eas_segment *seg = NULL;

	if (in_alternative && s->segment != EAS_NO_PART) {
		seg = &s->l->segments[s->segment];
		if ((html ? seg->html : seg->text) != EAS_NO_PART) {
			bool told = (html ? seg->text : seg->html) != EAS_NO_PART;

			seg = new_segment(s);
			seg->continued = told;
		}
	}
	if (!seg)
		seg = new_segment(s);
	if (in_alternative && s->segment == EAS_NO_PART)
		s->segment = s->l->segments_n - 1;
	if (html) {
		seg->html = i;
		s->l->html = true;
	} else {
		seg->text = i;
	}
}

/* RFC 6047 2.4: its method is a parameter of the type, too. Some senders forget, and have it as an
 * alternative. */
static bool is_invitation(const struct sorter *s, const struct eas_part *p, uint32_t i)
{
	struct span method;

	if (!eas_part_is(p, "text", "calendar") || s->l->calendar != EAS_NO_PART)
		return false;
	method = eas_part_param(s->a, p, "method");
	if (method.len == 0)
		return i < s->alternative_end;
	return !span_eq_nocase(method, SPAN_LIT("PUBLISH"));
}

static bool is_report(const struct sorter *s, const struct eas_part *p)
{
	const struct eas_part *up = parent_of(s->l, p);

	return up && eas_part_is(up, "multipart", "report") &&
	       (eas_part_is(p, "message", "delivery-status") ||
	        eas_part_is(p, "message", "disposition-notification"));
}

static bool is_pkcs7(const struct eas_part *p)
{
	return eas_part_is(p, "application", "pkcs7-mime") || eas_part_is(p, "application", "x-pkcs7-mime");
}

static void note_protection(struct sorter *s, const struct eas_part *p)
{
	static const char *const protocols[] = { "application/pkcs7-signature",
		                                 "application/x-pkcs7-signature" };
	struct span protocol;

	if (is_pkcs7(p) && p->parent == EAS_NO_PART) {
		s->l->protection = EAS_SMIME;
	} else if (p->parent == EAS_NO_PART && eas_part_is(p, "multipart", "signed")) {
		protocol = eas_part_param(s->a, p, "protocol");
		for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
			if (span_eq_nocase(protocol, span_of(protocols[i])))
				s->l->protection = EAS_SIGNED;
	}
}

static void sort_part(struct sorter *s, uint32_t i)
{
	const struct eas_part *p = &s->l->parts.parts[i];

	note_protection(s, p);
	if (p->kind == EAS_PART_MULTIPART) {
		if (eas_part_is(p, "multipart", "alternative") && i >= s->alternative_end) {
			s->alternative_end = p->end;
			s->segment = EAS_NO_PART;
		}
		return;
	}
	if (is_report(s, p))
		s->l->report = i;
	if (is_invitation(s, p, i)) {
		s->l->calendar = i;
		if (!is_attached(p))
			return;
	}
	if (is_body(s, p))
		add_body(s, i);
	else
		s->l->attachments[s->l->attachments_n++] = i;
}

/* A message of which the index knows no structure is told as text without attachments. */
static const struct span unknown_structure = SPAN_LIT("(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");

int eas_layout_read(struct arena *a, struct span bodystructure, struct eas_layout *ret_layout)
{
	struct eas_layout l = { .calendar = EAS_NO_PART, .report = EAS_NO_PART };
	struct sorter s = { .a = a, .l = &l, .segment = EAS_NO_PART };
	int r = eas_structure_read(a, bodystructure.len > 0 ? bodystructure : unknown_structure, &l.parts);

	if (r < 0)
		return r;
	l.segments = arena_array(a, l.parts.n, sizeof(*l.segments));
	l.attachments = arena_array(a, l.parts.n, sizeof(*l.attachments));
	if (!l.segments || !l.attachments)
		return -POD_E_NOMEM;
	for (uint32_t i = 0; i < l.parts.n; i++)
		sort_part(&s, i);
	*ret_layout = l;
	return 0;
}

/* ---- attachments ---- */

static struct span name_of_message(struct arena *a, const struct eas_part *p)
{
	struct span subject = span_trim(mime_decode_text(a, p->subject));

	if (subject.len == 0)
		return SPAN_LIT("message.eml");
	return span_of(arena_printf(a, SPAN_FMT ".eml", SPAN_ARG(span_head(subject, 200))));
}

struct span eas_attachment_name(struct arena *a, const struct eas_part *part)
{
	static const struct {
		const char *type, *subtype, *name;
	} known[] = {
		{ "text", "plain", "text.txt" },
		{ "text", "html", "page.html" },
		{ "text", "calendar", "invitation.ics" },
		{ "text", "rfc822-headers", "headers.txt" },
		{ "message", "delivery-status", "delivery-status.txt" },
		{ "image", "jpeg", "image.jpg" },
		{ "image", "png", "image.png" },
		{ "image", "gif", "image.gif" },
		{ "application", "pdf", "document.pdf" },
		{ "application", "pkcs7-mime", "smime.p7m" },
		{ "application", "x-pkcs7-mime", "smime.p7m" },
		{ "application", "pkcs7-signature", "smime.p7s" },
		{ "application", "x-pkcs7-signature", "smime.p7s" },
		{ "application", "pgp-signature", "signature.asc" },
	};

	if (part->name.len > 0)
		return part->name;
	if (part->kind == EAS_PART_MESSAGE)
		return name_of_message(a, part);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (eas_part_is(part, known[i].type, known[i].subtype))
			return span_of(known[i].name);
	return SPAN_LIT("attachment.bin");
}

/*
 * Clients do not list such a part, so that one that nothing refers to would be lost to them: what is marked
 * as inline beside a text is still a file.
 */
bool eas_attachment_is_inline(const struct eas_layout *l, const struct eas_part *part)
{
	const struct eas_part *up = parent_of(l, part);

	return part->content_id.len > 0 && !is_attached(part) && up &&
	       eas_part_is(up, "multipart", "related");
}
