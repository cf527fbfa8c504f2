/* Header fields tile the header; values unfold and decode whatever they hold. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/buf.h"
#include "mime/header.h"
#include "mime/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create((size_t) 64 << 20);
	_cleanup_buf_ struct buf body = BUF_INIT;
	struct span rest = span_make(data, len);
	struct mime_field f;
	size_t at = 0;

	(void) mime_body_of_bodystructure(rest, &body);
	while (mime_field_next(&rest, &f)) {
		if (f.whole.p != data + at || f.whole.len == 0)
			abort();
		at += f.whole.len;
		(void) mime_field_is_cached(f.name);
		(void) mime_decode_text(a, f.value);
	}
	if (mime_header_of(span_make(data, len)).len != len - rest.len)
		abort();
	(void) mime_decode_text(a, span_make(data, len));
	return 0;
}
