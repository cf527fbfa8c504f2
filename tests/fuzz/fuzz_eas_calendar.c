/* An invitation of a stranger is read, or refused. */
#include "base/cleanup.h"
#include "imapd/eas/item/calendar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16u << 20);
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct eas_meeting m;
	struct wbxml_writer w;

	if (!a || eas_meeting_read(a, span_make(data, len), &m) < 0)
		return 0;
	wbxml_begin(&w, &out);
	eas_meeting_write(&w, a, &m, 141);
	eas_meeting_write(&w, a, &m, 161);
	return eas_meeting_class(&m)[0] == 'I' && w.depth == 0 ? 0 : -1;
}
