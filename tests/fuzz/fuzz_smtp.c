/*
 * The session core over arbitrary bytes. The first byte picks the service and whether the host answers at
 * once; the second how the bytes are cut. What must hold: every transaction begun is ended, replies are
 * whole lines, and a message handed over has no line end that stands alone (unless mending made it so).
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/smtp/smtp.h"

#define MUST(x)                                                                                              \
	do {                                                                                                 \
		if (!(x))                                                                                    \
			abort();                                                                             \
	} while (0)

struct fuzz {
	struct smtp_session *s;
	struct buf out, body;
	unsigned int begun, ended;
	bool late;
	enum { NOTHING, RCPT, MAIL, AUTH } asked;
};

static void answer(struct fuzz *f)
{
	struct smtp_status st = smtp_status_of_rcpt(0);
	int asked = (int) f->asked;

	f->asked = NOTHING;
	if (asked == RCPT)
		smtp_session_rcpt_done(f->s, &st);
	else if (asked == MAIL)
		smtp_session_mail_done(f->s, &st, 1);
	else if (asked == AUTH)
		smtp_session_auth_done(f->s, f->begun & 1 ? -POD_E_AUTH : 0, "a@b.test");
}

static void ask(struct fuzz *f, int what)
{
	MUST(f->asked == NOTHING);
	f->asked = what;
	if (!f->late)
		answer(f);
}

static void on_mail_begin(void *arg, char trace[TRACE_ID_SIZE])
{
	((struct fuzz *) arg)->begun++;
	(void) snprintf(trace, TRACE_ID_SIZE, "0123456789abcdef");
}

static void on_rcpt(void *arg, struct smtp_mail *mail, struct smtp_rcpt *rcpt)
{
	MUST(rcpt->key.len > 0);
	ask(arg, RCPT);
}

static int on_body_begin(void *arg, const struct smtp_mail *mail, struct span header)
{
	struct fuzz *f = arg;

	MUST(mail->n_rcpts > 0);
	buf_clear(&f->body);
	buf_add(&f->body, header);
	return 0;
}

static int on_body_add(void *arg, struct span bytes)
{
	struct fuzz *f = arg;

	buf_add(&f->body, bytes);
	return f->body.len > 5000 ? -POD_E_NOSPACE : 0;
}

static void on_body_end(void *arg, struct smtp_mail *mail)
{
	struct fuzz *f = arg;

	for (size_t i = 0; i < f->body.len; i++) {
		if (f->body.p[i] == '\r')
			MUST(i + 1 < f->body.len && f->body.p[i + 1] == '\n');
		if (f->body.p[i] == '\n')
			MUST(i > 0 && f->body.p[i - 1] == '\r');
	}
	ask(f, MAIL);
}

static void on_mail_end(void *arg, struct smtp_mail *mail)
{
	struct fuzz *f = arg;

	f->ended++;
	if (f->asked != AUTH)
		f->asked = NOTHING;
}

static void on_auth_start(void *arg, enum sasl_mechanism m, struct span user, struct span message)
{
	struct fuzz *f = arg;

	if (m == SASL_LOGIN)
		smtp_session_auth_challenge(f->s, SPAN_LIT("Password:"));
	else
		ask(f, AUTH);
}

static void on_auth_step(void *arg, struct span response)
{
	ask(arg, AUTH);
}

static void on_auth_cancel(void *arg)
{
	((struct fuzz *) arg)->asked = NOTHING;
}

static const struct smtp_host host = { on_mail_begin, on_rcpt,       on_body_begin, on_body_add,   on_body_end,
	                               on_mail_end,   on_auth_start, on_auth_step,  on_auth_cancel };

/* One step of a pump over in; returns the bytes taken, SIZE_MAX at the end. */
static size_t pump(struct fuzz *f, struct span in, size_t piece)
{
	size_t eol;

	switch (smtp_session_wants(f->s)) {
	case SMTP_WANT_LINE:
		eol = span_find(in, SPAN_LIT("\r\n"));
		if (eol == SIZE_MAX)
			return SIZE_MAX;
		if (eol > SMTP_LINE_MAX || memchr(in.p, '\n', eol) || memchr(in.p, '\r', eol))
			smtp_session_line_bad(f->s, eol > SMTP_LINE_MAX ? -POD_E_LIMIT : -POD_E_SYNTAX);
		else
			smtp_session_line(f->s, span_head(in, eol));
		return eol + 2;
	case SMTP_WANT_DATA: return smtp_session_data(f->s, span_head(in, piece));
	case SMTP_WANT_ANSWER: answer(f); return 0;
	case SMTP_WANT_TLS: smtp_session_tls_done(f->s, "TLSv1.3 X"); return 0;
	case SMTP_WANT_CLOSE: break;
	}
	return SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct smtp_peer peer = { .address = "2001:db8::1", .loopback = true };
	struct smtp_settings set = { .hostname = "mx.test", .message_size_max = 4000, .header_max = 2000, .recipients_max = 5,
		                     .errors_max = 200, .errors_slow = 5, .hops_max = 3, .starttls = true };
	struct fuzz f = { 0 };
	struct span in;
	size_t piece, n;

	if (len < 2)
		return 0;
	set.service = (enum smtp_service) (data[0] % 3);
	set.auth = set.service == SMTP_SERVICE_SUBMISSION;
	set.mend_line_ends = data[0] & 0x40;
	f.late = data[0] & 0x80;
	piece = data[1] + 1u;
	f.s = smtp_session_create(&set, &peer, &host, &f, &f.out);
	MUST(f.s);
	for (in = span_make(data + 2, len - 2); in.len; in = span_skip(in, n)) {
		n = pump(&f, in, piece);
		if (n == SIZE_MAX)
			break;
	}
	MUST(f.out.len == 0 || f.out.p[f.out.len - 1] == '\n');
	smtp_session_free(f.s);
	MUST(f.begun == f.ended);
	buf_done(&f.out);
	buf_done(&f.body);
	return 0;
}
