#include "imapd/eas/item/draft_header.h"

#include "base/base64.h"
#include "base/cleanup.h"
#include "imapd/eas/send/encode.h"
#include "mime/address.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mime/utf8.h"

/* Bytes of text in one encoded word: 45 are 60 characters of base64, and a word has at most 75 (RFC 2047 2).
 */
#define WORD_BYTES 42

static bool is_ascii_text(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

/* Bytes of whole characters, at most max. */
static size_t whole_characters(struct span s, size_t max)
{
	size_t n = 0, c;

	while (n < s.len) {
		c = utf8_char_len(span_skip(s, n));
		if (n + (c ? c : 1) > max)
			break;
		n += c ? c : 1;
	}
	return n > 0 ? n : 1;
}

/* Encoded words, folded, where it is no plain ASCII (RFC 2047). */
static void put_text(struct arena *a, struct buf *out, struct span text)
{
	bool first = true;

	if (is_ascii_text(text)) {
		buf_add(out, text);
		return;
	}
	while (text.len > 0) {
		size_t n = whole_characters(text, WORD_BYTES);

		buf_add_str(out, first ? "=?utf-8?B?" : "\r\n =?utf-8?B?");
		buf_add(out, base64_encode(a, span_head(text, n)));
		buf_add_str(out, "?=");
		text = span_skip(text, n);
		first = false;
	}
}

static void put_quoted(struct buf *out, struct span name)
{
	buf_add_byte(out, '"');
	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] == '"' || name.p[i] == '\\')
			buf_add_byte(out, '\\');
		buf_add_byte(out, name.p[i]);
	}
	buf_add_byte(out, '"');
}

static void put_mailbox(struct arena *a, struct buf *out, const struct address_entry *e)
{
	struct address address = { e->local, e->domain };
	struct span text = e->domain.len > 0 ? address_format(a, &address) : e->local;

	if (e->name.len == 0) {
		buf_add(out, text);
		return;
	}
	if (is_ascii_text(e->name))
		put_quoted(out, e->name);
	else
		put_text(a, out, e->name);
	buf_add_str(out, " <");
	buf_add(out, text);
	buf_add_byte(out, '>');
}

/* What a person typed so far, of which parts may be no addresses yet: it is kept. */
static void put_addresses(struct arena *a, struct buf *out, const char *field, struct span value)
{
	struct address_list list = { NULL, 0 };
	size_t n = 0;

	if (address_list_parse(a, value, &list) < 0) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < list.n; i++) {
		if (list.entries[i].kind != ADDRESS_MAILBOX)
			continue;
		buf_add_str(out, n++ > 0 ? ",\r\n " : field);
		if (n == 1)
			buf_add_str(out, ": ");
		put_mailbox(a, out, &list.entries[i]);
	}
	if (n > 0)
		buf_add_str(out, "\r\n");
}

/* ---- fields by name ---- */

static struct span header_of(const struct eas_message *base)
{
	return base ? mime_header_of(base->bytes) : SPAN_NONE;
}

static bool copy_field(struct buf *out, const struct eas_message *base, const char *name)
{
	struct mime_field f;

	if (!mime_field_find(header_of(base), span_of(name), &f))
		return false;
	encode_fields(out, f.whole);
	return true;
}

static void put_list(struct arena *a, struct buf *out, const struct eas_message *base, const char *name,
                     struct span said)
{
	if (said.p)
		put_addresses(a, out, name, said);
	else
		(void) copy_field(out, base, name);
}

static void put_subject(struct arena *a, struct buf *out, const struct eas_message *base, struct span said)
{
	if (!said.p && copy_field(out, base, "Subject"))
		return;
	buf_add_str(out, "Subject: ");
	put_text(a, out, said);
	buf_add_str(out, "\r\n");
}

static void put_importance(struct buf *out, const struct eas_message *base, struct span said)
{
	if (!said.p)
		(void) copy_field(out, base, "Importance");
	else if (span_eq(said, SPAN_LIT("2")))
		buf_add_str(out, "Importance: high\r\n");
	else if (span_eq(said, SPAN_LIT("0")))
		buf_add_str(out, "Importance: low\r\n");
}

static void put_message_id(struct buf *out, const struct eas_draft_frame *frame)
{
	const char *at = strchr(frame->from, '@');
	char id[ID_TEXT_SIZE];

	guid_format(&frame->id, id);
	buf_printf(out, "Message-ID: <%s%s>\r\n", id, at ? at : "@localhost");
}

void draft_put_header(struct arena *a, struct buf *out, const struct eas_draft *d,
                      const struct eas_message *base, const struct eas_draft_frame *frame)
{
	char date[DATE_RFC5322_SIZE];

	buf_printf(out, "Date: %s\r\n",
	           date_format_rfc5322((struct mail_date){ .unix_s = frame->now_s }, date, sizeof(date)));
	if (!copy_field(out, base, "From"))
		buf_printf(out, "From: %s\r\n", frame->from);
	put_list(a, out, base, "To", d->to);
	put_list(a, out, base, "Cc", d->cc);
	put_list(a, out, base, "Bcc", d->bcc);
	put_list(a, out, base, "Reply-To", d->reply_to);
	put_subject(a, out, base, d->subject);
	put_importance(out, base, d->importance);
	if (!copy_field(out, base, "Message-ID"))
		put_message_id(out, frame);
	(void) copy_field(out, base, "In-Reply-To");
	(void) copy_field(out, base, "References");
}

/* ---- files ---- */

static bool is_attribute(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-' || c == '_';
}

/* RFC 2231 4 */
static void put_extended(struct buf *out, struct span name)
{
	buf_add_str(out, "; filename*=utf-8''");
	for (size_t i = 0; i < name.len; i++) {
		if (is_attribute(name.p[i]))
			buf_add_byte(out, name.p[i]);
		else
			buf_printf(out, "%%%02X", name.p[i]);
	}
}

static bool is_type(struct span type)
{
	size_t slashes = 0;

	for (size_t i = 0; i < type.len; i++) {
		uint8_t c = type.p[i];

		slashes += c == '/';
		if (c != '/' && !is_attribute(c) && c != '+')
			return false;
	}
	return slashes == 1 && type.len < 100;
}

void draft_put_file_fields(struct arena *a, struct buf *out, const struct eas_draft_file *f)
{
	struct span type = is_type(f->type) ? f->type : SPAN_LIT("application/octet-stream");

	buf_add_str(out, "Content-Type: ");
	buf_add(out, type);
	buf_add_str(out, "\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: ");
	buf_add_str(out, f->shown ? "inline" : "attachment");
	if (is_ascii_text(f->name)) {
		buf_add_str(out, "; filename=");
		put_quoted(out, f->name);
	} else {
		put_extended(out, f->name);
	}
	buf_add_str(out, "\r\n");
	if (f->content_id.len > 0 && is_ascii_text(f->content_id)) {
		buf_add_str(out, "Content-ID: <");
		buf_add(out, f->content_id);
		buf_add_str(out, ">\r\n");
	}
}

void draft_put_content_fields(struct buf *out, struct span header)
{
	struct mime_field f;

	while (mime_field_next(&header, &f))
		if (span_starts_nocase(f.name, SPAN_LIT("Content-")))
			encode_fields(out, f.whole);
	buf_add_str(out, "\r\n");
}
