/* body = "(" (body-type-1part / body-type-mpart) ")" with extension data   (RFC 3501 7.4.2 and section 9) */
#include "mime/cfws.h"
#include "mime/header.h"
#include "mime/imap_text.h"

struct writer {
	struct buf *out;
	struct arena *a;
	struct span message;
	const struct scan *scan;
};

/* body-fld-param = "(" string SP string *(SP string SP string) ")" / nil. RFC 2231 forms pass as they are. */
static void put_params(struct writer *w, struct span params, bool default_charset)
{
	struct content_param p;
	bool any = false;

	while (content_param_next(w->a, &params, &p)) {
		buf_add_byte(w->out, any ? ' ' : '(');
		imap_put_lower(w->out, p.name);
		buf_add_byte(w->out, ' ');
		imap_put_string(w->out, p.value);
		any = true;
	}
	if (any)
		buf_add_byte(w->out, ')');
	else
		buf_add(w->out, default_charset ? SPAN_LIT("(\"charset\" \"us-ascii\")") : SPAN_LIT("NIL"));
}

/* A value as it is; NIL where the field is absent or empty. */
static void put_value(struct writer *w, struct span value)
{
	struct span text = mime_unfold(w->a, value);

	buf_add_byte(w->out, ' ');
	imap_put_nstring(w->out, text.len ? text : SPAN_NONE);
}

/*
 * body-fld-dsp = "(" string SP body-fld-param ")" / nil; without a type it is an attachment (RFC
 * 2183 2.8).
 */
static void put_disposition(struct writer *w, struct span value)
{
	struct span params, type = content_token(value, &params);

	if (span_trim(value).len == 0) {
		buf_add(w->out, SPAN_LIT(" NIL"));
		return;
	}
	buf_add(w->out, SPAN_LIT(" ("));
	imap_put_lower(w->out, type.len ? type : SPAN_LIT("attachment"));
	buf_add_byte(w->out, ' ');
	put_params(w, params, false);
	buf_add_byte(w->out, ')');
}

/* body-fld-lang = nstring / "(" string *(SP string) ")": the tags of Content-Language (RFC 3282). */
static void put_language(struct writer *w, struct span value)
{
	bool any = false;

	buf_add_byte(w->out, ' ');
	while (value.p) {
		struct span tag = content_token(span_split(value, ',', &value), &(struct span){ NULL, 0 });

		if (tag.len == 0)
			continue;
		buf_add_byte(w->out, any ? ' ' : '(');
		imap_put_string(w->out, tag);
		any = true;
	}
	buf_add(w->out, any ? SPAN_LIT(")") : SPAN_LIT("NIL"));
}

/* body-fld-dsp SP body-fld-lang SP body-fld-loc: where the extension data of both kinds of body ends. */
static void put_extension_tail(struct writer *w, const struct span *fields)
{
	put_disposition(w, fields[FIELD_CONTENT_DISPOSITION]);
	put_language(w, fields[FIELD_CONTENT_LANGUAGE]);
	put_value(w, fields[FIELD_CONTENT_LOCATION]);
}

/*
 * What a leaf is called. A multipart that has no parts is shown as the text it is; a message that was not
 * looked into as bytes, for "message/rfc822" would have to be followed by an envelope.
 */
static struct content_type leaf_type(const struct scan_part *info)
{
	struct content_type t = info->type;

	if (t.type.len == 0 || span_eq_nocase(t.type, SPAN_LIT("multipart"))) {
		t.type = SPAN_LIT("text");
		t.subtype = SPAN_LIT("plain");
	} else if (content_type_is(&t, SPAN_LIT("message"), SPAN_LIT("rfc822")) ||
	           content_type_is(&t, SPAN_LIT("message"), SPAN_LIT("global"))) {
		t.type = SPAN_LIT("application");
		t.subtype = SPAN_LIT("octet-stream");
	}
	return t;
}

static void put_encoding(struct writer *w, struct span value)
{
	struct span rest, token = content_token(value, &rest);

	buf_add_byte(w->out, ' ');
	imap_put_lower(w->out, token.len ? token : SPAN_LIT("7bit"));
}

/* media type and body-fields: what a leaf and a message have in common. */
static void put_fields(struct writer *w, uint32_t i, const struct content_type *t)
{
	const struct scan_part *info = &w->scan->parts[i];

	imap_put_lower(w->out, t->type);
	buf_add_byte(w->out, ' ');
	imap_put_lower(w->out, t->subtype);
	buf_add_byte(w->out, ' ');
	put_params(w, t->params, info->type.type.len == 0);
	put_value(w, info->fields[FIELD_CONTENT_ID]);
	put_value(w, info->fields[FIELD_CONTENT_DESCRIPTION]);
	put_encoding(w, info->fields[FIELD_CONTENT_TRANSFER_ENCODING]);
	buf_printf(w->out, " %llu", (unsigned long long) w->scan->tree.parts[i].body_len);
}

static void put_lines(struct writer *w, uint32_t i)
{
	buf_printf(w->out, " %u", w->scan->tree.parts[i].lines);
}

/* body-ext-1part, from its MD5 on. */
static void put_extension_1part(struct writer *w, uint32_t i)
{
	put_value(w, w->scan->parts[i].fields[FIELD_CONTENT_MD5]);
	put_extension_tail(w, w->scan->parts[i].fields);
}

static void put_leaf(struct writer *w, uint32_t i)
{
	struct content_type t = leaf_type(&w->scan->parts[i]);

	buf_add_byte(w->out, '(');
	put_fields(w, i, &t);
	if (span_eq_nocase(t.type, SPAN_LIT("text")))
		put_lines(w, i);
	put_extension_1part(w, i);
	buf_add_byte(w->out, ')');
}

/* What comes before the bodies inside a multipart or message. */
static void put_opening(struct writer *w, uint32_t i)
{
	struct content_type t = w->scan->parts[i].type;

	buf_add_byte(w->out, '(');
	if (w->scan->tree.parts[i].kind == MIME_MULTIPART)
		return;
	if (t.type.len == 0) { /* only a digest makes a message of nothing */
		t.type = SPAN_LIT("message");
		t.subtype = SPAN_LIT("rfc822");
	}
	put_fields(w, i, &t);
	buf_add_byte(w->out, ' ');
	imap_put_envelope(w->out, w->a, w->message, w->scan, w->scan->tree.parts[i].first_child);
	buf_add_byte(w->out, ' ');
}

/* And what comes after them. */
static void put_closing(struct writer *w, uint32_t i)
{
	const struct scan_part *info = &w->scan->parts[i];

	if (w->scan->tree.parts[i].kind == MIME_MULTIPART) {
		buf_add_byte(w->out, ' ');
		imap_put_lower(w->out, info->type.subtype);
		buf_add_byte(w->out, ' ');
		put_params(w, info->type.params, false);
		put_extension_tail(w, info->fields);
	} else {
		put_lines(w, i);
		put_extension_1part(w, i);
	}
	buf_add_byte(w->out, ')');
}

void imap_put_bodystructure(struct buf *out, struct arena *a, struct span message, const struct scan *scan)
{
	struct writer w = { out, a, message, scan };
	uint32_t i = 0;

	while (!out->failed) {
		const struct mime_part *part = &scan->tree.parts[i];

		if (part->kind != MIME_LEAF) {
			put_opening(&w, i);
			i = part->first_child;
			continue;
		}
		put_leaf(&w, i);
		while (scan->tree.parts[i].next == MIME_NO_PART) {
			i = scan->tree.parts[i].parent;
			if (i == MIME_NO_PART)
				return;
			put_closing(&w, i);
		}
		i = scan->tree.parts[i].next;
	}
}
