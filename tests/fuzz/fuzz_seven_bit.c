/* Any message encoded anew for a server of seven bits: it is refused, or has none over 127 and the parts it had. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "mime/mime.h"
#include "mta/outbound/mail_name.h"
#include "mta/outbound/seven_bit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16 << 20);
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct mime_tree before, after;

	if (!a || seven_bit_encode(span_make(data, len), &out, NULL) < 0)
		return 0;
	if (!mail_name_is_ascii(buf_span(&out)))
		abort();
	if (mime_parse(a, span_make(data, len), &before) == 0 && mime_parse(a, buf_span(&out), &after) == 0 &&
	    before.n != after.n)
		abort();
	return 0;
}
