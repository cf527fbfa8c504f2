/*
 * BODY out of BODYSTRUCTURE: the same text with the extension data left out (RFC 3501 7.4.2). The text is cut
 * into tokens; a stack says how many elements of each open body are still to be kept.
 */
#include "base/err.h"
#include "mime/imap_lex.h"
#include "mime/mime.h"

/* type subtype params id description encoding octets */
#define BASIC_ELEMENTS 7
/* strings of a params list never nest deeper than a disposition's; an envelope's address lists likewise */
#define LIST_DEPTH_MAX 8

struct body_level {
	bool multipart;
	bool skipping;           /* the extension data has begun */
	unsigned int seen, keep; /* elements of this body so far; how many of them are kept */
	struct span type;
};

struct body_reader {
	struct span rest;
	struct buf *out;
	struct body_level levels[2 * MIME_DEPTH_MAX + 2];
	size_t depth;
};

static bool starts_with(const struct body_reader *r, uint8_t c)
{
	return r->rest.len && r->rest.p[0] == c;
}

static struct body_level *top(struct body_reader *r)
{
	return &r->levels[r->depth - 1];
}

static bool open_body(struct body_reader *r)
{
	if (r->depth == sizeof(r->levels) / sizeof(r->levels[0]) || !starts_with(r, '('))
		return false;
	r->rest = span_skip(r->rest, 1);
	r->levels[r->depth++] =
		(struct body_level){ .multipart = starts_with(r, '('), .keep = BASIC_ELEMENTS };
	buf_add_byte(r->out, '(');
	return true;
}

static bool close_body(struct body_reader *r)
{
	const struct body_level *l = top(r);

	if (!l->skipping && l->seen < l->keep)
		return false;
	r->rest = span_skip(r->rest, 1);
	r->depth--;
	buf_add_byte(r->out, ')');
	return true;
}

/* text/... has its lines, message/rfc822 an envelope, a body and its lines, before the extension data. */
static void note_element(struct body_level *l, struct span e)
{
	l->seen++;
	if (l->multipart) {
		l->skipping = true; /* the subtype was the last to be kept */
	} else if (l->seen == 1) {
		l->type = e;
	} else if (l->seen == 2) {
		if (span_eq_nocase(l->type, SPAN_LIT("\"text\"")))
			l->keep = BASIC_ELEMENTS + 1;
		else if (span_eq_nocase(l->type, SPAN_LIT("\"message\"")) &&
		         (span_eq_nocase(e, SPAN_LIT("\"rfc822\"")) ||
		          span_eq_nocase(e, SPAN_LIT("\"global\""))))
			l->keep = BASIC_ELEMENTS + 3;
	}
	l->skipping |= l->seen == l->keep;
}

static bool take_element(struct body_reader *r)
{
	struct body_level *l = top(r);
	size_t n = imap_element_len(r->rest, LIST_DEPTH_MAX);
	struct span e = span_head(r->rest, n);

	if (n == 0)
		return false;
	r->rest = span_skip(r->rest, n);
	if (l->skipping)
		return true;
	if (l->seen || l->multipart)
		buf_add_byte(r->out, ' ');
	buf_add(r->out, e);
	note_element(l, e);
	return true;
}

/* The ninth element of a message is the body inside it. */
static bool at_inner_body(const struct body_level *l)
{
	if (l->skipping)
		return false;
	return l->multipart || (l->keep == BASIC_ELEMENTS + 3 && l->seen == BASIC_ELEMENTS + 1);
}

static bool step(struct body_reader *r)
{
	struct body_level *l = top(r);

	if (starts_with(r, ')'))
		return close_body(r);
	if (starts_with(r, ' ')) {
		r->rest = span_skip(r->rest, 1);
		return true;
	}
	if (!starts_with(r, '(') || !at_inner_body(l))
		return take_element(r);
	if (!l->multipart) {
		l->seen++;
		buf_add_byte(r->out, ' ');
	}
	return open_body(r);
}

int mime_body_of_bodystructure(struct span bodystructure, struct buf *out)
{
	struct body_reader r;
	size_t before = out->len;

	r.rest = bodystructure;
	r.out = out;
	r.depth = 0;
	if (open_body(&r))
		while (r.depth && step(&r))
			;
	if (out->failed)
		return -POD_E_NOMEM;
	if (r.depth || r.rest.len || out->len == before) {
		out->len = before;
		return -POD_E_CORRUPT;
	}
	return 0;
}
