/* The query of an ActiveSync request, plain or base64. */
#include "imapd/eas/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_create(1 << 18);
	struct eas_query q;

	if (a)
		(void) eas_query_parse(a, span_make(data, len), &q, NULL);
	(void) arena_free(a);
	return 0;
}
