#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "mime/mime.h"

static struct mime_summary summarize(struct arena *a, struct span message)
{
	struct mime_summary s = { SPAN_NONE };

	assert_int_equal(mime_summarize(a, message, &s), 0);
	return s;
}

static void assert_text(struct span got, const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	buf_add(&b, got);
	assert_string_equal(buf_str(&b), want);
}

static void envelopes_follow_rfc3501(void **state)
{
	static const struct {
		const char *header, *envelope;
	} cases[] = {
		{ "", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ "Subject:\r\nDate:\r\nFrom:\r\nMessage-ID:\r\nIn-Reply-To:\r\n",
		  "(\"\" \"\" NIL NIL NIL NIL NIL NIL \"\" \"\")" },
		/* Sender and Reply-To default to From */
		{ "From: A <a@x>\r\n",
		  "(NIL NIL ((\"A\" NIL \"a\" \"x\")) ((\"A\" NIL \"a\" \"x\")) ((\"A\" NIL \"a\" \"x\")) "
		  "NIL NIL NIL NIL NIL)" },
		{ "From: a@x\r\nSender: b@x\r\nReply-To:\r\n",
		  "(NIL NIL ((NIL NIL \"a\" \"x\")) ((NIL NIL \"b\" \"x\")) ((NIL NIL \"a\" \"x\")) NIL NIL "
		  "NIL NIL NIL)" },
		{ "To: g:a@x;\r\nCc: <@r:b@y>\r\nBcc: c\r\n",
		  "(NIL NIL NIL NIL NIL ((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"x\")(NIL NIL NIL NIL)) "
		  "((NIL \"@r\" \"b\" \"y\")) ((NIL NIL \"c\" \"\")) NIL NIL)" },
		/* fields of one name count together (RFC 5322 4.5.3); of other fields the first counts */
		{ "To: a@x\r\nSubject: 1\r\nTo: b@y\r\nSubject: 2\r\n",
		  "(NIL \"1\" NIL NIL NIL ((NIL NIL \"a\" \"x\")(NIL NIL \"b\" \"y\")) NIL NIL NIL NIL)" },
		{ "Subject: a\r\n \"b\" \\\r\nIn-Reply-To: <1@x>\r\n\t<2@x>\r\nMessage-Id: <3@x>\r\n",
		  "(NIL \"a \\\"b\\\" \\\\\" NIL NIL NIL NIL NIL NIL \"<1@x>\t<2@x>\" \"<3@x>\")" },
		/* eight-bit bytes are for literals; a stray CR goes with the line ends */
		{ "Subject: \xc3\xa4\r\nDate: a\rb\r\n",
		  "(\"ab\" {2}\r\n\xc3\xa4 NIL NIL NIL NIL NIL NIL NIL NIL)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);

		assert_text(summarize(a, span_of(cases[i].header)).envelope, cases[i].envelope);
	}
}

static void nul_and_long_values_go_out_as_literals(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	_cleanup_buf_ struct buf m = BUF_INIT;
	struct mime_summary s = summarize(a, SPAN_LIT("Subject: a\0b\r\n\r\n"));

	assert_int_not_equal(span_find(s.envelope, SPAN_LIT("{3}\r\na?b ")), SIZE_MAX);
	buf_add_str(&m, "Subject: ");
	for (int i = 0; i < 2000; i++)
		buf_add_byte(&m, 'x');
	s = summarize(a, buf_span(&m));
	assert_int_not_equal(span_find(s.envelope, SPAN_LIT(" {2000}\r\nxxx")), SIZE_MAX);
}

#define NO_EXTENSION " NIL NIL NIL NIL)"

static void bodystructures_follow_rfc3501(void **state)
{
	static const struct {
		const char *message, *full, *body;
	} cases[] = {
		{ "", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0" NO_EXTENSION,
		  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)" },
		{ "Content-Type: TEXT/HTML; Charset=\"UTF-8\"\r\nContent-Transfer-Encoding: "
		  "Quoted-Printable\r\n\r\nx\r\n",
		  "(\"text\" \"html\" (\"charset\" \"UTF-8\") NIL NIL \"quoted-printable\" 3 1" NO_EXTENSION,
		  "(\"text\" \"html\" (\"charset\" \"UTF-8\") NIL NIL \"quoted-printable\" 3 1)" },
		{ "Content-Type: text\r\n\r\n",
		  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0" NO_EXTENSION,
		  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)" },
		{ "Content-Type: image/png (a picture); name*0*=utf-8''a%20; "
		  "name*1=\"b;\\\"c\"\r\nContent-ID: <i@x>\r\n"
		  "Content-Description: it\r\nContent-MD5: Q2hl\r\nContent-Disposition: Attachment; "
		  "filename=a b.png\r\n"
		  "Content-Language: en, de\r\nContent-Location: http://x/\r\n\r\nabc",
		  "(\"image\" \"png\" (\"name*0*\" \"utf-8''a%20\" \"name*1\" \"b;\\\"c\") \"<i@x>\" \"it\" "
		  "\"7bit\" 3 \"Q2hl\" "
		  "(\"attachment\" (\"filename\" \"a b.png\")) (\"en\" \"de\") \"http://x/\")",
		  "(\"image\" \"png\" (\"name*0*\" \"utf-8''a%20\" \"name*1\" \"b;\\\"c\") \"<i@x>\" \"it\" "
		  "\"7bit\" 3)" },
		{ "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: "
		  "a/b\r\n\r\n--b--",
		  "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0" NO_EXTENSION
		  "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0" NO_EXTENSION
		  " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)",
		  "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)"
		  "(\"a\" \"b\" NIL NIL NIL \"7bit\" 0) \"mixed\")" },
		{ "Content-Type: message/rfc822\r\n\r\nSubject: (x\r\n\r\ny\r\n",
		  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"(x\" NIL NIL NIL NIL NIL NIL NIL "
		  "NIL) "
		  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1" NO_EXTENSION
		  " 3" NO_EXTENSION,
		  "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"(x\" NIL NIL NIL NIL NIL NIL NIL "
		  "NIL) "
		  "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1) 3)" },
		/* what was not looked into is shown as something that has no inside */
		{ "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==",
		  "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4" NO_EXTENSION,
		  "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4)" },
		{ "Content-Type: multipart/mixed; boundary=b\r\n\r\nx\r\n",
		  "(\"text\" \"plain\" (\"boundary\" \"b\") NIL NIL \"7bit\" 3 1" NO_EXTENSION,
		  "(\"text\" \"plain\" (\"boundary\" \"b\") NIL NIL \"7bit\" 3 1)" },
		{ "Content-Type: a/b; name=\xe4\r\nContent-Disposition: ; filename=x\r\n\r\n",
		  "(\"a\" \"b\" (\"name\" {1}\r\n\xe4) NIL NIL \"7bit\" 0 NIL (\"attachment\" (\"filename\" "
		  "\"x\")) NIL NIL)",
		  "(\"a\" \"b\" (\"name\" {1}\r\n\xe4) NIL NIL \"7bit\" 0)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		_cleanup_buf_ struct buf body = BUF_INIT;
		struct mime_summary s = summarize(a, span_of(cases[i].message));

		assert_text(s.bodystructure, cases[i].full);
		assert_int_equal(mime_body_of_bodystructure(s.bodystructure, &body), 0);
		assert_string_equal(buf_str(&body), cases[i].body);
	}
}

static void what_is_no_bodystructure_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"NIL",
		"(",
		"()",
		"(\"text\" \"plain\")",
		"(\"a\" \"b\" NIL NIL NIL \"7bit\" 3) x",
		"(\"a\" \"b\" NIL NIL NIL \"7bit\" 3",
		"(\"a\" \"b\" NIL NIL NIL {9}\r\n7bit 3)",
		"((((((((((",
		"(\"a\" \"b\" ((((((((((NIL)))))))))) NIL NIL \"7bit\" 3)",
		"(\"a\" \"b NIL NIL NIL 7bit 3)",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf body = BUF_INIT;

		assert_int_equal(mime_body_of_bodystructure(span_of(cases[i]), &body), -POD_E_CORRUPT);
		assert_int_equal(body.len, 0);
	}
}

static void cached_headers_are_the_fields_as_they_stand(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct mime_summary s = summarize(a, SPAN_LIT("Received: from x\r\n\tby y\r\n"
	                                              "FROM : a@x\r\n"
	                                              "X-Spam-Report: long\r\n"
	                                              "Subject: =?utf-8?q?caf=C3=A9?=\r\n folded\r\n"
	                                              "List-Id: l\r\n"
	                                              "Message-ID: (c) <1@x> \r\n"
	                                              "\r\nTo: not@here\r\n"));

	assert_text(s.headers, "FROM : a@x\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n folded\r\nList-Id: "
	                       "l\r\nMessage-ID: (c) <1@x> \r\n");
	assert_text(s.message_id, "1@x");
	assert_text(s.subject, "caf\xc3\xa9 folded");
	assert_true(mime_field_is_cached(SPAN_LIT("list-UNSUBSCRIBE")));
	assert_true(mime_field_is_cached(SPAN_LIT("X-Universally-Unique-Identifier")));
	assert_false(mime_field_is_cached(SPAN_LIT("Received")));
	assert_false(mime_field_is_cached(SPAN_LIT("")));
}

static void a_structure_of_too_much_text_is_given_up(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64 << 20);
	_cleanup_buf_ struct buf m = BUF_INIT;
	struct mime_summary s;
	struct mime_tree tree;

	buf_add_str(&m, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 600; i++)
		buf_printf(&m, "--b\r\nContent-Description: %08000d\r\n\r\nx\r\n", i);
	s = summarize(a, buf_span(&m));
	assert_int_equal(mime_tree_unpack(a, s.parts, &tree), 0);
	assert_int_equal(tree.n, 1);
	assert_true(span_starts_nocase(s.bodystructure, SPAN_LIT("(\"text\" \"plain\" ")));
}

static void bare_line_feeds_are_seen(void **state)
{
	assert_true(mime_is_crlf(SPAN_LIT("a\r\nb\r\n")));
	assert_true(mime_is_crlf(SPAN_LIT("")));
	assert_false(mime_is_crlf(SPAN_LIT("a\r\nb\n")));
	assert_false(mime_is_crlf(SPAN_LIT("\n")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelopes_follow_rfc3501),
		cmocka_unit_test(nul_and_long_values_go_out_as_literals),
		cmocka_unit_test(bodystructures_follow_rfc3501),
		cmocka_unit_test(what_is_no_bodystructure_is_refused),
		cmocka_unit_test(cached_headers_are_the_fields_as_they_stand),
		cmocka_unit_test(a_structure_of_too_much_text_is_given_up),
		cmocka_unit_test(bare_line_feeds_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
