/* HTML of strangers becomes text that is clean and not much longer; text becomes HTML. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/item/html.h"
#include "imapd/eas/item/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64u << 20);
	_cleanup_buf_ struct buf text = { .limit = 64u << 20 }, html = { .limit = 64u << 20 };
	struct span in = span_make(data, len), clean;

	if (!a)
		return 0;
	clean = eas_text_clean(a, in);
	CHECK(clean.p || len == 0);
	CHECK(span_eq(eas_text_clean(a, clean), clean));
	eas_html_to_text(eas_html_claim_utf8(a, clean), &text);
	CHECK(eas_html_unquoted(clean).len <= clean.len);
	for (unsigned int max = 0; max < 20; max++) {
		CHECK(eas_text_cut(clean, max).len <= max);
		CHECK(eas_text_preview(a, clean, max).len <= (size_t) 4 * max);
	}
	eas_text_to_html(clean, &html);
	return 0;
}
