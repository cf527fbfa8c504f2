#include "base/err.h"
#include "mime/cfws.h"
#include "mime/header.h"
#include "mime/imap_text.h"

/*
 * Of a subject, this much is decoded: no listing shows more, and each change of charset costs an
 * iconv_open().
 */
#define SUBJECT_MAX 2048

/*
 * What is inside the angle brackets of msg-id = [CFWS] "<" id-left "@" id-right ">" [CFWS]; else all there
 * is.
 */
static struct span bare_message_id(struct span value)
{
	size_t open = span_find_byte(value, '<');
	struct span inner = span_skip(value, open == SIZE_MAX ? value.len : open + 1);
	size_t close = span_find_byte(inner, '>');

	return span_trim(close == SIZE_MAX ? value : span_head(inner, close));
}

static int put_text(struct arena *a, struct span message, const struct scan *scan, struct buf *out,
                    void put(struct buf *, struct arena *, struct span, const struct scan *),
                    struct span *ret_text)
{
	buf_clear(out);
	put(out, a, message, scan);
	if (out->failed)
		return -POD_E_NOMEM;
	*ret_text = arena_dup(a, buf_span(out));
	return ret_text->p ? 0 : -POD_E_NOMEM;
}

static void put_root_envelope(struct buf *out, struct arena *a, struct span message, const struct scan *scan)
{
	imap_put_envelope(out, a, message, scan, 0);
}

/* A structure of more text than the index takes is given up: the message is one leaf then. */
static int put_bodystructure(struct arena *a, struct span message, struct scan *scan, struct buf *out,
                             struct span *ret_text)
{
	int r;

	out->limit = MIME_BODYSTRUCTURE_MAX;
	r = put_text(a, message, scan, out, imap_put_bodystructure, ret_text);
	if (r == 0 || scan->tree.n == 1)
		return r;
	scan->tree.n = 1;
	scan->tree.parts[0].kind = MIME_LEAF;
	scan->tree.parts[0].first_child = MIME_NO_PART;
	return put_text(a, message, scan, out, imap_put_bodystructure, ret_text);
}

/* Subject and from are raw, and not longer than what is decoded. */
static int summarize(struct arena *a, struct span message, struct mime_summary *ret_summary)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct mime_summary s = { .message_id = SPAN_NONE };
	struct scan scan;
	int r = scan_message(a, message, true, &scan);

	(void) buf_reserve(&out, 2048);
	if (r == 0)
		r = put_text(a, message, &scan, &out, put_root_envelope, &s.envelope);
	if (r == 0)
		r = put_bodystructure(a, message, &scan, &out, &s.bodystructure);
	if (r == 0)
		r = mime_tree_pack(a, &scan.tree, &s.parts);
	if (r < 0)
		return r;
	s.headers = scan.cached;
	s.message_id = bare_message_id(scan.parts[0].fields[FIELD_MESSAGE_ID]);
	s.subject = span_head(scan.parts[0].fields[FIELD_SUBJECT], SUBJECT_MAX);
	s.from = span_head(scan.parts[0].fields[FIELD_FROM], SUBJECT_MAX);
	*ret_summary = s;
	return 0;
}

int mime_summarize(struct arena *a, struct span message, struct mime_summary *ret_summary)
{
	struct mime_summary s;
	int r = summarize(a, message, &s);

	if (r < 0)
		return r;
	s.subject = mime_decode_text(a, s.subject);
	s.from = SPAN_NONE;
	*ret_summary = s;
	return 0;
}

int mime_summarize_sandboxed(struct arena *a, struct span message, struct mime_summary *ret_summary)
{
	struct mime_summary s;
	int r = summarize(a, message, &s);

	if (r < 0)
		return r;
	s.subject = mime_decode_text_sandboxed(a, s.subject);
	s.from = mime_decode_text_sandboxed(a, s.from);
	*ret_summary = s;
	return 0;
}

bool mime_is_crlf(struct span message)
{
	size_t at;

	for (struct span s = message; (at = span_find_byte(s, '\n')) != SIZE_MAX; s = span_skip(s, at + 1))
		if (at == 0 || s.p[at - 1] != '\r')
			return false;
	return true;
}
