/* Whatever decodes must encode, and decode to the same name again; whatever encodes must decode to itself. */
#include <stdlib.h>

#include "base/buf.h"
#include "mime/mutf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_round_trip(struct span utf8, const char *also)
{
	_cleanup_buf_ struct buf text = BUF_INIT, again = BUF_INIT;

	if (mutf7_encode(utf8, also, &text) < 0)
		return;
	if (mutf7_decode(buf_span(&text), &again) < 0 || !span_eq(buf_span(&again), utf8))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_buf_ struct buf utf8 = BUF_INIT;

	check_round_trip(span_make(data, len), "");
	check_round_trip(span_make(data, len), "./");
	if (mutf7_decode(span_make(data, len), &utf8) == 0)
		check_round_trip(buf_span(&utf8), "");
	return 0;
}
