#include "imapd/eas/send/join.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "imapd/eas/send/encode.h"
#include "imapd/eas/send/parts.h"
#include "imapd/eas/send/quote.h"
#include "mime/content.h"
#include "mime/header.h"

#define PICTURES_AMONG 200 /* parts of an original, that a reply looks at */

static const char *const text_fields[] = { "Content-Type", "Content-Transfer-Encoding", "Content-Length",
	                                   NULL };

struct joining {
	struct arena *a;
	const struct compose_order *o;
	struct message_parts client, original;
	struct quoted quoted;
	bool has_quote; /* the client's texts get the original's below them */
	char boundary[ID_TEXT_SIZE + 8];
};

void joined_done(struct joined *j)
{
	buf_done(&j->fields);
	buf_done(&j->body);
}

/* ---- the client's texts with the original's below them ---- */

static bool is_flowed(struct arena *a, struct span header)
{
	struct mime_field f;

	return mime_field_find(header, SPAN_LIT("Content-Type"), &f) &&
	       span_eq_nocase(content_param_find(a, content_type_parse(f.value).params, SPAN_LIT("format")),
	                      SPAN_LIT("flowed"));
}

static int quote_below(const struct joining *j, uint32_t part, struct buf *fields, struct buf *body)
{
	_cleanup_buf_ struct buf text = BUF_INIT, quote = BUF_INIT;
	struct span header = message_part_header(&j->client, part), own;
	bool html = part == j->client.html;
	int r = message_part_text(j->a, &j->client, part, &own);

	if (r < 0)
		return r;
	if (html) {
		quote_as_html(j->a, &j->quoted, &quote);
		quote_into_html(own, buf_span(&quote), &text);
	} else {
		buf_add(&text, own);
		quote_as_text(j->a, &j->quoted, &text);
	}
	if (text.failed || quote.failed)
		return -POD_E_NOMEM;
	encode_text(fields, body, html ? "html" : "plain",
	            !html && is_flowed(j->a, header) ? "format=flowed" : "", buf_span(&text));
	message_put_content_fields(fields, header, text_fields);
	return 0;
}

static bool is_changed(const struct joining *j, uint32_t part)
{
	return j->has_quote && (part == j->client.text || part == j->client.html);
}

/* The client's message: its bytes, but for the parts that are changed. */
static int put_client(const struct joining *j, struct joined *out)
{
	const struct mime_tree *t = &j->client.tree;
	uint64_t at = t->parts[0].body_off;
	int r = 0;

	if (is_changed(j, 0))
		return quote_below(j, 0, &out->fields, &out->body);
	message_put_content_fields(&out->fields, message_part_header(&j->client, 0), NULL);
	for (uint32_t i = 1; r == 0 && i < t->n; i++) {
		const struct mime_part *p = &t->parts[i];
		_cleanup_buf_ struct buf fields = BUF_INIT, body = BUF_INIT;

		if (!is_changed(j, i))
			continue;
		r = quote_below(j, i, &fields, &body);
		buf_add(&out->body, span_make(j->client.message.p + at, p->header_off - at));
		buf_add(&out->body, buf_span(&fields));
		buf_add(&out->body, SPAN_LIT("\r\n"));
		buf_add(&out->body, buf_span(&body));
		out->body.failed = out->body.failed || fields.failed || body.failed;
		at = p->body_off + p->body_len;
	}
	buf_add(&out->body, span_skip(j->client.message, at));
	return r;
}

/* ---- beside it ---- */

static void open_part(const struct joining *j, struct buf *out)
{
	buf_printf(out, "\r\n--%s\r\n", j->boundary);
}

static void put_attachment(const struct joining *j, uint32_t part, struct buf *out)
{
	_cleanup_buf_ struct buf fields = BUF_INIT;

	open_part(j, out);
	message_put_content_fields(&fields, message_part_header(&j->original, part), NULL);
	encode_fields(out, buf_span(&fields));
	out->failed = out->failed || fields.failed;
	buf_add(out, SPAN_LIT("\r\n"));
	encode_lines(out, message_part_body(&j->original, part));
}

/* The original as it is, where no text of it can be quoted or none of ours may be changed. */
static void put_message(const struct joining *j, struct buf *out)
{
	open_part(j, out);
	buf_add_str(out, "Content-Type: message/rfc822\r\nContent-Disposition: attachment; "
	                 "filename=\"original.eml\"\r\n\r\n");
	encode_lines(out, j->original.message);
}

/* A reply takes the pictures along that its quote shows, a forward all there is. */
static bool goes_along(const struct joining *j, uint32_t part)
{
	if (!message_part_is_attachment(&j->original, part))
		return false;
	if (j->o->kind == COMPOSE_FORWARD)
		return true;
	return part < PICTURES_AMONG && j->client.html != MIME_NO_PART && j->quoted.html.p &&
	       message_part_is_shown(j->a, &j->original, part, j->quoted.html);
}

static bool has_company(const struct joining *j)
{
	bool any = !j->has_quote;

	for (uint32_t i = 0; !any && i < j->original.tree.n; i++)
		any = goes_along(j, i);
	return any;
}

static void put_company(const struct joining *j, struct buf *out)
{
	if (!j->has_quote)
		put_message(j, out);
	for (uint32_t i = 0; j->has_quote && i < j->original.tree.n; i++)
		if (goes_along(j, i))
			put_attachment(j, i, out);
}

/* The client's message becomes the first part of a multipart. */
static void wrap(const struct joining *j, struct joined *inner, struct joined *out)
{
	buf_printf(&out->fields, "Content-Type: multipart/mixed; boundary=\"%s\"\r\n", j->boundary);
	buf_printf(&out->body, "--%s\r\n", j->boundary);
	buf_add(&out->body, buf_span(&inner->fields));
	buf_add(&out->body, SPAN_LIT("\r\n"));
	buf_add(&out->body, buf_span(&inner->body));
	put_company(j, &out->body);
	buf_printf(&out->body, "\r\n--%s--\r\n", j->boundary);
	out->body.failed = out->body.failed || inner->body.failed || inner->fields.failed;
}

static int look(struct joining *j, struct span mime)
{
	int r = message_parts_of(j->a, mime, true, &j->client);

	if (r == 0)
		r = message_parts_of(j->a, j->o->original, false, &j->original);
	if (r == 0)
		r = quoted_of(j->a, &j->original, j->o->kind == COMPOSE_REPLY, j->o->html_to_text,
		              &j->quoted);
	j->has_quote = r == 0 && (j->client.text != MIME_NO_PART || j->client.html != MIME_NO_PART);
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int join_with_original(struct arena *a, const struct compose_order *o, struct span mime, struct joined *ret)
{
	struct joining j = { .a = a, .o = o };
	struct joined inner = { 0 }, outer = { 0 };
	char id[ID_TEXT_SIZE];
	int r = look(&j, mime);

	guid_format(&o->id, id);
	(void) snprintf(j.boundary, sizeof(j.boundary), "=_pod_%s", id);
	if (r == 0)
		r = put_client(&j, &inner);
	if (r == 0 && has_company(&j)) {
		wrap(&j, &inner, &outer);
		joined_done(&inner);
		inner = outer;
	}
	if (r == 0 && (inner.fields.failed || inner.body.failed))
		r = -POD_E_NOMEM;
	if (r == 0)
		*ret = inner;
	else
		joined_done(&inner);
	return r;
}
