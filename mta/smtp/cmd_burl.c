/* BURL (RFC 4468): a message, or a part of one, that is in a mailbox already. The host reads it. */
#include "mta/smtp/internal.h"

/* burl-cmd = "BURL" SP imap-url [ SP "LAST" ] CRLF */
static int parse(struct span argument, struct span *ret_url, bool *ret_last)
{
	struct span marker;

	*ret_url = span_split(argument, ' ', &marker);
	marker = span_trim(marker);
	*ret_last = marker.len > 0;
	return ret_url->len == 0 || (marker.len && !span_eq_nocase(marker, SPAN_LIT("LAST"))) ? -POD_E_SYNTAX
	                                                                                      : 0;
}

/* From here on it is a chunk of BDAT's, of which nobody said how long it is. */
static void open_url(struct smtp_session *s)
{
	s->state = SMTP_STATE_BDAT;
	s->unstuff.raw = true;
	s->chunk_refused = (struct smtp_status){ 0 };
	s->chunk_left = UINT64_MAX;
	s->waiting = true;
	s->host->burl_open(s->host_arg, &s->mail, s->burl_url);
}

void smtp_burl_filtered(struct smtp_session *s, const struct smtp_status *refusal)
{
	struct smtp_status status;
	int r = 0;

	s->burl_waits = false;
	if (!refusal)
		r = smtp_body_begin(s);
	if (!refusal && r == 0) {
		open_url(s);
		return;
	}
	status = refusal ? *refusal : smtp_status_of_local(r);
	smtp_reply_status(s, &status);
	if (status.code != 421)
		smtp_mail_reset(s);
}

bool smtp_offers_burl(const struct smtp_session *s)
{
	return *s->user && s->host->burl_open;
}

void cmd_burl(struct smtp_session *s, struct span argument)
{
	struct span url;
	bool last;

	if (!smtp_offers_burl(s)) {
		smtp_reply(s, 503, "5.7.0", "BURL is for users who have authenticated");
		return;
	}
	if (parse(argument, &url, &last) < 0) {
		smtp_reply(s, 501, "5.5.4", "Syntax: BURL url [LAST]");
		return;
	}
	s->burl_url = arena_dup(s->arena, url);
	s->chunk_last = last;
	if (!s->burl_url.p) {
		struct smtp_status status = smtp_status_of_local(-POD_E_NOMEM);

		smtp_reply_status(s, &status);
	} else if (s->state == SMTP_STATE_BDAT) {
		open_url(s);
	} else {
		s->burl_waits = true;
		smtp_filter_ask(s, SMTP_STAGE_DATA, SPAN_NONE, SPAN_NONE);
	}
}

void smtp_session_burl_data(struct smtp_session *s, struct span bytes)
{
	(void) smtp_body_chunk(s, bytes);
}

/* RFC 4468 3.1: what cannot be had ends the transaction. */
void smtp_session_burl_done(struct smtp_session *s, const struct smtp_status *failed)
{
	s->waiting = false;
	if (failed) {
		smtp_reply_status(s, failed);
		smtp_mail_reset(s);
		return;
	}
	s->chunk_left = 0;
	(void) smtp_body_chunk(s, SPAN_NONE);
}
