#include "mta/outbound/seven_bit.h"

#include "base/arena.h"
#include "base/cleanup.h"
#include "mime/content.h"
#include "mime/header.h"
#include "mime/mime.h"
#include "mta/outbound/mail_name.h"

#define ARENA_MAX  (20u << 20)
#define LINE_MAX   76             /* RFC 2045 6.7 (5), 6.8 */
#define GROUPS_MAX (LINE_MAX / 4) /* of base64 in a line */

/* A message on its way: what is before `at` is in out. */
struct encoding {
	struct span message;
	struct mime_tree tree;
	struct buf *out;
	uint64_t at;
};

static void copy_to(struct encoding *e, uint64_t off)
{
	buf_add(e->out, span_make(e->message.p + e->at, (size_t) (off - e->at)));
	e->at = off;
}

/* ---- encodings ---- */

static void add_hex(struct buf *out, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";

	buf_add_byte(out, '=');
	buf_add_byte(out, (uint8_t) digits[c >> 4]);
	buf_add_byte(out, (uint8_t) digits[c & 15]);
}

static bool is_line_end(struct span s)
{
	return s.len >= 2 && s.p[0] == '\r' && s.p[1] == '\n';
}

/* White space may stand anywhere but before a line end (RFC 2045 6.7 (3)). */
static bool is_plain(struct span s)
{
	uint8_t c = s.p[0];

	if (c == ' ' || c == '\t')
		return s.len > 1 && !is_line_end(span_skip(s, 1));
	return c > ' ' && c < 0x7f && c != '=';
}

/* A "-" at the start of a line that was none before could make a delimiter of it. */
static size_t add_quoted(struct span s, size_t column, struct buf *out)
{
	if (is_plain(s) && !(column == 0 && *s.p == '-')) {
		buf_add_byte(out, *s.p);
		return 1;
	}
	add_hex(out, *s.p);
	return 3;
}

static void quoted_printable(struct span s, struct buf *out)
{
	for (size_t column = 0; s.len;) {
		if (is_line_end(s)) {
			buf_add_str(out, "\r\n");
			s = span_skip(s, 2);
			column = 0;
			continue;
		}
		if (column + (is_plain(s) ? 1 : 3) > LINE_MAX - 1) { /* one is for the "=" */
			buf_add_str(out, "=\r\n");
			column = 0;
		}
		column += add_quoted(s, column, out);
		s = span_skip(s, 1);
	}
}

static void base64(struct span s, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t group = 0; s.len; group++, s = span_skip(s, 3)) {
		uint32_t v = (uint32_t) s.p[0] << 16 | (s.len > 1 ? (uint32_t) s.p[1] << 8 : 0) |
		             (s.len > 2 ? s.p[2] : 0);

		if (group && group % GROUPS_MAX == 0)
			buf_add_str(out, "\r\n");
		buf_add_byte(out, (uint8_t) digits[v >> 18]);
		buf_add_byte(out, (uint8_t) digits[v >> 12 & 63]);
		buf_add_byte(out, s.len > 1 ? (uint8_t) digits[v >> 6 & 63] : '=');
		buf_add_byte(out, s.len > 2 ? (uint8_t) digits[v & 63] : '=');
	}
}

/* ---- parts ---- */

static struct span header_of(const struct encoding *e, const struct mime_part *p)
{
	return span_make(e->message.p + p->header_off, (size_t) p->header_len);
}

static struct span body_of(const struct encoding *e, const struct mime_part *p)
{
	return span_make(e->message.p + p->body_off, (size_t) p->body_len);
}

static struct content_type type_of(struct span header)
{
	struct mime_field f;

	return content_type_parse(mime_field_find(header, SPAN_LIT("Content-Type"), &f) ? f.value
	                                                                                : SPAN_NONE);
}

/* The token of Content-Transfer-Encoding: "7bit" where there is none (RFC 2045 6.1). */
static struct span encoding_of(struct span header)
{
	struct mime_field f;
	struct span rest;

	return mime_field_find(header, SPAN_LIT("Content-Transfer-Encoding"), &f)
	               ? content_token(f.value, &rest)
	               : SPAN_LIT("7bit");
}

static bool is_raw(struct span encoding)
{
	return span_eq_nocase(encoding, SPAN_LIT("7bit")) || span_eq_nocase(encoding, SPAN_LIT("8bit")) ||
	       span_eq_nocase(encoding, SPAN_LIT("binary"));
}

static int refuse(struct err *err, const char *why)
{
	return err_set(err, POD_E_UNSUPPORTED, "%s", why);
}

/* Fields in the place of the one there, or at the end of the header. */
static int set_fields(struct encoding *e, const struct mime_part *p, const char *fields, struct err *err)
{
	struct span header = header_of(e, p);
	struct mime_field f;
	bool closed = header.len >= 2 && is_line_end(span_skip(header, header.len - 2));

	if (mime_field_find(header, SPAN_LIT("Content-Transfer-Encoding"), &f)) {
		copy_to(e, (uint64_t) (f.whole.p - e->message.p));
		e->at += f.whole.len;
	} else if (closed) {
		copy_to(e, p->header_off + p->header_len - 2);
	} else {
		return refuse(err, "a part has 8-bit bytes and no header");
	}
	buf_add_str(e->out, fields);
	return 0;
}

static int encode_leaf(struct encoding *e, const struct mime_part *p, struct err *err)
{
	struct span header = header_of(e, p);
	struct content_type t = type_of(header);
	bool is_whole = p == e->tree.parts, is_text = !t.type.len || span_eq_nocase(t.type, SPAN_LIT("text"));
	struct mime_field f;
	int r;

	if (!is_raw(encoding_of(header)))
		return refuse(err, "a part has 8-bit bytes in spite of its encoding");
	if (span_eq_nocase(t.type, SPAN_LIT("multipart")) || span_eq_nocase(t.type, SPAN_LIT("message")))
		return refuse(err, "a part that must not be encoded has 8-bit bytes");
	r = set_fields(e, p,
	               is_text ? "Content-Transfer-Encoding: quoted-printable\r\n"
	                       : "Content-Transfer-Encoding: base64\r\n",
	               err);
	if (r < 0)
		return r;
	/* What says nothing of itself is text in a charset that nobody knows (RFC 1428 3). */
	if (is_whole && !mime_field_find(header, SPAN_LIT("MIME-Version"), &f))
		buf_add_str(e->out, "MIME-Version: 1.0\r\n");
	if (is_whole && !t.type.len)
		buf_add_str(e->out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
	copy_to(e, p->body_off);
	if (is_text)
		quoted_printable(body_of(e, p), e->out);
	else
		base64(body_of(e, p), e->out);
	if (is_whole && !is_text)
		buf_add_str(e->out, "\r\n");
	e->at += p->body_len;
	return 0;
}

static int encode_part(struct encoding *e, const struct mime_part *p, struct err *err)
{
	struct span encoding = encoding_of(header_of(e, p));

	if (!mail_name_is_ascii(header_of(e, p)))
		return refuse(err, "a part's header has 8-bit bytes");
	if (p->header_off < e->at)
		return refuse(err, "its parts overlap");
	if (p->kind == MIME_LEAF)
		return encode_leaf(e, p, err);
	if (span_eq_nocase(encoding, SPAN_LIT("7bit")))
		return 0;
	return set_fields(e, p, "Content-Transfer-Encoding: 7bit\r\n", err);
}

/* ---- the message ---- */

static bool is_signed_part(const struct encoding *e, const struct mime_part *p)
{
	struct content_type t = type_of(header_of(e, p));

	return content_type_is(&t, SPAN_LIT("multipart"), SPAN_LIT("signed")) ||
	       content_type_is(&t, SPAN_LIT("multipart"), SPAN_LIT("encrypted"));
}

static bool is_signed(const struct encoding *e)
{
	static const struct span signatures[] = { { (const uint8_t *) "DKIM-Signature", 14 },
		                                  { (const uint8_t *) "ARC-Message-Signature", 21 } };
	struct mime_field f;

	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++)
		if (mime_field_find(header_of(e, e->tree.parts), signatures[i], &f))
			return true;
	for (uint32_t i = 0; i < e->tree.n; i++)
		if (is_signed_part(e, &e->tree.parts[i]))
			return true;
	return false;
}

/* Which parts have, or hold, what has to be encoded. */
static bool *find_parts(const struct encoding *e, struct arena *a)
{
	bool *needs = arena_array(a, e->tree.n, sizeof(*needs));

	for (uint32_t i = e->tree.n; needs && i-- > 0;) {
		const struct mime_part *p = &e->tree.parts[i];

		if (p->kind == MIME_LEAF)
			needs[i] = !mail_name_is_ascii(body_of(e, p));
		if (needs[i] && p->parent != MIME_NO_PART)
			needs[p->parent] = true;
	}
	return needs;
}

static int encode(struct encoding *e, struct arena *a, struct err *err)
{
	bool *needs;
	int r = mime_parse(a, e->message, &e->tree);

	if (r < 0)
		return err_set(err, POD_E_NOMEM, "no memory to encode a message");
	if (is_signed(e))
		return refuse(err, "it is signed");
	needs = find_parts(e, a);
	if (!needs)
		return err_set(err, POD_E_NOMEM, "no memory to encode a message");
	for (uint32_t i = 0; r == 0 && i < e->tree.n; i++)
		if (needs[i])
			r = encode_part(e, &e->tree.parts[i], err);
	if (r < 0)
		return r;
	copy_to(e, e->message.len);
	if (e->out->failed)
		return err_set(err, POD_E_NOMEM, "no memory to encode a message");
	return mail_name_is_ascii(buf_span(e->out)) ? 0
	                                            : refuse(err, "it has 8-bit bytes outside of its parts");
}

int seven_bit_encode(struct span message, struct buf *out, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	struct encoding e = { .message = message, .out = out };

	if (message.len > SEVEN_BIT_MAX)
		return refuse(err, "it is too large to be encoded anew");
	return a ? encode(&e, a, err) : err_set(err, POD_E_NOMEM, "no memory to encode a message");
}
