/* A document that is read can be written, and what is written reads the same. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/wbxml/wbxml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static void write_node(struct wbxml_writer *w, const struct wbxml_node *n)
{
	if (!n->opaque && n->text.len == 0 && !n->first) {
		wbxml_empty(w, n->tag);
		return;
	}
	wbxml_open(w, n->tag);
	if (n->opaque)
		wbxml_add_opaque(w, n->text);
	else if (n->text.len > 0)
		wbxml_add_text(w, n->text);
	for (const struct wbxml_node *c = n->first; c; c = c->next)
		write_node(w, c); /* no deeper than WBXML_DEPTH_MAX */
	wbxml_close(w);
}

static void print(const struct wbxml_node *root, struct buf *out)
{
	wbxml_print(root, SIZE_MAX, out);
	CHECK(!out->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16u << 20);
	_cleanup_buf_ struct buf written = BUF_INIT, before = BUF_INIT, after = BUF_INIT;
	struct wbxml_node *root = NULL, *again = NULL;
	struct wbxml_writer w;
	struct err err = { 0 };
	int r = a ? wbxml_decode(a, span_make(data, len), &root, &err) : -1;

	if (r < 0)
		return 0;
	wbxml_begin(&w, &written);
	write_node(&w, root);
	CHECK(w.depth == 0 && !written.failed);
	CHECK(wbxml_decode(a, buf_span(&written), &again, NULL) == 0);
	print(root, &before);
	print(again, &after);
	CHECK(span_eq(buf_span(&before), buf_span(&after)));
	return 0;
}
