#include "tests/support/eas_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"

const struct wbxml_node *eas_document(struct arena *a, enum wbxml_tag root, const struct eas_line *lines)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct wbxml_node *tree = NULL;
	struct wbxml_writer w;

	wbxml_begin(&w, &out);
	for (wbxml_open(&w, root); w.depth > 0; lines++) {
		if (!lines->tag)
			wbxml_close(&w);
		else if (lines->text)
			wbxml_str(&w, (enum wbxml_tag) lines->tag, lines->text);
		else
			wbxml_open(&w, (enum wbxml_tag) lines->tag);
	}
	assert_int_equal(wbxml_decode(a, arena_dup(a, buf_span(&out)), &tree, NULL), 0);
	return tree;
}

struct eas_message eas_open(struct arena *a, struct span bytes, struct eas_layout *layout)
{
	struct mime_summary s = { SPAN_NONE };
	struct eas_message m;

	assert_int_equal(mime_summarize(a, bytes, &s), 0);
	assert_int_equal(eas_layout_read(a, s.bodystructure, layout), 0);
	assert_int_equal(eas_message_open(a, bytes, s.parts, layout, &m), 0);
	return m;
}

void assert_span(struct span got, const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_add(&b, got);
	assert_string_equal(buf_str(&b), want);
}
