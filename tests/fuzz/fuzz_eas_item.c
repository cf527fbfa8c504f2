/*
 * A message of a stranger is written as an item at some versions, and what was written is a document. The
 * first byte chooses the form of the body, the second its length.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/item/email.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static const struct eas_item_place place = { .folder_id = "f", .name = "INBOX" };

static void write_item(struct arena *a, struct span message, const struct eas_item *item,
                       const struct eas_item_options *o)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct wbxml_node *root;
	struct wbxml_writer w;
	struct eas_email e;

	if (eas_email_begin(a, item, o, &e) < 0 || eas_email_add_bytes(a, &e, message) < 0)
		return;
	wbxml_begin(&w, &out);
	wbxml_open(&w, AIRSYNC_APPLICATIONDATA);
	eas_email_write(&e, &w, NULL);
	wbxml_close(&w);
	CHECK(w.depth == 0 && !out.failed);
	CHECK(wbxml_decode(a, buf_span(&out), &root, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const unsigned int versions[] = { 25, 121, 141, 161 };
	_cleanup_(arena_freep) struct arena *a = arena_create(64u << 20);
	struct eas_item item = { .place = &place, .uid = 1 };
	struct mime_summary s = { SPAN_NONE };
	struct span message;

	if (!a || len < 2)
		return 0;
	message = span_make(data + 2, len - 2);
	if (mime_summarize(a, message, &s) < 0)
		return 0;
	item.bodystructure = s.bodystructure;
	item.parts = s.parts;
	item.headers = s.headers;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		struct eas_item_options o;

		eas_item_options_init(&o, versions[i]);
		o.body[1 + data[0] % 4] =
			(struct eas_body_preference){ .wanted = true, .truncation = data[1], .preview = 9 };
		o.part = (struct eas_body_preference){ .wanted = true, .truncation = EAS_UNLIMITED };
		o.mime_support = EAS_MIME_UNSAID;
		write_item(a, message, &item, &o);
	}
	return 0;
}
