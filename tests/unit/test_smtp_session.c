/* Transcripts: what a client says, what the session answers, with a host that answers at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/smtp/smtp.h"

struct fake {
	struct smtp_session *s;
	struct buf out, body;
	int refuse_body; /* what body_add answers */
	struct smtp_status delivered[8];
	size_t n_delivered;
	unsigned int begun, ended;
	bool hold; /* questions are not answered */
	char last_envelope[512];
	struct guid transaction; /* of the last message */
};

static void fake_mail_begin(void *arg, char trace[TRACE_ID_SIZE])
{
	struct fake *f = arg;

	f->begun++;
	(void) snprintf(trace, TRACE_ID_SIZE, "0123456789abcdef");
}

static void fake_rcpt_check(void *arg, struct smtp_mail *mail, struct smtp_rcpt *rcpt)
{
	struct fake *f = arg;
	struct smtp_status st = { 250, "2.1.5", "Recipient ok" };

	if (f->hold)
		return;
	if (span_starts_nocase(rcpt->key, SPAN_LIT("nobody@")))
		st = smtp_status_of_rcpt(-POD_E_NOTFOUND);
	else if (span_find(rcpt->key, SPAN_LIT("@elsewhere")) != SIZE_MAX)
		st = smtp_status_of_rcpt(-POD_E_UNSUPPORTED);
	smtp_session_rcpt_done(f->s, &st);
}

static int fake_body_begin(void *arg, const struct smtp_mail *mail, struct span header)
{
	struct fake *f = arg;

	buf_clear(&f->body);
	buf_add(&f->body, header);
	return 0;
}

static int fake_body_add(void *arg, struct span bytes)
{
	struct fake *f = arg;

	buf_add(&f->body, bytes);
	return f->refuse_body;
}

static void fake_body_end(void *arg, struct smtp_mail *m)
{
	struct fake *f = arg;

	(void) snprintf(f->last_envelope, sizeof(f->last_envelope),
	                "<" SPAN_FMT "> n=%zu utf8=%d body=%d ret=%d envid=" SPAN_FMT " notify=%u orcpt=" SPAN_FMT,
	                SPAN_ARG(m->sender), m->n_rcpts, m->utf8, (int) m->body, (int) m->ret, SPAN_ARG(m->envid),
	                m->rcpts[0]->notify, SPAN_ARG(m->rcpts[0]->orcpt));
	(void) snprintf(f->last_envelope + strlen(f->last_envelope), sizeof(f->last_envelope) - strlen(f->last_envelope),
	                " hold=%lld by=%d/%lld/%d prio=%d tls=%d", (long long) m->hold_until_s, (int) m->by,
	                (long long) m->by_at_s, m->by_trace, m->priority, m->require_tls);
	f->transaction = m->transaction;
	if (!f->hold)
		smtp_session_mail_done(f->s, f->delivered, f->n_delivered);
}

static void fake_mail_end(void *arg, struct smtp_mail *mail)
{
	((struct fake *) arg)->ended++;
}

static void fake_auth_start(void *arg, enum sasl_mechanism m, struct span user, struct span message)
{
	struct fake *f = arg;

	if (m == SASL_LOGIN)
		smtp_session_auth_challenge(f->s, SPAN_LIT("Password:"));
	else if (span_find(message, SPAN_LIT("sesame")) != SIZE_MAX)
		smtp_session_auth_done(f->s, 0, "alice@example.test");
	else
		smtp_session_auth_done(f->s, -POD_E_AUTH, NULL);
}

static void fake_auth_step(void *arg, struct span response)
{
	struct fake *f = arg;
	bool ok = span_eq(response, SPAN_LIT("sesame"));

	smtp_session_auth_done(f->s, ok ? 0 : -POD_E_AUTH, "alice@example.test");
}

static void fake_auth_cancel(void *arg)
{
}

static const struct smtp_host fake_host = { fake_mail_begin, fake_rcpt_check, fake_body_begin, fake_body_add,
	                                    fake_body_end,   fake_mail_end,   fake_auth_start, fake_auth_step,
	                                    fake_auth_cancel };

static const struct smtp_settings mx = { .service = SMTP_SERVICE_MX,
	                                 .hostname = "mx.example.test",
	                                 .message_size_max = 1000,
	                                 .header_max = 100000,
	                                 .recipients_max = 3,
	                                 .errors_max = 10,
	                                 .errors_slow = 5,
	                                 .hops_max = 4,
	                                 .starttls = true };
static const struct smtp_settings submission = { .service = SMTP_SERVICE_SUBMISSION,
	                                         .hostname = "mx.example.test",
	                                         .message_size_max = 1000,
	                                         .header_max = 100000,
	                                         .recipients_max = 3,
	                                         .errors_max = 10,
	                                         .errors_slow = 5,
	                                         .hops_max = 4,
	                                         .starttls = true,
	                                         .auth = true };
static const struct smtp_settings lmtp = { .service = SMTP_SERVICE_LMTP,
	                                   .hostname = "mx.example.test",
	                                   .message_size_max = 1000,
	                                   .header_max = 100000,
	                                   .recipients_max = 10,
	                                   .errors_max = 10,
	                                   .errors_slow = 5,
	                                   .hops_max = 4 };
static const struct smtp_peer stranger = { .address = "192.0.2.1" }, local = { .address = "127.0.0.1", .loopback = true };

static void start(struct fake *f, const struct smtp_settings *set, const struct smtp_peer *peer)
{
	*f = (struct fake){ .n_delivered = 1, .delivered = { { 250, "2.0.0", "Ok" } } };
	f->s = smtp_session_create(set, peer, &fake_host, f, &f->out);
	assert_non_null(f->s);
	smtp_session_set_time(f->s, 1000000000);
}

static void finish(struct fake *f)
{
	f->s = smtp_session_free(f->s);
	assert_int_equal(f->begun, f->ended);
	buf_done(&f->out);
	buf_done(&f->body);
}

/* Sends text the way a pump would: lines or data, whatever the session wants. */
static void say(struct fake *f, const char *text)
{
	struct span in = span_of(text);

	while (in.len) {
		switch (smtp_session_wants(f->s)) {
		case SMTP_WANT_LINE: {
			size_t eol = span_find(in, SPAN_LIT("\r\n"));

			assert_int_not_equal(eol, SIZE_MAX);
			smtp_session_line(f->s, span_head(in, eol));
			in = span_skip(in, eol + 2);
			break;
		}
		case SMTP_WANT_DATA: in = span_skip(in, smtp_session_data(f->s, in)); break;
		default: return;
		}
	}
}

static void expect(struct fake *f, const char *replies)
{
	assert_string_equal(buf_str(&f->out), replies);
	buf_clear(&f->out);
}

#define EXCHANGE(f, in, out) (say((f), (in)), expect((f), (out)))

static void a_pipelined_message_is_taken_and_answered_in_order(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	smtp_session_greet(f.s);
	expect(&f, "220 mx.example.test ESMTP podmail\r\n");
	EXCHANGE(&f, "EHLO client.test\r\n",
	         "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
	         "250-DSN\r\n250-DELIVERBY\r\n250-MT-PRIORITY\r\n250-LIMITS RCPTMAX=3\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n");
	EXCHANGE(&f,
	         "MAIL FROM:<bob@away.test> SIZE=12 BODY=8BITMIME RET=HDRS ENVID=q+2B1\r\n"
	         "RCPT TO:<Alice@Example.TEST> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Alice@example.test\r\n"
	         "RCPT TO:<nobody@example.test>\r\nDATA\r\n"
	         "Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n550 5.1.1 No such user here\r\n"
	         "354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok id=0123456789abcdef\r\n"
	         "221 2.0.0 mx.example.test closing\r\n");
	assert_string_equal(f.last_envelope, "<bob@away.test> n=1 utf8=0 body=2 ret=2 envid=q+2B1 notify=10 "
	                                     "orcpt=rfc822;Alice@example.test hold=0 by=0/0/0 prio=0 tls=0");
	assert_string_equal(buf_str(&f.body),
	                    "Return-Path: <bob@away.test>\r\n"
	                    "Received: from client.test ([192.0.2.1])\r\n"
	                    "\tby mx.example.test (podmail) with ESMTP\r\n"
	                    "\tid 0123456789abcdef\r\n"
	                    "\tfor <Alice@Example.TEST>;\r\n"
	                    "\tSun, 9 Sep 2001 01:46:40 +0000\r\n"
	                    "Subject: x\r\n\r\n.dot\r\n");
	assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_CLOSE);
	finish(&f);
}

static void commands_out_of_order_are_refused_by_the_table(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	EXCHANGE(&f, "MAIL FROM:<a@b.test>\r\n", "503 5.5.1 Say EHLO first\r\n");
	EXCHANGE(&f, "HELO x\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n",
	         "250 mx.example.test\r\n503 5.5.1 RCPT is out of order here\r\n503 5.5.1 DATA is out of order here\r\n");
	EXCHANGE(&f, "MAIL FROM:<>\r\nMAIL FROM:<>\r\nRSET\r\nMAIL FROM:<>\r\n",
	         "250 2.1.0 Sender ok\r\n503 5.5.1 MAIL is out of order here\r\n250 2.0.0 Ok\r\n250 2.1.0 Sender ok\r\n");
	EXCHANGE(&f, "LHLO x\r\nXYZZY\r\nAUTH PLAIN\r\n",
	         "500 5.5.1 Command not recognised\r\n500 5.5.1 Command not recognised\r\n"
	         "503 5.5.1 AUTH is out of order here\r\n");
	finish(&f);
}

static void replies_slow_down_and_end_for_a_peer_that_keeps_erring(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	for (unsigned int i = 0; i < mx.errors_max; i++) {
		unsigned int ms;

		say(&f, "NONSENSE\r\n");
		assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_LINE);
		ms = smtp_session_take_delay(f.s);
		assert_int_equal(ms > 0, i >= mx.errors_slow);
		assert_int_equal(smtp_session_take_delay(f.s), 0);
	}
	buf_clear(&f.out);
	EXCHANGE(&f, "NONSENSE\r\nNOOP\r\n",
	         "500 5.5.1 Command not recognised\r\n421 4.7.0 mx.example.test Too many errors, closing\r\n");
	assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_CLOSE);
	finish(&f);
}

static void limits_on_size_recipients_hops_and_lines_hold(void **state)
{
	struct fake f;
	char big[1200];

	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\n");
	buf_clear(&f.out);
	EXCHANGE(&f, "MAIL FROM:<a@b.test> SIZE=1001\r\n", "552 5.3.4 Message size exceeds 1000 bytes\r\n");
	EXCHANGE(&f,
	         "MAIL FROM:<a@b.test> SIZE=1000\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@example.test>\r\n"
	         "RCPT TO:<c@example.test>\r\nRCPT TO:<d@example.test>\r\nDATA\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n"
	         "452 4.5.3 Too many recipients\r\n354 End data with <CR><LF>.<CR><LF>\r\n");
	memset(big, 'x', sizeof(big));
	(void) smtp_session_data(f.s, span_make(big, sizeof(big)));
	EXCHANGE(&f, "\r\n.\r\n", "552 5.3.4 Message is larger than allowed\r\n");
	EXCHANGE(&f,
	         "MAIL FROM:<a@b.test>\r\nRCPT TO:<a@example.test>\r\nDATA\r\n"
	         "Received: 1\r\nRECEIVED : 2\r\nReceived: 3\r\n folded\r\nX-Received: no\r\nReceived: 4\r\nreceived: 5\r\n"
	         "\r\nhello\r\n.\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
	         "554 5.4.6 Too many hops, this message is looping\r\n");
	smtp_session_line(f.s, span_make(big, 511));
	smtp_session_line_bad(f.s, -POD_E_LIMIT);
	smtp_session_line_bad(f.s, -POD_E_SYNTAX);
	memcpy(big, "NOOP ", 5);
	smtp_session_line(f.s, span_make(big, 511));
	expect(&f, "500 5.5.1 Command not recognised\r\n500 5.5.2 Line too long\r\n500 5.5.2 Lines end in CRLF\r\n"
	           "500 5.5.2 Line too long\r\n");
	finish(&f);
}

static void a_body_that_cannot_be_kept_is_refused_after_its_end(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	f.refuse_body = -POD_E_NOSPACE;
	say(&f, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nDATA\r\n");
	buf_clear(&f.out);
	EXCHANGE(&f, "Subject: x\r\n\r\nbody\r\n.\r\nNOOP\r\n",
	         "452 4.3.1 No space left, try again later\r\n250 2.0.0 Ok\r\n");
	finish(&f);
}

static void bare_line_ends_never_end_data_and_the_message_is_refused(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nDATA\r\n");
	buf_clear(&f.out);
	EXCHANGE(&f, "one\r\n\n.\r\nMAIL FROM:<evil@example.test>\r\n.\r\nNOOP\r\n",
	         "550 5.6.0 Message has a CR or LF that stands alone (RFC 5321 2.3.8)\r\n");
	/* Whoever sends such a message may not mean as commands what comes behind it. */
	assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_CLOSE);
	finish(&f);
}

static void a_chunk_of_absurd_size_is_not_waited_for(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\n");
	buf_clear(&f.out);
	EXCHANGE(&f, "MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nBDAT 18446744073709551615 LAST\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n552 5.3.4 Message size exceeds 1000 bytes\r\n"
	         "421 4.5.0 mx.example.test Not waiting for that much data, closing\r\n");
	finish(&f);
}

static void chunks_make_a_message_and_refused_ones_are_swallowed(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\n");
	buf_clear(&f.out);
	EXCHANGE(&f, "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "503 5.5.1 BDAT needs MAIL and a valid RCPT first\r\n250 2.0.0 Ok\r\n");
	EXCHANGE(&f,
	         "MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nBDAT 7\r\nS: x\r\n\rBDAT 7\r\n\n.\r\nab\rBDAT 1 LAST\r\n\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.0.0 6 bytes so far\r\n"
	         "250 2.0.0 13 bytes so far\r\n250 2.0.0 Ok id=0123456789abcdef\r\n");
	assert_non_null(strstr(buf_str(&f.body), "\r\nS: x\r\n\r\n.\r\nab\r\n"));
	EXCHANGE(&f, "MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nBDAT 3\r\nab\nBDAT 0 LAST\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.0.0 3 bytes so far\r\n"
	         "550 5.6.0 Message has a CR or LF that stands alone (RFC 5321 2.3.8)\r\n");
	EXCHANGE(&f, "MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nBDAT 4\r\nab\r\nDATA\r\nRSET\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.0.0 4 bytes so far\r\n"
	         "503 5.5.1 DATA is out of order here\r\n250 2.0.0 Ok\r\n");
	EXCHANGE(&f, "BDAT x\r\n",
	         "501 5.5.4 Syntax: BDAT size [LAST]\r\n421 4.5.0 mx.example.test Lost track of the data, closing\r\n");
	finish(&f);
}

static void lmtp_answers_for_each_recipient(void **state)
{
	struct fake f;

	start(&f, &lmtp, &local);
	say(&f, "LHLO x\r\nMAIL FROM:<b@away.test>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<nobody@example.test>\r\n"
	        "RCPT TO:<c@example.test>\r\nDATA\r\n");
	buf_clear(&f.out);
	f.delivered[1] = smtp_status_of(-POD_E_QUOTA);
	f.n_delivered = 2;
	EXCHANGE(&f, "\r\nhello\r\n.\r\n", "250 2.0.0 Ok id=0123456789abcdef\r\n452 4.2.2 Mailbox is over quota\r\n");
	assert_non_null(strstr(buf_str(&f.body), "with LMTP\r\n\tid 0123456789abcdef;\r\n"));
	EXCHANGE(&f, "MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\na\nb\r\n.\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n250 2.1.5 Recipient ok\r\n"
	         "354 End data with <CR><LF>.<CR><LF>\r\n"
	         "550 5.6.0 Message has a CR or LF that stands alone (RFC 5321 2.3.8)\r\n"
	         "550 5.6.0 Message has a CR or LF that stands alone (RFC 5321 2.3.8)\r\n");
	finish(&f);
}

static void submission_wants_authentication_and_never_a_password_in_clear(void **state)
{
	struct fake f;

	start(&f, &submission, &stranger);
	say(&f, "EHLO x\r\n");
	assert_null(strstr(buf_str(&f.out), "PLAIN"));
	assert_non_null(strstr(buf_str(&f.out), "250-AUTH SCRAM-SHA-256\r\n"));
	buf_clear(&f.out);
	EXCHANGE(&f, "MAIL FROM:<a@b.test>\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n",
	         "530 5.7.0 Authentication required\r\n538 5.7.11 Encryption is required for this mechanism\r\n");
	EXCHANGE(&f, "STARTTLS\r\n", "220 2.0.0 Ready to start TLS\r\n");
	assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_TLS);
	smtp_session_tls_done(f.s, "TLSv1.3 X");
	EXCHANGE(&f, "AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n", "503 5.5.1 Say EHLO first\r\n");
	say(&f, "EHLO x\r\n");
	assert_non_null(strstr(buf_str(&f.out), "250-AUTH PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS\r\n"));
	assert_null(strstr(buf_str(&f.out), "STARTTLS"));
	buf_clear(&f.out);
	EXCHANGE(&f, "AUTH CRAM-MD5\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\nAUTH PLAIN !!\r\nAUTH PLAIN\r\n*\r\n",
	         "504 5.5.4 Mechanism not recognised\r\n535 5.7.8 Authentication failed\r\n"
	         "501 5.5.2 Malformed authentication message\r\n334 \r\n501 5.0.0 Authentication cancelled\r\n");
	EXCHANGE(&f, "AUTH LOGIN\r\nYWxpY2U=\r\nc2VzYW1l\r\nAUTH LOGIN\r\n",
	         "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n235 2.7.0 Authentication succeeded\r\n"
	         "503 5.5.1 Authenticated already\r\n");
	EXCHANGE(&f, "MAIL FROM:<alice@example.test>\r\nRCPT TO:<a@example.test>\r\nDATA\r\nSubject: x\r\n\r\nhi\r\n.\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
	         "250 2.0.0 Ok id=0123456789abcdef\r\n");
	assert_non_null(strstr(buf_str(&f.body), "with ESMTPSA (TLSv1.3 X)\r\n"));
	assert_non_null(strstr(buf_str(&f.body), "\r\nSubject: x\r\n"
	                                         "From: <alice@example.test>\r\n"
	                                         "Date: Sun, 9 Sep 2001 01:46:40 +0000\r\n"
	                                         "Message-ID: <0123456789abcdef@mx.example.test>\r\n\r\nhi\r\n"));
	finish(&f);
}

static void a_submitted_message_keeps_the_fields_it_has(void **state)
{
	struct fake f;

	start(&f, &submission, &local);
	say(&f, "EHLO x\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\nMAIL FROM:<alice@example.test> SMTPUTF8\r\n"
	        "RCPT TO:<a@example.test>\r\nDATA\r\n");
	/* Byte by byte: no state may hang on how the bytes are cut. */
	for (const char *p = "DATE: now\r\nmessage-id\t: <1@x>\r\nFROM: a@b.test\r\nX: Date: no\r\n\r\nhi\r\n.\r\n"; *p; p++)
		(void) smtp_session_data(f.s, span_make(p, 1));
	assert_non_null(strstr(buf_str(&f.body), "with UTF8SMTPA\r\n"));
	assert_non_null(strstr(buf_str(&f.body), "\r\nDATE: now\r\nmessage-id\t: <1@x>\r\nFROM: a@b.test\r\nX: Date: no\r\n\r\nhi\r\n"));
	finish(&f);
}

static const struct smtp_settings gateway = { .service = SMTP_SERVICE_SUBMISSION,
	                                      .hostname = "mx.example.test",
	                                      .message_size_max = 1000,
	                                      .header_max = 100000,
	                                      .recipients_max = 3,
	                                      .errors_max = 100,
	                                      .errors_slow = 100,
	                                      .hops_max = 4,
	                                      .trusts_login = true };

static void a_gateway_says_who_submits_each_message(void **state)
{
	static const char id[] = "0193b1c2d3e47f00a1b2c3d4e5f60718";
	char text[ID_TEXT_SIZE];
	struct fake f;

	start(&f, &gateway, &local);
	say(&f, "EHLO x\r\n");
	assert_null(strstr(buf_str(&f.out), "AUTH"));
	buf_clear(&f.out);
	EXCHANGE(
		&f,
		"MAIL FROM:<a@b.test>\r\nMAIL FROM:<a@b.test> AUTH=<>\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n",
		"530 5.7.0 AUTH= has to say who submits this\r\n530 5.7.0 AUTH= has to say who submits "
		"this\r\n"
		"502 5.5.1 AUTH is not offered\r\n");
	EXCHANGE(&f,
	         "MAIL FROM:<a@b.test> AUTH=al+2Bice@b.test TRANSID=<0193b1c2d3e47f00a1b2c3d4e5f60718>\r\n"
	         "RCPT TO:<r@b.test>\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.1.5 Recipient ok\r\n");
	assert_string_equal(smtp_session_user(f.s), "al+ice@b.test");
	assert_string_equal(smtp_session_auth_type(f.s), "EXTERNAL");
	say(&f, "DATA\r\n");
	(void) smtp_session_data(f.s, SPAN_LIT("Subject: hi\r\n\r\nhi\r\n.\r\n"));
	guid_format(&f.transaction, text);
	assert_string_equal(text, id);
	buf_clear(&f.out);
	/* The next one is another user's, or nobody's. */
	EXCHANGE(&f,
	         "MAIL FROM:<a@b.test>\r\nMAIL FROM:<> AUTH=bob@b.test TRANSID=<1234>\r\n"
	         "MAIL FROM:<> AUTH=bob@b.test\r\n",
	         "530 5.7.0 AUTH= has to say who submits this\r\n501 5.5.4 Malformed parameter\r\n"
	         "250 2.1.0 Sender ok\r\n");
	assert_string_equal(smtp_session_user(f.s), "bob@b.test");
	finish(&f);
	/* Anybody else's word is not taken, nor may he name transactions. */
	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\n");
	buf_clear(&f.out);
	EXCHANGE(&f,
	         "MAIL FROM:<a@b.test> TRANSID=<0193b1c2d3e47f00a1b2c3d4e5f60718>\r\nMAIL FROM:<a@b.test> "
	         "AUTH=c@d.test\r\n",
	         "555 5.5.4 Parameter not recognised\r\n250 2.1.0 Sender ok\r\n");
	assert_string_equal(smtp_session_user(f.s), "");
	finish(&f);
}

static const struct smtp_settings scheduling = { .service = SMTP_SERVICE_SUBMISSION,
	                                         .hostname = "mx.example.test",
	                                         .message_size_max = 1000,
	                                         .header_max = 100000,
	                                         .recipients_max = 3,
	                                         .errors_max = 100,
	                                         .errors_slow = 100,
	                                         .hops_max = 4,
	                                         .messages_max = 50,
	                                         .future_release_max_s = 86400,
	                                         .priority_user_max = 4,
	                                         .auth = true };

/* The terms of the last message, as body_end saw them. */
static const char *terms(const struct fake *f)
{
	return strstr(f->last_envelope, " hold=");
}

static void a_user_may_set_terms_for_a_message_as_far_as_policy_goes(void **state)
{
	static const struct {
		const char *params, *reply, *terms;
	} cases[] = {
		{ "HOLDFOR=60", "250 2.1.0 Sender ok\r\n", " hold=1000000060 by=0/0/0 prio=0 tls=0" },
		{ "HOLDUNTIL=2001-09-09T01:47:40Z", "250 2.1.0 Sender ok\r\n", " hold=1000000060 by=0/0/0 prio=0 tls=0" },
		{ "HOLDUNTIL=2001-09-09t03:47:40.5+02:00", "250 2.1.0 Sender ok\r\n",
		  " hold=1000000060 by=0/0/0 prio=0 tls=0" },
		{ "HOLDUNTIL=2001-09-08T00:00:00Z", "250 2.1.0 Sender ok\r\n", " hold=0 by=0/0/0 prio=0 tls=0" },
		{ "HOLDFOR=86401", "501 5.5.4 That is longer than messages are held here\r\n", NULL },
		{ "HOLDUNTIL=2001-09-10T01:46:41Z", "501 5.5.4 That is longer than messages are held here\r\n", NULL },
		{ "HOLDFOR=60 HOLDUNTIL=2001-09-09T01:47:40Z", "501 5.5.4 HOLDFOR and HOLDUNTIL exclude each other\r\n",
		  NULL },
		{ "HOLDFOR=0", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "HOLDFOR=1000000000", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "HOLDUNTIL=tomorrow", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "HOLDUNTIL=2001-02-29T00:00:00Z", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "BY=120;R", "250 2.1.0 Sender ok\r\n", " hold=0 by=1/1000000120/0 prio=0 tls=0" },
		{ "BY=-120;nt", "250 2.1.0 Sender ok\r\n", " hold=0 by=2/999999880/1 prio=0 tls=0" },
		{ "BY=0;R", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "BY=120", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "BY=120;X", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "BY=;N", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "MT-PRIORITY=3", "250 2.1.0 Sender ok\r\n", " hold=0 by=0/0/0 prio=3 tls=0" },
		{ "MT-PRIORITY=-9", "250 2.1.0 Sender ok\r\n", " hold=0 by=0/0/0 prio=-9 tls=0" },
		{ "MT-PRIORITY=9", "250 2.3.6 4 is the new priority assigned to the message\r\n",
		  " hold=0 by=0/0/0 prio=4 tls=0" },
		{ "MT-PRIORITY=10", "501 5.5.4 Malformed parameter\r\n", NULL },
		{ "REQUIRETLS", "530 5.7.10 REQUIRETLS needs TLS\r\n", NULL },
	};
	struct fake f;
	char line[200];

	start(&f, &scheduling, &local);
	say(&f, "EHLO x\r\n");
	assert_non_null(strstr(buf_str(&f.out), "250-FUTURERELEASE 86400 2001-09-10T01:46:40Z\r\n"));
	assert_non_null(strstr(buf_str(&f.out), "250-LIMITS MAILMAX=50 RCPTMAX=3\r\n"));
	assert_null(strstr(buf_str(&f.out), "REQUIRETLS"));
	say(&f, "AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		buf_clear(&f.out);
		(void) snprintf(line, sizeof(line), "MAIL FROM:<alice@example.test> %s\r\n", cases[i].params);
		EXCHANGE(&f, line, cases[i].reply);
		if (!cases[i].terms)
			continue;
		say(&f, "RCPT TO:<a@example.test>\r\nDATA\r\n\r\nx\r\n.\r\n");
		assert_string_equal(terms(&f), cases[i].terms);
	}
	finish(&f);
}

static void a_stranger_may_not_push_his_mail_nor_have_it_held(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\n");
	assert_null(strstr(buf_str(&f.out), "FUTURERELEASE"));
	buf_clear(&f.out);
	EXCHANGE(&f, "MAIL FROM:<b@away.test> HOLDFOR=60\r\nMAIL FROM:<b@away.test> MT-PRIORITY=4\r\n",
	         "555 5.5.4 Parameter not recognised\r\n250 2.3.6 0 is the new priority assigned to the message\r\n");
	finish(&f);
}

static void requiretls_is_offered_and_taken_over_tls_alone(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\nSTARTTLS\r\n");
	smtp_session_tls_done(f.s, "TLSv1.3 X");
	buf_clear(&f.out);
	say(&f, "EHLO x\r\n");
	assert_non_null(strstr(buf_str(&f.out), "250-REQUIRETLS\r\n"));
	say(&f, "MAIL FROM:<b@away.test> REQUIRETLS\r\nRCPT TO:<a@example.test>\r\nDATA\r\n\r\nx\r\n.\r\n");
	assert_string_equal(terms(&f), " hold=0 by=0/0/0 prio=0 tls=1");
	finish(&f);
}

static void a_session_has_an_end_and_says_so_beforehand(void **state)
{
	struct fake f;
	struct smtp_settings one = mx;

	one.messages_max = 1;
	start(&f, &one, &stranger);
	say(&f, "EHLO x\r\n");
	assert_non_null(strstr(buf_str(&f.out), "250-LIMITS MAILMAX=1 RCPTMAX=3\r\n"));
	buf_clear(&f.out);
	EXCHANGE(&f, "MAIL FROM:<b@away.test>\r\nRSET\r\nMAIL FROM:<b@away.test>\r\n",
	         "250 2.1.0 Sender ok\r\n250 2.0.0 Ok\r\n"
	         "421 4.7.0 mx.example.test Too many messages in one session, closing\r\n");
	assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_CLOSE);
	finish(&f);
}

static int only_alice(void *arg, struct span address)
{
	return span_eq(address, SPAN_LIT("alice@example.test")) || span_eq(address, SPAN_LIT("info@example.test"))
	               ? 0
	               : -POD_E_DENIED;
}

static struct smtp_status no_mail_from_mallory(void *arg, struct smtp_mail *mail)
{
	((struct fake *) arg)->ended += span_starts_nocase(mail->sender, SPAN_LIT("mallory@")); /* mail_end is not called */
	return span_starts_nocase(mail->sender, SPAN_LIT("mallory@"))
	               ? (struct smtp_status){ 550, "5.7.1", "You may not send as this address" }
	               : (struct smtp_status){ 250, "", "" };
}

static void a_submitted_header_is_put_right_or_refused(void **state)
{
#define MISSING "Date: Sun, 9 Sep 2001 01:46:40 +0000\r\nMessage-ID: <0123456789abcdef@mx.example.test>\r\n"
#define FROM "From: Alice <ALICE@Example.test>\r\n"
#define NOT_THEIRS "550 5.7.1 You may not send as the address in the From field\r\n"
	static const struct {
		const char *in, *out; /* of a header; where it is refused, the reply */
		bool refused;
	} cases[] = {
		{ FROM, FROM MISSING, false },
		{ "", "From: <alice@example.test>\r\n" MISSING, false },
		{ "BCC: secret@a.test\r\n" FROM "Bcc: a@b.test,\r\n c@d.test\r\nResent-Bcc: x@y.test\r\nSubject: s\r\n",
		  FROM "Subject: s\r\n" MISSING, false },
		{ "Return-Path: <x@y.test>\r\nBcc :x@y.test\r\n" FROM, FROM MISSING, false },
		{ FROM "Sender: mallory@example.test\r\n", FROM MISSING, false },
		{ FROM "Sender: info@example.test\r\n", FROM "Sender: info@example.test\r\n" MISSING, false },
		{ FROM "Sender: info@example.test\r\nSender: alice@example.test\r\n",
		  FROM "Sender: info@example.test\r\n" MISSING, false },
		{ "From: alice@example.test, Info <info@example.test>\r\n",
		  "From: alice@example.test, Info <info@example.test>\r\nSender: <alice@example.test>\r\n" MISSING, false },
		{ "From: bob@example.test\r\n", NOT_THEIRS, true },
		{ "From: alice@example.test, bob@example.test\r\n", NOT_THEIRS, true },
		{ "From: \"alice@example.test\" <bob@example.test>\r\n", NOT_THEIRS, true },
		{ "From: group: alice@example.test, bob@example.test;\r\n", NOT_THEIRS, true },
		{ "From: nobody:;\r\n", NOT_THEIRS, true },
		{ "From:\r\n", NOT_THEIRS, true },
		{ "From: alice\r\n", NOT_THEIRS, true },
		{ "From : bob@example.test\r\n", NOT_THEIRS, true },
		{ "From:\r\n (c) bob\r\n @example.test\r\n", NOT_THEIRS, true },
		{ FROM "From: bob@example.test\r\n",
		  "550 5.6.0 Message has several From fields (RFC 5322 3.6)\r\n", true },
	};
	struct smtp_host host = fake_host;
	char message[600];
	struct fake f;

	host.author_check = only_alice;
	host.mail_check = no_mail_from_mallory;
	start(&f, &submission, &local);
	f.s = smtp_session_free(f.s);
	f.s = smtp_session_create(&scheduling, &local, &host, &f, &f.out);
	smtp_session_set_time(f.s, 1000000000);
	say(&f, "EHLO x\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n");
	buf_clear(&f.out);
	EXCHANGE(&f, "MAIL FROM:<mallory@example.test>\r\nRCPT TO:<a@example.test>\r\n",
	         "550 5.7.1 You may not send as this address\r\n503 5.5.1 RCPT is out of order here\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		say(&f, "MAIL FROM:<alice@example.test>\r\nRCPT TO:<a@example.test>\r\nDATA\r\n");
		buf_clear(&f.out);
		(void) snprintf(message, sizeof(message), "%s\r\nbody\r\n.\r\n", cases[i].in);
		for (const char *p = message; *p; p++) /* byte by byte: no state may hang on how the bytes are cut */
			(void) smtp_session_data(f.s, span_make(p, 1));
		if (cases[i].refused) {
			expect(&f, cases[i].out);
			continue;
		}
		expect(&f, "250 2.0.0 Ok id=0123456789abcdef\r\n");
		(void) snprintf(message, sizeof(message), "+0000\r\n%s\r\nbody\r\n", cases[i].out);
		if (!strstr(buf_str(&f.body), message))
			fail_msg("case %zu: %s", i, buf_str(&f.body));
	}
	finish(&f);
}

static void a_header_that_is_too_large_is_refused_and_where_from_may_be_hidden(void **state)
{
	struct smtp_settings set = scheduling;
	struct fake f;

	set.header_max = 60;
	set.hide_client = true;
	start(&f, &set, &local);
	say(&f, "EHLO client.test\r\nAUTH PLAIN AGFsaWNlAHNlc2FtZQ==\r\n"
	        "MAIL FROM:<alice@example.test>\r\nRCPT TO:<a@example.test>\r\nDATA\r\n");
	buf_clear(&f.out);
	EXCHANGE(&f, "Subject: 12345678901234567890123456789012345678901234567890\r\nX: y\r\n\r\nx\r\n.\r\n",
	         "552 5.3.4 Message header is larger than allowed\r\n");
	say(&f, "MAIL FROM:<alice@example.test>\r\nRCPT TO:<a@example.test>\r\nDATA\r\n\r\nx\r\n.\r\n");
	assert_non_null(strstr(buf_str(&f.body), "Received: from submission\r\n\tby mx.example.test"));
	assert_null(strstr(buf_str(&f.body), "client.test"));
	assert_null(strstr(buf_str(&f.body), "127.0.0.1"));
	finish(&f);
}

static void what_was_said_before_tls_is_forgotten(void **state)
{
	struct fake f;

	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\nSTARTTLS\r\n");
	assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_TLS);
	smtp_session_tls_done(f.s, "TLSv1.3 X");
	buf_clear(&f.out);
	EXCHANGE(&f, "MAIL FROM:<a@b.test>\r\nEHLO x\r\nSTARTTLS\r\n",
	         "503 5.5.1 Say EHLO first\r\n"
	         "250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
	         "250-DELIVERBY\r\n250-MT-PRIORITY\r\n250-REQUIRETLS\r\n250-LIMITS RCPTMAX=3\r\n"
	         "250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n503 5.5.1 TLS is on already\r\n");
	finish(&f);
}

static void a_question_to_the_host_holds_back_what_follows(void **state)
{
	struct fake f;
	struct smtp_status ok = smtp_status_of_rcpt(0);

	start(&f, &mx, &stranger);
	say(&f, "EHLO x\r\nMAIL FROM:<>\r\n");
	f.hold = true;
	buf_clear(&f.out);
	EXCHANGE(&f, "RCPT TO:<a@example.test>\r\n", "");
	assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_ANSWER);
	assert_false(smtp_session_is_idle(f.s));
	smtp_session_rcpt_done(f.s, &ok);
	expect(&f, "250 2.1.5 Recipient ok\r\n");
	EXCHANGE(&f, "DATA\r\nx\r\n.\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n");
	assert_int_equal(smtp_session_wants(f.s), SMTP_WANT_ANSWER);
	finish(&f); /* the peer is gone before the answer */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipelined_message_is_taken_and_answered_in_order),
		cmocka_unit_test(commands_out_of_order_are_refused_by_the_table),
		cmocka_unit_test(replies_slow_down_and_end_for_a_peer_that_keeps_erring),
		cmocka_unit_test(limits_on_size_recipients_hops_and_lines_hold),
		cmocka_unit_test(a_body_that_cannot_be_kept_is_refused_after_its_end),
		cmocka_unit_test(bare_line_ends_never_end_data_and_the_message_is_refused),
		cmocka_unit_test(chunks_make_a_message_and_refused_ones_are_swallowed),
		cmocka_unit_test(a_chunk_of_absurd_size_is_not_waited_for),
		cmocka_unit_test(lmtp_answers_for_each_recipient),
		cmocka_unit_test(submission_wants_authentication_and_never_a_password_in_clear),
		cmocka_unit_test(a_submitted_message_keeps_the_fields_it_has),
		cmocka_unit_test(a_user_may_set_terms_for_a_message_as_far_as_policy_goes),
		cmocka_unit_test(a_stranger_may_not_push_his_mail_nor_have_it_held),
		cmocka_unit_test(requiretls_is_offered_and_taken_over_tls_alone),
		cmocka_unit_test(a_gateway_says_who_submits_each_message),
		cmocka_unit_test(a_session_has_an_end_and_says_so_beforehand),
		cmocka_unit_test(a_submitted_header_is_put_right_or_refused),
		cmocka_unit_test(a_header_that_is_too_large_is_refused_and_where_from_may_be_hidden),
		cmocka_unit_test(what_was_said_before_tls_is_forgotten),
		cmocka_unit_test(a_question_to_the_host_holds_back_what_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
