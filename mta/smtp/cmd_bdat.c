#include "mta/smtp/internal.h"

/* So much more than the limit may come and is swallowed; who announces more is not waited for. */
#define SWALLOWED_MAX (64ull << 20)

/* bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] CRLF (RFC 3030 section 2) */
static int parse(struct span argument, uint64_t *ret_size, bool *ret_last)
{
	struct span marker, size = span_split(argument, ' ', &marker);

	marker = span_trim(marker);
	*ret_last = marker.len > 0;
	if (marker.len && !span_eq_nocase(marker, SPAN_LIT("LAST")))
		return -POD_E_SYNTAX;
	return span_to_u64(size, ret_size);
}

/* Where the chunk cannot be taken its bytes still come and have to go: the reply follows them. */
static struct smtp_status refusal(struct smtp_session *s)
{
	int r;

	if (s->set->service == SMTP_SERVICE_SUBMISSION && !*s->user)
		return (struct smtp_status){ 530, "5.7.0", "Authentication required" };
	if (s->state != SMTP_STATE_RCPT && s->state != SMTP_STATE_BDAT)
		return (struct smtp_status){ 503, "5.5.1", "BDAT needs MAIL and a valid RCPT first" };
	r = s->state == SMTP_STATE_RCPT ? smtp_body_begin(s) : 0;
	if (r < 0)
		return smtp_status_of_local(r);
	return (struct smtp_status){ 0, "", "" };
}

void cmd_bdat(struct smtp_session *s, struct span argument)
{
	uint64_t size;
	bool last;

	if (parse(argument, &size, &last) < 0) {
		/* How many bytes follow is not known, so that nothing after this can be understood. */
		smtp_reply(s, 501, "5.5.4", "Syntax: BDAT size [LAST]");
		smtp_session_abort(s, "4.5.0", "Lost track of the data");
		return;
	}
	if (size > s->set->message_size_max && size - s->set->message_size_max > SWALLOWED_MAX) {
		smtp_reply(s, 552, "5.3.4", "Message size exceeds %llu bytes", (unsigned long long) s->set->message_size_max);
		smtp_session_abort(s, "4.5.0", "Not waiting for that much data");
		return;
	}
	s->chunk_left = size;
	s->chunk_last = last;
	s->chunk_refused = refusal(s);
	if (!s->chunk_refused.code) {
		s->state = SMTP_STATE_BDAT;
		s->unstuff.raw = true;
	}
	s->input = INPUT_BDAT;
	if (size == 0)
		(void) smtp_body_chunk(s, SPAN_NONE);
}
