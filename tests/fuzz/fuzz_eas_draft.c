/*
 * A draft that a device writes, new or in place of another. The first byte is the length of the document in
 * 64ths of all; what follows it is the message that is changed. What must hold: what is stored is a message
 * whose header has each of its fields once and ends where it says, and whose lines end in CRLF.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "imapd/eas/item/draft.h"
#include "mime/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define CHECK(x)                 \
	do {                     \
		if (!(x))        \
			abort(); \
	} while (0)

static const struct eas_draft_frame frame = {
	.from = "ann@example.test", .now_s = 1000000000, .folder_id = "f", .uid = 7
};

static void look_at(struct span message)
{
	static const char *const once[] = { "Date",         "From",
		                            "To",           "Cc",
		                            "Bcc",          "Reply-To",
		                            "Subject",      "Importance",
		                            "Message-ID",   "In-Reply-To",
		                            "References",   "MIME-Version",
		                            "Content-Type", "Content-Transfer-Encoding" };
	size_t seen[ARRAY_SIZE(once)] = { 0 };
	struct span header = mime_header_of(message), rest = header;
	struct mime_field f;

	for (size_t i = 0; i < message.len; i++)
		CHECK(message.p[i] != '\n' || (i && message.p[i - 1] == '\r'));
	for (size_t i = 0; i < header.len; i++)
		CHECK(header.p[i] != '\r' || (i + 1 < header.len && header.p[i + 1] == '\n'));
	while (mime_field_next(&rest, &f)) {
		CHECK(f.name.len);
		for (size_t i = 0; i < ARRAY_SIZE(once); i++)
			seen[i] += span_eq_nocase(f.name, span_of(once[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(once); i++)
		CHECK(seen[i] <= 1);
	CHECK(seen[0] == 1 && seen[1] == 1);
}

static int open_base(struct arena *a, struct span message, struct eas_layout *layout, struct eas_message *ret)
{
	struct mime_summary s = { SPAN_NONE };
	int r = mime_summarize(a, message, &s);

	if (r == 0)
		r = eas_layout_read(a, s.bodystructure, layout);
	return r == 0 ? eas_message_open(a, message, s.parts, layout, ret) : r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64u << 20);
	_cleanup_buf_ struct buf out = { .limit = 64u << 20 };
	struct span all = span_make(data, len), document, message;
	struct wbxml_node *root = NULL;
	struct eas_layout layout;
	struct eas_message base;
	struct eas_draft d;
	bool changes;

	if (!a || len < 2)
		return 0;
	document = span_head(span_skip(all, 1), (len - 1) * (data[0] % 65) / 64);
	message = span_skip(all, 1 + document.len);
	if (wbxml_decode(a, document, &root, NULL) < 0 || eas_draft_read(a, root, &d) < 0)
		return 0;
	changes = message.len > 0 && open_base(a, message, &layout, &base) == 0;
	if (eas_draft_compose(a, &d, changes ? &base : NULL, &frame, &out) == 0)
		look_at(buf_span(&out));
	return 0;
}
