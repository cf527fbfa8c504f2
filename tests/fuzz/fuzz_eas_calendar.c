/* An invitation of a stranger is read and answered, or refused. */
#include "base/cleanup.h"
#include "imapd/eas/item/calendar.h"
#include "imapd/eas/item/calendar_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_own(void *arg, struct span address)
{
	return address.len == 3;
}

/* What we say of it can be read, too. */
static bool is_answered(struct arena *a, struct span invitation)
{
	const struct eas_meeting_answer answer = { .response = EAS_RESPONSE_ACCEPT,
		                                   .attendee = "b@c",
		                                   .is_own = is_own,
		                                   .comment = SPAN_LIT("yes; and, no\n") };
	struct eas_meeting m;
	struct span text;
	const char *method;
	int r = eas_meeting_answer_write(a, invitation, &answer, &text, &method);

	if (r == 0)
		r = eas_meeting_read(a, text, &m);
	return r == 0 || r == -POD_E_NOMEM;
}

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
	if (!is_answered(a, span_make(data, len)))
		return -1;
	return eas_meeting_class(&m)[0] == 'I' && w.depth == 0 ? 0 : -1;
}
