#include "imapd/eas/wbxml/wbxml.h"
#include "imapd/eas/wbxml/wire.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static void add_uint(struct buf *out, uint32_t n)
{
	for (int shift = 28; shift > 0; shift -= 7)
		if (n >> shift)
			buf_add_byte(out, (uint8_t) (0x80 | (n >> shift & 0x7f)));
	buf_add_byte(out, n & 0x7f);
}

void wbxml_begin(struct wbxml_writer *w, struct buf *out)
{
	static const uint8_t header[] = { VERSION_1_3, PUBLIC_ID_NONE, CHARSET_UTF8, 0 };

	*w = (struct wbxml_writer){ .out = out };
	buf_add(out, span_make(header, sizeof(header)));
}

static void add_tag(struct wbxml_writer *w, enum wbxml_tag tag, uint8_t flags)
{
	unsigned int page = (unsigned int) tag >> 8;

	if (page != w->page) {
		buf_add_byte(w->out, TOKEN_PAGE);
		buf_add_byte(w->out, (uint8_t) page);
		w->page = page;
	}
	buf_add_byte(w->out, (uint8_t) ((tag & TOKEN_MASK) | flags));
}

void wbxml_open(struct wbxml_writer *w, enum wbxml_tag tag)
{
	add_tag(w, tag, TOKEN_CONTENT);
	w->depth++;
}

void wbxml_close(struct wbxml_writer *w)
{
	assert(w->depth > 0);
	buf_add_byte(w->out, TOKEN_END);
	w->depth--;
}

void wbxml_empty(struct wbxml_writer *w, enum wbxml_tag tag)
{
	add_tag(w, tag, 0);
}

void wbxml_add_text(struct wbxml_writer *w, struct span text)
{
	buf_add_byte(w->out, TOKEN_STR_I);
	while (text.len > 0) {
		const uint8_t *nul = memchr(text.p, 0, text.len);
		size_t n = nul ? (size_t) (nul - text.p) : text.len;

		buf_add(w->out, span_head(text, n));
		text = span_skip(text, nul ? n + 1 : n);
	}
	buf_add_byte(w->out, 0);
}

void wbxml_add_opaque(struct wbxml_writer *w, struct span bytes)
{
	assert(bytes.len <= UINT32_MAX);
	buf_add_byte(w->out, TOKEN_OPAQUE);
	add_uint(w->out, (uint32_t) bytes.len);
	buf_add(w->out, bytes);
}

void wbxml_text(struct wbxml_writer *w, enum wbxml_tag tag, struct span text)
{
	if (text.len == 0) {
		wbxml_empty(w, tag);
		return;
	}
	wbxml_open(w, tag);
	wbxml_add_text(w, text);
	wbxml_close(w);
}

void wbxml_str(struct wbxml_writer *w, enum wbxml_tag tag, const char *text)
{
	wbxml_text(w, tag, span_of(text));
}

void wbxml_uint(struct wbxml_writer *w, enum wbxml_tag tag, uint64_t n)
{
	char text[24];

	(void) snprintf(text, sizeof(text), "%" PRIu64, n);
	wbxml_str(w, tag, text);
}

void wbxml_opaque(struct wbxml_writer *w, enum wbxml_tag tag, struct span bytes)
{
	wbxml_open(w, tag);
	wbxml_add_opaque(w, bytes);
	wbxml_close(w);
}
