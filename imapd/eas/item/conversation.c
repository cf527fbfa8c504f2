#include <xxhash.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/err.h"
#include "imapd/eas/item/headers.h"
#include "imapd/eas/item/text.h"
#include "mime/header.h"

#define LEVEL_BYTES 5
#define LEVELS_MAX  200
/* Thread-Index: a reserved byte, five of the time, a GUID, five for each answer. */
#define THREAD_INDEX_HEADER 22

static struct span field_of(struct span header, struct span name)
{
	struct mime_field f;

	return mime_field_find(header, name, &f) ? f.value : SPAN_NONE;
}

/* The next "<...>", without the brackets. */
static bool next_id(struct span *rest, struct span *ret_id)
{
	size_t open = span_find_byte(*rest, '<'), close;

	if (open == SIZE_MAX)
		return false;
	*rest = span_skip(*rest, open + 1);
	close = span_find_byte(*rest, '>');
	if (close == SIZE_MAX)
		return false;
	*ret_id = span_trim(span_head(*rest, close));
	*rest = span_skip(*rest, close + 1);
	return true;
}

/* The message that began it. */
static bool first_id(struct span header, struct span *ret_id)
{
	static const struct span fields[] = { SPAN_LIT("References"), SPAN_LIT("In-Reply-To"),
		                              SPAN_LIT("Message-ID") };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct span value = field_of(header, fields[i]);

		if (next_id(&value, ret_id) && ret_id->len > 0)
			return true;
	}
	return false;
}

int eas_conversation_id(struct arena *a, struct span header, uint8_t ret_id[EAS_CONVERSATION_ID_SIZE])
{
	XXH128_canonical_t bytes;
	struct span what;

	if (!first_id(header, &what)) {
		what = eas_subject_topic(mime_decode_text(a, field_of(header, SPAN_LIT("Subject"))));
		if (!what.p)
			what = SPAN_LIT("");
	}
	XXH128_canonicalFromHash(&bytes, XXH3_128bits(what.p ? what.p : (const void *) "", what.len));
	memcpy(ret_id, bytes.digest, EAS_CONVERSATION_ID_SIZE);
	return 0;
}

static int index_of_thread(struct arena *a, struct span header, struct span *ret_index)
{
	struct span text = span_trim(field_of(header, SPAN_LIT("Thread-Index"))), bytes;
	uint8_t *out;

	if (text.len == 0 || text.len > 4096 || base64_decode(a, text, &bytes) < 0 ||
	    bytes.len < THREAD_INDEX_HEADER || (bytes.len - THREAD_INDEX_HEADER) % LEVEL_BYTES != 0)
		return -POD_E_NOTFOUND;
	out = arena_alloc(a, bytes.len);
	if (!out)
		return -POD_E_NOMEM;
	memcpy(out, bytes.p + 1, LEVEL_BYTES);
	memcpy(out + LEVEL_BYTES, bytes.p + THREAD_INDEX_HEADER, bytes.len - THREAD_INDEX_HEADER);
	*ret_index = span_make(out, LEVEL_BYTES + bytes.len - THREAD_INDEX_HEADER);
	return 0;
}

static void put_level(struct buf *out, struct span id)
{
	XXH64_canonical_t bytes;

	XXH64_canonicalFromHash(&bytes, XXH3_64bits(id.p, id.len));
	buf_add(out, span_make(bytes.digest, LEVEL_BYTES));
}

/* Each id of References, or the one of In-Reply-To, then its own. */
static int index_of_references(struct arena *a, struct span header, struct span *ret_index)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct span ids = field_of(header, SPAN_LIT("References")), id;
	unsigned int levels = 0;

	if (span_find_byte(ids, '<') == SIZE_MAX)
		ids = field_of(header, SPAN_LIT("In-Reply-To"));
	for (; levels < LEVELS_MAX && next_id(&ids, &id); levels++)
		put_level(&out, id);
	ids = field_of(header, SPAN_LIT("Message-ID"));
	if (next_id(&ids, &id))
		put_level(&out, id);
	else if (levels == 0)
		put_level(&out, SPAN_LIT(""));
	if (out.failed)
		return -POD_E_NOMEM;
	*ret_index = arena_dup(a, buf_span(&out));
	return ret_index->p ? 0 : -POD_E_NOMEM;
}

int eas_conversation_index(struct arena *a, struct span header, struct span *ret_index)
{
	int r = index_of_thread(a, header, ret_index);

	return r == -POD_E_NOTFOUND ? index_of_references(a, header, ret_index) : r;
}
