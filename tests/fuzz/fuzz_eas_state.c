/*
 * What is kept of a device, as any disk may give it back: a folder's state, the last Sync, the last Ping,
 * keys. What is read must be written to bytes that read the same.
 */
#include <stdlib.h>

#include "imapd/eas/state/collection.h"
#include "imapd/eas/state/sync_key.h"
#include "imapd/eas/sync/last.h"
#include "imapd/eas/sync/ping.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void same(const struct buf *a, const struct buf *b)
{
	if (a->failed || b->failed)
		return;
	if (!span_eq(buf_span(a), buf_span(b)))
		abort();
}

static void collection(struct span bytes, struct arena *a)
{
	_cleanup_buf_ struct buf once = BUF_INIT, twice = BUF_INIT;
	struct eas_collection_state c;

	if (eas_collection_decode(bytes, a, &c) < 0)
		return;
	eas_collection_encode(&c, &once);
	if (eas_collection_decode(buf_span(&once), a, &c) < 0)
		abort();
	eas_collection_encode(&c, &twice);
	same(&once, &twice);
}

static void requests(struct span bytes, struct arena *a)
{
	_cleanup_buf_ struct buf sync = BUF_INIT, ping = BUF_INIT;
	struct eas_sync_request rq;
	struct eas_ping p;

	if (eas_sync_last_decode(bytes, a, &rq) == 0) {
		eas_sync_last_encode(&rq, &sync);
		if (eas_sync_last_decode(buf_span(&sync), a, &rq) < 0)
			abort();
	}
	if (eas_ping_decode(bytes, a, &p) == 0) {
		eas_ping_encode(&p, &ping);
		if (eas_ping_decode(buf_span(&ping), a, &p) < 0)
			abort();
	}
}

/* Requests as devices send them: whatever they say, it is read or refused. */
static void documents(struct span bytes, struct arena *a)
{
	struct wbxml_node *root = NULL;
	struct eas_sync_refusal refusal;
	struct eas_sync_request rq;
	struct eas_ping p;

	if (wbxml_decode(a, bytes, &root, NULL) < 0)
		return;
	if (root->tag == AIRSYNC_SYNC && eas_sync_request_read(root, a, &rq, &refusal) == 0 &&
	    rq.n > EAS_COLLECTIONS_MAX)
		abort();
	if (root->tag == PING_PING)
		(void) eas_ping_read(root, a, &p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span bytes = span_make(data, len);
	struct arena *a = arena_create(8 << 20);
	char text[EAS_SYNC_KEY_SIZE];
	struct eas_sync_key key;

	if (!a)
		return 0;
	collection(bytes, a);
	requests(bytes, a);
	documents(bytes, a);
	if (eas_sync_key_parse(bytes, &key) == 0) {
		eas_sync_key_format(&key, text);
		if (!span_eq(span_of(text), bytes))
			abort();
	}
	(void) arena_free(a);
	return 0;
}
