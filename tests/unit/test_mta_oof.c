/* Answers of users who are away (RFC 3834): which mail is answered, when, and what the answer looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "mta/deliver/answerable.h"
#include "mta/deliver/origin.h"
#include "mta/queue/auto_reply.h"
#include "storeproto/oof.h"

static void programs_and_lists_are_not_answered(void **state)
{
	static const struct {
		const char *sender, *header;
		bool answered;
	} cases[] = {
		{ "a@b.test", "Subject: x\r\n\r\n", true },
		{ "a@b.test", "Auto-Submitted: no\r\n\r\n", true },
		{ "a@b.test", "Precedence: first-class\r\n\r\n", true },
		{ "a@b.test", "X-Auto-Response-Suppress: DR, RN, NRN\r\n\r\n", true },
		{ "", "Subject: x\r\n\r\n", false },
		{ "MAILER-DAEMON@b.test", "Subject: x\r\n\r\n", false },
		{ "list-request@b.test", "Subject: x\r\n\r\n", false },
		{ "owner-list@b.test", "Subject: x\r\n\r\n", false },
		{ "No-Reply@b.test", "Subject: x\r\n\r\n", false },
		{ "bounces+x=y@b.test", "Subject: x\r\n\r\n", false },
		{ "a@b.test", "auto-submitted: Auto-Replied\r\n\r\n", false },
		{ "a@b.test", "Auto-Submitted: auto-generated (periodic)\r\n\r\n", false },
		{ "a@b.test", "List-Unsubscribe: <x>\r\n\r\n", false },
		{ "a@b.test", "Precedence: BULK\r\n\r\n", false },
		{ "a@b.test", "X-Auto-Response-Suppress: OOF, AutoReply\r\n\r\n", false },
		{ "a@b.test", "X-Auto-Response-Suppress: All\r\n\r\n", false },
		{ "a@b.test", "Content-Type: multipart/report;\r\n report-type=x\r\n\r\n", false },
		{ "a@b.test", "X-Spam: yes\r\n\r\n", false },
		{ "a@b.test", "X-Loop: a@b.test\r\n\r\n", false },
		{ "not an address", "Subject: x\r\n\r\n", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1u << 20);

		if (answerable_message(a, span_of(cases[i].sender), span_of(cases[i].header)) != cases[i].answered)
			fail_msg("case %zu: %s / %s", i, cases[i].sender, cases[i].header);
	}
}

static void only_who_is_named_answers(void **state)
{
	static const char bytes[] = "From: b@x.test\r\nTo: \"A\" <ann@Example.test>, info@example.test\r\nCc: b@x.test\r\n\r\nhi\r\n";
	const struct deliver_message m = { .sender = SPAN_LIT("b@x.test"), .blob = span_of(bytes), .fd = -1, .login = "" };
	static const struct {
		struct deliver_mailbox mailbox;
		bool named;
	} cases[] = {
		{ { .address = "ann@example.test", .named = "ann@example.test" }, true },
		{ { .address = "carl@example.test", .named = "info@example.test" }, true }, /* an alias */
		{ { .address = "carl@example.test", .named = "info@example.test", .listed = true }, false },
		{ { .address = "dora@example.test", .named = "dora@example.test" }, false },
		{ { .address = "b@x.test", .named = "b@x.test" }, false }, /* his own */
	};
	struct deliver_origin *o = deliver_origin_of(&m);

	assert_non_null(o);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(deliver_origin_names(o, &cases[i].mailbox), cases[i].named);
	(void) deliver_origin_free(o);
}

static void an_answer_is_a_message_that_programs_know(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	const struct deliver_reply r = { .to = SPAN_LIT("bob@x.test"),
		                         .subject = SPAN_LIT("=?utf-8?q?Gr=C3=BC=C3=9Fe?="),
		                         .message_id = SPAN_LIT("<1@x.test>"),
		                         .references = SPAN_LIT("<0@x.test>"),
		                         .from = "ann@example.test",
		                         .name = "Ann \"A\" Ames",
		                         .text = "away\n.\nna\xc3\xafve",
		                         .html = false };

	assert_int_equal(auto_reply_write(&r, "0123456789abcdef", "mx.test", 1000000000, &out), 0);
	assert_string_equal(buf_str(&out),
	                    "Return-Path: <>\r\nReceived: by mx.test (podmail)\r\n\tid 0123456789abcdef; Sun, 9 Sep 2001 01:46:40 +0000\r\n"
	                    "Date: Sun, 9 Sep 2001 01:46:40 +0000\r\nFrom: \"Ann \\\"A\\\" Ames\" <ann@example.test>\r\n"
	                    "To: <bob@x.test>\r\nSubject: Auto: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
	                    "Message-ID: <0123456789abcdef@mx.test>\r\nIn-Reply-To: <1@x.test>\r\nReferences: <0@x.test>\r\n <1@x.test>\r\n"
	                    "Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n"
	                    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	                    "away\r\n=2E\r\nna=C3=AFve\r\n");
}

static void a_strangers_bytes_make_no_fields(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	const struct deliver_reply r = { .to = SPAN_LIT("bob@x.test"),
		                         .subject = SPAN_LIT("=?utf-8?q?x=0D=0ABcc=3A_all=40x?="),
		                         .message_id = SPAN_LIT("<1\x01\r\nX: y>"),
		                         .from = "ann@example.test",
		                         .name = "",
		                         .text = "x" };

	assert_int_equal(auto_reply_write(&r, "0123456789abcdef", "mx.test", 0, &out), 0);
	assert_null(strstr(buf_str(&out), "\nBcc"));
	assert_null(strstr(buf_str(&out), "\nX:"));
}

static void settings_are_checked_and_have_their_time(void **state)
{
	Podstore__OofText words = PODSTORE__OOF_TEXT__INIT;
	Podstore__Oof o = PODSTORE__OOF__INIT;
	char text[] = "away";

	words.enabled = true;
	words.text = text;
	assert_int_equal(oof_check(&o, NULL), 0);
	assert_false(oof_is_on(&o, 5));
	o.when = OOF_ON;
	o.internal = &words;
	assert_int_equal(oof_check(&o, NULL), 0);
	assert_true(oof_is_on(&o, 5));
	o.when = OOF_TIMED;
	assert_int_equal(oof_check(&o, NULL), -POD_E_SYNTAX);
	o.from_s = 10;
	o.until_s = 20;
	assert_int_equal(oof_check(&o, NULL), 0);
	assert_false(oof_is_on(&o, 9));
	assert_true(oof_is_on(&o, 10));
	assert_true(oof_is_on(&o, 19));
	assert_false(oof_is_on(&o, 20));
	o.when = 3;
	assert_int_equal(oof_check(&o, NULL), -POD_E_SYNTAX);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_and_lists_are_not_answered),
		cmocka_unit_test(only_who_is_named_answers),
		cmocka_unit_test(an_answer_is_a_message_that_programs_know),
		cmocka_unit_test(a_strangers_bytes_make_no_fields),
		cmocka_unit_test(settings_are_checked_and_have_their_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
