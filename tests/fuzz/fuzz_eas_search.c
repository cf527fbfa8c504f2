/* A query is read, and held against a message of the same bytes. */
#include "base/cleanup.h"
#include "imapd/eas/search/texts.h"
#include "imapd/imap/search_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16u << 20);
	struct span in = span_make(data, len);
	struct search_query q;
	struct search_texts t;

	if (!a || search_query_read(a, in, &q) < 0 || search_texts_of(a, in, in, &t) < 0)
		return 0;
	(void) search_query_match(&q, &t);
	t.has_body = true;
	t.body = search_text_fold(a, in);
	(void) search_query_match(&q, &t);
	return 0;
}
