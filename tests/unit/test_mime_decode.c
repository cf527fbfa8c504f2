#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "mime/header.h"
#include "mime/mime.h"

static void encoded_words_become_utf8(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "plain", "plain" },
		{ " =?utf-8?Q?caf=C3=A9?= bar", "caf\xc3\xa9 bar" },
		{ "=?ISO-8859-1?q?a_=E4?=", "a \xc3\xa4" },
		{ "=?utf-8*en?B?YmFy?=", "bar" },
		{ "=?a?b?c", "=?a?b?c" },
		/* RFC 2047 section 8 */
		{ "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
		{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a?=\r\n =?ISO-8859-1?Q?b?=)", "(ab)" },
		{ "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
		/* a character split over two words, as it must not be */
		{ "=?utf-8?Q?=C3?= =?UTF-8?Q?=A9?=", "\xc3\xa9" },
		{ "=?iso-2022-jp?B?GyRCJCIbKEI=?=", "\xe3\x81\x82" },
		{ "=?gb2312?B?xOO6ww==?=", "\xe4\xbd\xa0\xe5\xa5\xbd" },
		{ "=?utf-8?Q?a=FFb?=", "a\xef\xbf\xbd"
		                       "b" },
		{ "=?no-such-charset?Q?abc?=", "abc" },
		{ "=?utf-8?X?abc?=", "=?utf-8?X?abc?=" },
		{ "raw \xe4", "raw \xc3\xa4" }, /* eight-bit text of nobody knows which charset */
		{ "raw \xc3\xa4", "raw \xc3\xa4" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);

		assert_true(span_eq(mime_decode_text(a, span_of(cases[i].in)), span_of(cases[i].out)));
	}
}

static void a_process_that_opens_no_file_decodes_what_it_can(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "=?utf-8?Q?caf=C3=A9?= plan", "caf\xc3\xa9 plan" },
		{ "=?iso-8859-1?Q?caf=E9?= =?us-ascii?Q?_x?=", "caf\xc3\xa9 x" },
		{ "raw \xe9\x80", "raw \xc3\xa9\xef\xbf\xbd" },
		{ "=?iso-8859-2?Q?a=B1b?=", "a\xef\xbf\xbd"
		                            "b" },
		{ "=?gb2312?B?xOM=?=", "\xef\xbf\xbd\xef\xbf\xbd" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);

		assert_true(
			span_eq(mime_decode_text_sandboxed(a, span_of(cases[i].in)), span_of(cases[i].out)));
	}
}

static void bodies_are_decoded_to_utf8(void **state)
{
	static const struct {
		const char *type, *encoding, *body, *text;
	} cases[] = {
		{ "text/plain", "7bit", "abc\r\n", "abc\r\n" },
		{ "text/plain; charset=utf-8", "quoted-printable", "caf=C3=A9 =\r\nx  \r\n=20\r\n",
		  "caf\xc3\xa9 x\r\n \r\n" },
		{ "text/plain; charset=utf-8", "quoted-printable", "a=XYb= \t\nc=", "a=XYbc" },
		{ "text/plain; charset=iso-8859-1", "base64", "Y2Fm\r\n6Q==\r\n", "caf\xc3\xa9" },
		{ "text/plain", "base64", "YQ==YmM=", "abc" },
		{ "text/html; charset=windows-1252", "8bit", "\x80", "\xe2\x82\xac" },
		{ "text/plain; charset=x-unknown", "8bit", "\xe4", "\xe4" },
		{ "image/png; charset=iso-8859-1", "base64", "6Q==", "\xe9" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		char *header = arena_printf(a, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
		                            cases[i].type, cases[i].encoding);
		struct span text = SPAN_NONE;

		assert_int_equal(mime_decode_body(a, span_of(header), span_of(cases[i].body), &text), 0);
		assert_true(span_eq(text, span_of(cases[i].text)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoded_words_become_utf8),
		cmocka_unit_test(a_process_that_opens_no_file_decodes_what_it_can),
		cmocka_unit_test(bodies_are_decoded_to_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
