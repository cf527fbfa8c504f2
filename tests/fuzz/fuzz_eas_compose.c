/*
 * A client's message and an original, whatever they are. The first byte picks the kind and ReplaceMime, a NUL divides the
 * two. What must hold: what goes out has a header of its own that ends where it says, names no Bcc, and lines that end in
 * CRLF.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/send/compose.h"
#include "mime/header.h"

#define MUST(x)                  \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static bool owns(void *arg, struct span address)
{
	return address.len % 2;
}

static int as_it_is(struct arena *a, struct span html, struct span *ret_text)
{
	*ret_text = html;
	return 0;
}

static bool fits_in_line(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] == 0x7f)
			return false;
	return s.len > 0;
}

static void look_at(const struct composed *c)
{
	struct span sent = buf_span(&c->sent), header = buf_span(&c->wire_header);
	struct mime_field f;

	MUST(c->n_rcpts > 0 && fits_in_line(c->sender) && c->message_id.p);
	for (size_t i = 0; i < c->n_rcpts; i++)
		MUST(fits_in_line(c->rcpts[i]));
	MUST(mime_header_of(sent).len == c->sent_header_len);
	MUST(mime_header_of(header).len == header.len);
	while (mime_field_next(&header, &f))
		MUST(!span_eq_nocase(f.name, SPAN_LIT("Bcc")));
	for (size_t i = 0; i < sent.len; i++)
		MUST(sent.p[i] != '\n' || (i && sent.p[i - 1] == '\r'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64u << 20);
	struct span all = span_make(data, len), original, mime = span_split(span_skip(all, 1), 0, &original);
	struct compose_order o = { .kind = len ? (enum compose_kind) (data[0] % 3) : COMPOSE_NEW,
		                   .mime = mime,
		                   .replace = len && data[0] & 0x40,
		                   .original = original,
		                   .login = "ann@example.test",
		                   .name = "Ann",
		                   .may_use = owns,
		                   .html_to_text = as_it_is };
	struct composed c = { 0 };

	if (a && compose(a, &o, &c) == 0)
		look_at(&c);
	composed_done(&c);
	return 0;
}
