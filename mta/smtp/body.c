/* A message's bytes, from the first after DATA or BDAT to the verdict. */
#include "mta/smtp/internal.h"

int smtp_body_begin(struct smtp_session *s)
{
	struct span fields = smtp_trace_fields(s);

	s->unstuff = (struct smtp_unstuff){ .mend = s->set->mend_line_ends };
	s->scan = (struct smtp_header_scan){ 0 };
	s->header_refused = (struct smtp_status){ 0 };
	s->header_size = 0;
	buf_done(&s->header);
	s->body_size = 0;
	s->body_r = 0;
	return fields.p ? s->host->body_begin(s->host_arg, &s->mail, fields) : -POD_E_NOMEM;
}

static int add(struct smtp_session *s, struct span bytes)
{
	return bytes.len ? s->host->body_add(s->host_arg, bytes) : 0;
}

/* Bytes of a header, which may end in them: the empty line is where its end is found. */
static int add_header(struct smtp_session *s, struct span run)
{
	size_t end = smtp_header_scan(&s->scan, run);
	struct span head = span_head(run, end);
	int r;

	s->header_size += head.len;
	if (s->header_size > s->set->header_max)
		return -POD_E_LIMIT;
	r = smtp_tidies(s) ? smtp_tidy_take(s, head) : add(s, head);
	if (r == 0 && end != SIZE_MAX && smtp_tidies(s))
		r = smtp_tidy_end(s, &s->header_refused);
	return r < 0 || end == SIZE_MAX ? r : add(s, span_skip(run, end));
}

static int on_run(void *arg, struct span run)
{
	struct smtp_session *s = arg;

	s->body_size += run.len;
	if (s->body_r < 0)
		return s->body_r;
	if (s->body_size > s->set->message_size_max)
		return -POD_E_LIMIT;
	return s->scan.state == SCAN_DONE ? add(s, run) : add_header(s, run);
}

static void keep_first(struct smtp_session *s, int r)
{
	if (s->body_r == 0)
		s->body_r = r;
}

size_t smtp_body_data(struct smtp_session *s, struct span bytes)
{
	int r = 0;
	size_t taken = smtp_unstuff(&s->unstuff, bytes, on_run, s, &r);

	keep_first(s, r);
	if (s->unstuff.state != UNSTUFF_END)
		return taken;
	smtp_body_end(s);
	/*
	 * Where somebody's idea of a line end is another than ours, what follows may be text of the message for the one who
	 * sent it (SMTP smuggling): it is not taken for commands.
	 */
	s->closing = s->closing || (s->unstuff.bare && !s->unstuff.mend);
	return taken;
}

/* The reasons to refuse a message that only its bytes can give. */
static struct smtp_status verdict(const struct smtp_session *s)
{
	if (s->header_refused.code)
		return s->header_refused;
	if (s->body_r == -POD_E_LIMIT && s->header_size > s->set->header_max)
		return (struct smtp_status){ 552, "5.3.4", "Message header is larger than allowed" };
	if (s->body_r < 0)
		return smtp_status_of_local(s->body_r);
	if (s->unstuff.bare && !s->unstuff.mend)
		return (struct smtp_status){ 550, "5.6.0", "Message has a CR or LF that stands alone (RFC 5321 2.3.8)" };
	if (s->scan.received > s->set->hops_max)
		return (struct smtp_status){ 554, "5.4.6", "Too many hops, this message is looping" };
	return (struct smtp_status){ 250, "2.0.0", "Ok" };
}

static void chunk_end(struct smtp_session *s)
{
	bool refused = s->chunk_refused.code != 0;

	s->input = INPUT_LINES;
	if (refused) {
		smtp_reply_status(s, &s->chunk_refused);
		if (s->chunk_ends_mail)
			smtp_mail_reset(s);
		return;
	}
	if (s->chunk_last) {
		int r = 0;

		smtp_unstuff_last(&s->unstuff, on_run, s, &r);
		keep_first(s, r);
		smtp_body_end(s);
		return;
	}
	if (s->body_r < 0) {
		/* RFC 3030 section 2: a failed chunk ends the transaction. */
		struct smtp_status status = verdict(s);

		smtp_reply_status(s, &status);
		smtp_mail_reset(s);
		return;
	}
	smtp_reply(s, 250, "2.0.0", "%llu bytes so far", (unsigned long long) s->body_size);
}

size_t smtp_body_chunk(struct smtp_session *s, struct span bytes)
{
	int r = 0;

	if (bytes.len > s->chunk_left)
		bytes.len = s->chunk_left;
	if (!s->chunk_refused.code)
		(void) smtp_unstuff(&s->unstuff, bytes, on_run, s, &r);
	keep_first(s, r);
	s->chunk_left -= bytes.len;
	if (s->chunk_left == 0)
		chunk_end(s);
	return bytes.len;
}

void smtp_body_end(struct smtp_session *s)
{
	struct smtp_status status;

	/* A message that is all header. */
	if (s->scan.state != SCAN_DONE && s->body_r == 0 && smtp_tidies(s))
		keep_first(s, smtp_tidy_end(s, &s->header_refused));
	status = verdict(s);
	s->mail.hops = s->scan.received + 1;
	s->input = INPUT_LINES;
	s->waiting = true;
	s->replies = smtp_is_lmtp(s) ? s->mail.n_rcpts : 1;
	if (status.code == 250)
		s->host->body_end(s->host_arg, &s->mail);
	else
		smtp_session_mail_done(s, &status, 1);
}

void smtp_session_mail_done(struct smtp_session *s, const struct smtp_status *statuses, size_t n)
{
	s->waiting = false;
	/* RFC 2033 4.2: LMTP answers for each recipient that RCPT accepted, in that order. */
	for (size_t i = 0; i < s->replies && statuses->code; i++) {
		const struct smtp_status *st = &statuses[n == 1 ? 0 : i];

		if (st->code < 300)
			smtp_reply(s, st->code, st->enhanced, "%s id=%s", st->text, s->mail.trace);
		else
			smtp_reply_status(s, st);
	}
	if (n == 1 && (statuses->code == 421 || statuses->code == 0))
		s->closing = true;
	smtp_mail_reset(s);
}
