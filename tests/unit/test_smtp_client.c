/* The sending side of SMTP by transcript: what the server says, what we say, and what became of each
 * recipient. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "smtp/client.h"

#define RCPTS 4

struct rig {
	struct smtp_client_settings settings;
	struct buf out;
	struct smtp_client *client;
	struct arena *arena;
	struct smtp_client_mail mail;
	struct smtp_client_rcpt rcpts[RCPTS];
};

static int rig_open(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->settings = (struct smtp_client_settings){ .hostname = "us.test",
		                                     .tls = SMTP_CLIENT_TLS_MAY,
		                                     .server = "mx.test",
		                                     .pipelined_body_max = 1000 };
	r->arena = arena_create(1 << 20);
	for (size_t i = 0; i < RCPTS; i++)
		r->rcpts[i].address = span_of(arena_printf(r->arena, "r%zu@there.test", i));
	r->mail = (struct smtp_client_mail){ .arena = r->arena,
		                             .sender = SPAN_LIT("me@us.test"),
		                             .size = 100,
		                             .rcpts = r->rcpts,
		                             .n_rcpts = 1 };
	*state = r;
	return 0;
}

static int rig_close(void **state)
{
	struct rig *r = *state;

	(void) smtp_client_free(r->client);
	(void) arena_free(r->arena);
	buf_done(&r->out);
	free(r);
	return 0;
}

/* The server says it byte by byte, so that no reply ever comes in one piece. */
static void server(struct rig *r, const char *bytes)
{
	for (const char *p = bytes; *p; p++)
		smtp_client_input(r->client, span_make(p, 1));
}

static void we_say(struct rig *r, const char *expected)
{
	assert_string_equal(buf_str(&r->out), expected);
	buf_clear(&r->out);
}

static void we_want(struct rig *r, enum smtp_client_want want)
{
	assert_int_equal(smtp_client_wants(r->client), want);
}

static void we_fail(struct rig *r, enum smtp_client_fault fault)
{
	we_want(r, SMTP_CLIENT_CLOSE);
	assert_int_equal(smtp_client_fault(r->client), fault);
}

static void verdict(const struct rig *r, size_t i, enum smtp_client_verdict v, unsigned int code,
                    const char *enhanced)
{
	assert_int_equal(r->rcpts[i].verdict, v);
	assert_int_equal(r->rcpts[i].code, code);
	assert_string_equal(r->rcpts[i].enhanced, enhanced);
}

static void begin(struct rig *r)
{
	r->client = smtp_client_create(&r->settings, &r->out);
	assert_non_null(r->client);
	we_want(r, SMTP_CLIENT_READ);
}

/* Up to READY. keywords: lines of EHLO's reply. */
static void greet(struct rig *r, const char *keywords)
{
	begin(r);
	server(r, "220 mx.test ESMTP\r\n");
	we_say(r, "EHLO us.test\r\n");
	server(r, "250-mx.test\r\n");
	server(r, keywords);
	server(r, "250 HELP\r\n");
	we_want(r, SMTP_CLIENT_READY);
}

static void send_body(struct rig *r, bool chunked)
{
	we_want(r, SMTP_CLIENT_BODY);
	assert_int_equal(smtp_client_body(r->client).chunked, chunked);
	smtp_client_body_sent(r->client);
	we_want(r, SMTP_CLIENT_READ);
	assert_int_equal(smtp_client_stage(r->client), SMTP_STAGE_BODY_END);
}

static void an_old_server_is_spoken_to_one_command_at_a_time(void **state)
{
	struct rig *r = *state;

	begin(r);
	server(r, "220-mx.test\r\n220 old and proud\r\n");
	we_say(r, "EHLO us.test\r\n");
	server(r, "502 unknown\r\n");
	we_say(r, "HELO us.test\r\n");
	server(r, "250 hello\r\n");
	we_want(r, SMTP_CLIENT_READY);
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test>\r\n");
	server(r, "250 ok\r\n");
	we_say(r, "RCPT TO:<r0@there.test>\r\n");
	server(r, "250 ok\r\n");
	we_say(r, "DATA\r\n");
	assert_int_equal(smtp_client_stage(r->client), SMTP_STAGE_DATA);
	server(r, "354 go\r\n");
	send_body(r, false);
	server(r, "250 queued as 123\r\n");
	we_want(r, SMTP_CLIENT_READY);
	verdict(r, 0, SMTP_VERDICT_TAKEN, 250, "2.0.0");
	assert_string_equal(r->rcpts[0].text, "queued as 123");
	/* The next one needs no RSET. */
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test>\r\n");
}

static void with_chunking_a_small_message_goes_out_in_one_go(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n250-DSN\r\n");
	r->mail.n_rcpts = 2;
	r->mail.eight_bit = true;
	r->mail.envid = SPAN_LIT("abc");
	r->mail.ret = SMTP_CLIENT_RET_HDRS;
	r->rcpts[0].notify = 2 | 4;
	r->rcpts[1].orcpt = SPAN_LIT("rfc822;old@us.test");
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=abc\r\n"
	          "RCPT TO:<r0@there.test> NOTIFY=SUCCESS,FAILURE\r\n"
	          "RCPT TO:<r1@there.test> ORCPT=rfc822;old@us.test\r\n"
	          "BDAT 100 LAST\r\n");
	we_want(r, SMTP_CLIENT_BODY);
	smtp_client_body_sent(r->client);
	server(r, "250 2.1.0 ok\r\n250 2.1.5 ok\r\n550-5.1.1 nobody\r\n550 5.1.1 of that name\r\n250 2.6.0 "
	          "taken\r\n");
	we_want(r, SMTP_CLIENT_READY);
	verdict(r, 0, SMTP_VERDICT_TAKEN, 250, "2.6.0");
	verdict(r, 1, SMTP_VERDICT_REFUSED, 550, "5.1.1");
	assert_string_equal(r->rcpts[1].text, "nobody of that name");
}

static void a_large_message_waits_until_somebody_takes_it(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n250-CHUNKING\r\n");
	r->mail.size = 5000;
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test>\r\nRCPT TO:<r0@there.test>\r\n");
	server(r, "250 ok\r\n250 ok\r\n");
	we_say(r, "BDAT 5000 LAST\r\n");
	send_body(r, true);
	server(r, "250 ok\r\n");
	verdict(r, 0, SMTP_VERDICT_TAKEN, 250, "2.0.0");
}

static void a_transaction_that_came_to_nothing_is_reset_before_the_next(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n250-CHUNKING\r\n");
	r->mail.size = 5000;
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test>\r\nRCPT TO:<r0@there.test>\r\n");
	server(r, "250 ok\r\n450 4.7.1 greylisted, come back\r\n");
	we_want(r, SMTP_CLIENT_READY);
	verdict(r, 0, SMTP_VERDICT_LATER, 450, "4.7.1");
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "RSET\r\nMAIL FROM:<me@us.test>\r\nRCPT TO:<r0@there.test>\r\n");
	server(r, "250 ok\r\n550 5.7.1 go away\r\n503 no MAIL\r\n");
	we_want(r, SMTP_CLIENT_READY);
	verdict(r, 0, SMTP_VERDICT_REFUSED, 550, "5.7.1");
	/* MAIL was refused: there is nothing to reset. */
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test>\r\nRCPT TO:<r0@there.test>\r\n");
}

static void data_that_goes_ahead_for_nobody_ends_with_nothing(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n");
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test>\r\nRCPT TO:<r0@there.test>\r\nDATA\r\n");
	server(r, "250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
	we_say(r, ".\r\n");
	server(r, "554 no recipients\r\n");
	we_want(r, SMTP_CLIENT_READY);
	verdict(r, 0, SMTP_VERDICT_REFUSED, 550, "5.1.1");
}

static void recipients_without_room_wait_for_the_next_transaction(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n250-LIMITS RCPTMAX=3 FUTURE=1 MAILMAX=9\r\n");
	assert_int_equal(smtp_client_capabilities(r->client)->mails_max, 9);
	r->mail.n_rcpts = 4;
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test>\r\nRCPT TO:<r0@there.test>\r\nRCPT TO:<r1@there.test>\r\nRCPT "
	          "TO:<r2@there.test>\r\nDATA\r\n");
	server(r, "250 ok\r\n250 ok\r\n250 ok\r\n452 4.2.2 mailbox full\r\n354 go\r\n");
	send_body(r, false);
	server(r, "250 ok\r\n");
	verdict(r, 0, SMTP_VERDICT_TAKEN, 250, "2.0.0");
	verdict(r, 2, SMTP_VERDICT_LATER, 452, "4.2.2");
	assert_int_equal(r->rcpts[3].verdict, SMTP_VERDICT_WAITING);
}

static void too_many_recipients_is_learnt_also_from_a_server_without_pipelining(void **state)
{
	struct rig *r = *state;

	greet(r, "");
	r->mail.n_rcpts = 3;
	smtp_client_mail(r->client, &r->mail);
	server(r, "250 ok\r\n250 ok\r\n");
	buf_clear(&r->out);
	server(r, "452 too many recipients\r\n");
	we_say(r, "DATA\r\n");
	assert_int_equal(smtp_client_rcpts_max(r->client), 1);
	server(r, "354 go\r\n");
	send_body(r, false);
	server(r, "250 ok\r\n");
	verdict(r, 0, SMTP_VERDICT_TAKEN, 250, "2.0.0");
	assert_int_equal(r->rcpts[1].verdict, SMTP_VERDICT_WAITING);
	assert_int_equal(r->rcpts[2].verdict, SMTP_VERDICT_WAITING);
}

static void starttls_comes_first_and_forgets_what_was_said_in_clear(void **state)
{
	struct rig *r = *state;

	begin(r);
	server(r, "220 mx.test\r\n250-mx.test\r\n250-CHUNKING\r\n250 STARTTLS\r\n");
	we_say(r, "EHLO us.test\r\nSTARTTLS\r\n");
	server(r, "220 go\r\n");
	we_want(r, SMTP_CLIENT_TLS);
	smtp_client_tls_done(r->client);
	we_say(r, "EHLO us.test\r\n");
	server(r, "250-mx.test\r\n250 DSN\r\n");
	we_want(r, SMTP_CLIENT_READY);
	assert_int_equal(smtp_client_capabilities(r->client)->flags, SMTP_CAP_DSN);
	assert_true(smtp_client_is_secure(r->client));
}

static void words_injected_before_tls_end_the_connection(void **state)
{
	struct rig *r = *state;

	begin(r);
	server(r, "220 mx.test\r\n250-mx.test\r\n250 STARTTLS\r\n");
	smtp_client_input(r->client, SPAN_LIT("220 go\r\n250-mx.test\r\n250 AUTH PLAIN\r\n"));
	we_fail(r, SMTP_FAULT_PROTOCOL);
}

static void without_starttls_it_depends_on_the_demand(void **state)
{
	static const struct {
		enum smtp_client_tls tls;
		const char *replies;
		enum smtp_client_want want;
		enum smtp_client_fault fault;
	} cases[] = {
		{ SMTP_CLIENT_TLS_MAY, "250 mx.test\r\n", SMTP_CLIENT_READY, SMTP_FAULT_NONE },
		{ SMTP_CLIENT_TLS_MAY, "250-mx.test\r\n250 STARTTLS\r\n454 4.7.0 not now\r\n",
		  SMTP_CLIENT_READY, SMTP_FAULT_NONE },
		{ SMTP_CLIENT_TLS_NEVER, "250-mx.test\r\n250 STARTTLS\r\n", SMTP_CLIENT_READY,
		  SMTP_FAULT_NONE },
		{ SMTP_CLIENT_TLS_MUST, "250 mx.test\r\n", SMTP_CLIENT_CLOSE, SMTP_FAULT_TLS_MISSING },
		{ SMTP_CLIENT_TLS_MUST, "250-mx.test\r\n250 STARTTLS\r\n454 4.7.0 not now\r\n",
		  SMTP_CLIENT_CLOSE, SMTP_FAULT_TLS_REFUSED },
		{ SMTP_CLIENT_TLS_MUST, "500 what\r\n250 helo\r\n", SMTP_CLIENT_CLOSE,
		  SMTP_FAULT_TLS_MISSING },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		r->settings.tls = cases[i].tls;
		begin(r);
		server(r, "220 mx.test\r\n");
		server(r, cases[i].replies);
		we_want(r, cases[i].want);
		assert_int_equal(smtp_client_fault(r->client), cases[i].fault);
		r->client = smtp_client_free(r->client);
		buf_clear(&r->out);
	}
}

static void what_the_server_cannot_carry_is_not_sent(void **state)
{
	static const struct {
		struct smtp_client_mail mail;
		const char *enhanced;
	} cases[] = {
		{ { .size = 2000 }, "5.3.4" },
		{ { .utf8 = true }, "5.6.7" },
		{ { .eight_bit = true }, "5.6.3" },
		{ { .require_tls = true }, "5.7.30" },
		{ { .by_mode = 'R', .by_s = 0 }, "5.4.7" },
		{ { .by_mode = 'R', .by_s = 60 }, "5.3.3" },
	};
	struct rig *r = *state;

	greet(r, "250-SIZE 1000\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		r->mail = cases[i].mail;
		r->mail.rcpts = r->rcpts;
		r->mail.n_rcpts = 2;
		smtp_client_mail(r->client, &r->mail);
		we_say(r, "");
		we_want(r, SMTP_CLIENT_READY);
		assert_int_equal(r->rcpts[1].verdict, SMTP_VERDICT_REFUSED);
		assert_string_equal(r->rcpts[1].enhanced, cases[i].enhanced);
		assert_true(r->rcpts[1].ours);
	}
}

static void extensions_are_passed_on_where_they_are_known(void **state)
{
	struct rig *r = *state;

	greet(r, "250-DELIVERBY 30\r\n250-MT-PRIORITY MIXER\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n");
	r->mail.utf8 = r->mail.eight_bit = true;
	r->mail.by_mode = 'R';
	r->mail.by_s = 60;
	r->mail.by_trace = true;
	r->mail.priority = -3;
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test> BODY=8BITMIME SMTPUTF8 MT-PRIORITY=-3 BY=60;RT\r\n");
}

static void a_421_ends_it_whenever_it_comes(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n");
	r->mail.n_rcpts = 3;
	smtp_client_mail(r->client, &r->mail);
	server(r, "250 ok\r\n250 ok\r\n550 5.1.1 no\r\n421 4.3.2 going down\r\n");
	we_fail(r, SMTP_FAULT_CLOSING);
	verdict(r, 0, SMTP_VERDICT_LOST, 421, "4.3.2");
	verdict(r, 1, SMTP_VERDICT_REFUSED, 550, "5.1.1");
	verdict(r, 2, SMTP_VERDICT_LOST, 421, "4.3.2");
}

static void an_idle_server_may_say_goodbye(void **state)
{
	struct rig *r = *state;

	greet(r, "");
	server(r, "421 4.4.2 idle for too long\r\n");
	we_fail(r, SMTP_FAULT_CLOSING);
}

static void a_connection_lost_behind_the_message_leaves_it_open_whether_it_arrived(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n");
	smtp_client_mail(r->client, &r->mail);
	server(r, "250 ok\r\n250 ok\r\n354 go\r\n");
	smtp_client_body_sent(r->client);
	smtp_client_lost(r->client, "closed by the server");
	we_fail(r, SMTP_FAULT_LOST);
	verdict(r, 0, SMTP_VERDICT_LATER, 451, "4.4.2");
	assert_string_equal(r->rcpts[0].text, "closed by the server");
}

static void a_connection_lost_before_that_may_be_replaced_at_once(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n");
	smtp_client_mail(r->client, &r->mail);
	server(r, "250 ok\r\n");
	smtp_client_lost(r->client, "reset");
	verdict(r, 0, SMTP_VERDICT_LOST, 451, "4.4.2");
}

static void a_refusal_in_the_middle_of_the_message_counts_and_ends_the_connection(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n");
	smtp_client_mail(r->client, &r->mail);
	server(r, "250 ok\r\n250 ok\r\n354 go\r\n");
	we_want(r, SMTP_CLIENT_BODY);
	server(r, "552 5.3.4 that is enough\r\n");
	we_fail(r, SMTP_FAULT_PROTOCOL);
	verdict(r, 0, SMTP_VERDICT_REFUSED, 552, "5.3.4");
}

static void thanks_in_the_middle_of_the_message_are_not_believed(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n");
	smtp_client_mail(r->client, &r->mail);
	server(r, "250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n");
	we_fail(r, SMTP_FAULT_PROTOCOL);
	assert_int_equal(r->rcpts[0].verdict, SMTP_VERDICT_LOST);
}

static void what_is_no_smtp_ends_the_connection(void **state)
{
	static const char *const bad[] = { "HTTP/1.1 200 OK\r\n",
		                           "220\ttab\r\n",
		                           "2200 x\r\n",
		                           "22\r\n",
		                           "\r\n",
		                           "000 x\r\n",
		                           "600 x\r\n",
		                           "220-a\r\n250 b\r\n",
		                           "220 a\r\n250 never asked\r\n250 x\r\n250 y\r\n" };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		begin(r);
		server(r, bad[i]);
		we_fail(r, SMTP_FAULT_PROTOCOL);
		r->client = smtp_client_free(r->client);
		buf_clear(&r->out);
	}
}

static void an_endless_reply_is_cut_off(void **state)
{
	struct rig *r = *state;

	begin(r);
	for (int i = 0; i < 300; i++)
		smtp_client_input(r->client, SPAN_LIT("220-and on and on\r\n"));
	we_fail(r, SMTP_FAULT_PROTOCOL);
	r->client = smtp_client_free(r->client);
	begin(r);
	server(r, "220 ");
	for (int i = 0; i < 500; i++)
		smtp_client_input(r->client, SPAN_LIT("without an end "));
	we_fail(r, SMTP_FAULT_PROTOCOL);
}

static void greetings_that_refuse(void **state)
{
	static const struct {
		const char *greeting;
		enum smtp_client_fault fault;
		unsigned int code;
	} cases[] = { { "554 5.7.1 not you\r\n", SMTP_FAULT_GREETING, 554 },
		      { "421 busy\r\n", SMTP_FAULT_GREETING, 421 },
		      { "220 US.test ESMTP\r\n", SMTP_FAULT_LOOP, 0 } };
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		begin(r);
		server(r, cases[i].greeting);
		we_fail(r, cases[i].fault);
		assert_int_equal(smtp_client_fault_words(r->client)->code, cases[i].code);
		r->client = smtp_client_free(r->client);
	}
}

static void words_are_cleaned_for_people(void **state)
{
	struct rig *r = *state;

	greet(r, "");
	smtp_client_mail(r->client, &r->mail);
	server(r, "550-5.7.1 \x1b[31mred\x07 \xc3\xa4\r\n550 5.7.1   see http://x/  \r\n");
	assert_string_equal(r->rcpts[0].text, "?[31mred? ?? see http://x/");
}

static void begin_with_login(struct rig *r, const char *said)
{
	r->settings.login = "user";
	r->settings.password = "secret";
	begin(r);
	server(r, said);
}

/* Up to the EHLO under TLS, whose answer has this keyword. */
static void begin_with_login_under_tls(struct rig *r, const char *auth)
{
	begin_with_login(r, "220 mx.test\r\n250-mx.test\r\n250 STARTTLS\r\n220 go\r\n");
	smtp_client_tls_done(r->client);
	buf_clear(&r->out);
	server(r, "250-mx.test\r\n250 ");
	server(r, auth);
	server(r, "\r\n");
}

static void plain_goes_only_under_tls(void **state)
{
	struct rig *r = *state;

	begin_with_login(r, "220 mx.test\r\n250-mx.test\r\n250 AUTH LOGIN PLAIN\r\n");
	we_fail(r, SMTP_FAULT_AUTH);
}

static void plain_under_tls(void **state)
{
	struct rig *r = *state;

	begin_with_login_under_tls(r, "AUTH LOGIN PLAIN");
	we_say(r, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n"); /* NUL user NUL secret */
	server(r, "235 2.7.0 welcome\r\n");
	we_want(r, SMTP_CLIENT_READY);
}

static void login_under_tls_and_a_refusal(void **state)
{
	struct rig *r = *state;

	begin_with_login_under_tls(r, "AUTH=LOGIN");
	we_say(r, "AUTH LOGIN\r\n");
	server(r, "334 VXNlcm5hbWU6\r\n");
	we_say(r, "dXNlcg==\r\n");
	server(r, "334 UGFzc3dvcmQ6\r\n");
	we_say(r, "c2VjcmV0\r\n");
	server(r, "535 5.7.8 wrong\r\n");
	we_fail(r, SMTP_FAULT_AUTH);
	assert_int_equal(smtp_client_fault_words(r->client)->code, 535);
}

static void a_scram_server_that_proves_nothing_is_not_believed(void **state)
{
	struct rig *r = *state;

	begin_with_login(r, "220 mx.test\r\n250-mx.test\r\n250 AUTH SCRAM-SHA-256\r\n");
	assert_int_equal(strncmp(buf_str(&r->out) + 14, "AUTH SCRAM-SHA-256 ", 19), 0);
	server(r, "235 2.7.0 come in\r\n");
	we_fail(r, SMTP_FAULT_AUTH);
}

static void a_users_program_names_the_user_and_the_transaction(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n250-CHUNKING\r\n");
	r->mail.login = SPAN_LIT("a+b=c@us.test");
	r->mail.transid = SPAN_LIT("1@x");
	smtp_client_mail(r->client, &r->mail);
	assert_non_null(
		strstr(buf_str(&r->out), "MAIL FROM:<me@us.test> AUTH=a+2Bb+3Dc@us.test TRANSID=<1@x>\r\n"));
}

static void all_or_none_means_that_one_refusal_is_everybodys(void **state)
{
	struct rig *r = *state;

	greet(r, "250-PIPELINING\r\n250-CHUNKING\r\n250-LIMITS RCPTMAX=2\r\n");
	r->mail.all_or_none = true;
	r->mail.n_rcpts = 3;
	smtp_client_mail(r->client, &r->mail);
	we_say(r, "MAIL FROM:<me@us.test>\r\nRCPT TO:<r0@there.test>\r\nRCPT TO:<r1@there.test>\r\nRCPT "
	          "TO:<r2@there.test>\r\n");
	server(r, "250 ok\r\n250 ok\r\n550 5.1.1 who\r\n");
	we_want(r, SMTP_CLIENT_READ);
	server(r, "250 ok\r\n");
	we_want(r, SMTP_CLIENT_READY);
	verdict(r, 0, SMTP_VERDICT_LOST, 451, "4.5.0");
	verdict(r, 1, SMTP_VERDICT_REFUSED, 550, "5.1.1");
	verdict(r, 2, SMTP_VERDICT_LOST, 451, "4.5.0");
	assert_int_equal(r->mail.refused_at, SMTP_AT_RCPT);
	/* And where nobody is refused it goes, after the last answer. */
	buf_clear(&r->out);
	smtp_client_mail(r->client, &r->mail);
	server(r, "250 reset\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n");
	send_body(r, true);
	server(r, "554 5.6.0 not such a thing\r\n");
	we_want(r, SMTP_CLIENT_READY);
	assert_int_equal(r->mail.refused_at, SMTP_AT_MESSAGE);
}

static void quit_waits_for_nobody(void **state)
{
	struct rig *r = *state;

	greet(r, "");
	smtp_client_quit(r->client);
	we_say(r, "QUIT\r\n");
	server(r, "221 bye\r\n");
	we_fail(r, SMTP_FAULT_NONE);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_open, rig_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_old_server_is_spoken_to_one_command_at_a_time),
		TEST(with_chunking_a_small_message_goes_out_in_one_go),
		TEST(a_large_message_waits_until_somebody_takes_it),
		TEST(a_transaction_that_came_to_nothing_is_reset_before_the_next),
		TEST(data_that_goes_ahead_for_nobody_ends_with_nothing),
		TEST(recipients_without_room_wait_for_the_next_transaction),
		TEST(too_many_recipients_is_learnt_also_from_a_server_without_pipelining),
		TEST(starttls_comes_first_and_forgets_what_was_said_in_clear),
		TEST(words_injected_before_tls_end_the_connection),
		TEST(without_starttls_it_depends_on_the_demand),
		TEST(what_the_server_cannot_carry_is_not_sent),
		TEST(extensions_are_passed_on_where_they_are_known),
		TEST(a_421_ends_it_whenever_it_comes),
		TEST(an_idle_server_may_say_goodbye),
		TEST(a_connection_lost_behind_the_message_leaves_it_open_whether_it_arrived),
		TEST(a_connection_lost_before_that_may_be_replaced_at_once),
		TEST(a_refusal_in_the_middle_of_the_message_counts_and_ends_the_connection),
		TEST(thanks_in_the_middle_of_the_message_are_not_believed),
		TEST(what_is_no_smtp_ends_the_connection),
		TEST(an_endless_reply_is_cut_off),
		TEST(greetings_that_refuse),
		TEST(words_are_cleaned_for_people),
		TEST(plain_goes_only_under_tls),
		TEST(plain_under_tls),
		TEST(login_under_tls_and_a_refusal),
		TEST(a_scram_server_that_proves_nothing_is_not_believed),
		TEST(a_users_program_names_the_user_and_the_transaction),
		TEST(all_or_none_means_that_one_refusal_is_everybodys),
		TEST(quit_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
