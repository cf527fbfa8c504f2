#include <string.h>
#include <zlib.h>

#include "imapd/http/internal.h"

#define PIECE     (16u << 10)
#define GZIP_WRAP 16 /* beside the window's bits: a gzip header, not zlib's */

/* Accept-Encoding (RFC 9110 12.5.3) as far as it matters here: gzip, not with a weight of 0. */
bool http_takes_gzip(const char *accept_encoding)
{
	struct span rest = span_of(accept_encoding ? accept_encoding : "");

	while (rest.len) {
		struct span weight, item = span_split(rest, ',', &rest);
		struct span name = span_trim(span_split(item, ';', &weight));

		weight = span_trim(weight);
		if (span_eq_nocase(name, SPAN_LIT("gzip")) || span_eq_nocase(name, SPAN_LIT("x-gzip")))
			return !span_eq_nocase(weight, SPAN_LIT("q=0")) &&
			       !span_starts_nocase(weight, SPAN_LIT("q=0.0"));
	}
	return false;
}

/* Feeds one run of bytes (none: the end) and moves out what came of it. */
static bool deflate_piece(z_stream *z, struct evbuffer *out, int flush)
{
	uint8_t piece[PIECE];
	int r;

	do {
		z->next_out = piece;
		z->avail_out = sizeof(piece);
		r = deflate(z, flush);
		if (r == Z_STREAM_ERROR || evbuffer_add(out, piece, sizeof(piece) - z->avail_out) < 0)
			return false;
	} while (z->avail_out == 0);
	return flush != Z_FINISH || r == Z_STREAM_END;
}

static bool deflate_all(z_stream *z, struct evbuffer *from, struct evbuffer *out)
{
	struct evbuffer_ptr at;
	struct evbuffer_iovec v;
	size_t left = evbuffer_get_length(from);

	(void) evbuffer_ptr_set(from, &at, 0, EVBUFFER_PTR_SET);
	while (left > 0) {
		if (evbuffer_peek(from, -1, &at, &v, 1) < 1)
			return false;
		z->next_in = v.iov_base;
		z->avail_in = (uInt) v.iov_len;
		if (!deflate_piece(z, out, Z_NO_FLUSH))
			return false;
		left -= v.iov_len;
		if (left > 0 && evbuffer_ptr_set(from, &at, v.iov_len, EVBUFFER_PTR_ADD) < 0)
			return false;
	}
	return deflate_piece(z, out, Z_FINISH);
}

bool http_gzip(struct evbuffer *buf)
{
	z_stream z = { 0 };
	struct evbuffer *out = evbuffer_new();
	bool ok = false;

	if (out && deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS | GZIP_WRAP, 8, Z_DEFAULT_STRATEGY) ==
	                   Z_OK) {
		ok = deflate_all(&z, buf, out);
		(void) deflateEnd(&z);
	}
	if (ok) {
		(void) evbuffer_drain(buf, evbuffer_get_length(buf));
		(void) evbuffer_add_buffer(buf, out);
	}
	if (out)
		evbuffer_free(out);
	return ok;
}
