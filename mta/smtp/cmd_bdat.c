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
	if (s->set->service == SMTP_SERVICE_SUBMISSION && !*s->user)
		return (struct smtp_status){ 530, "5.7.0", "Authentication required" };
	if (s->state != SMTP_STATE_RCPT && s->state != SMTP_STATE_BDAT)
		return (struct smtp_status){ 503, "5.5.1", "BDAT needs MAIL and a valid RCPT first" };
	return (struct smtp_status){ 0, "", "" };
}

/* The chunk's bytes come next, to be kept or to be swallowed. */
static void take_chunk(struct smtp_session *s)
{
	if (!s->chunk_refused.code) {
		s->state = SMTP_STATE_BDAT;
		s->unstuff.raw = true;
	}
	s->input = INPUT_BDAT;
	if (s->chunk_left == 0)
		(void) smtp_body_chunk(s, SPAN_NONE);
}

/* What refuses a message with its first chunk ends the transaction (RFC 3030 section 2), when the chunk is
 * gone. */
void smtp_bdat_filtered(struct smtp_session *s, const struct smtp_status *refusal)
{
	int r;

	s->bdat_waits = false;
	if (refusal && refusal->code == 421) {
		smtp_reply_status(s, refusal);
		return;
	}
	if (refusal) {
		s->chunk_refused =
			(struct smtp_status){ refusal->code, arena_str(s->arena, span_of(refusal->enhanced)),
			                      arena_str(s->arena, span_of(refusal->text)) };
		if (!s->chunk_refused.enhanced || !s->chunk_refused.text)
			s->chunk_refused = smtp_status_of(-POD_E_NOMEM);
		s->chunk_ends_mail = true;
		take_chunk(s);
		return;
	}
	r = smtp_body_begin(s);
	if (r < 0)
		s->chunk_refused = smtp_status_of_local(r);
	take_chunk(s);
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
	if (s->chunk_refused.code || s->state == SMTP_STATE_BDAT) {
		take_chunk(s);
		return;
	}
	s->bdat_waits = true;
	smtp_filter_ask(s, SMTP_STAGE_DATA, SPAN_NONE, SPAN_NONE);
}
