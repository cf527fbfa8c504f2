#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "mime/mutf7.h"

static void names_go_both_ways(void **state)
{
	static const struct {
		const char *utf8, *text;
	} cases[] = {
		{ "", "" },
		{ "INBOX", "INBOX" },
		{ "Black & White", "Black &- White" },
		/* The examples of RFC 3501 5.1.3. */
		{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
		  "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
		{ "Entw\xc3\xbcrfe", "Entw&APw-rfe" },
		{ "\xf0\x9f\x93\xa7", "&2D3c5w-" },
		{ "\xc3\xbc&\xc3\xbc", "&APw-&-&APw-" },
		{ "a\tb", "a&AAk-b" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf text = BUF_INIT, utf8 = BUF_INIT;

		assert_int_equal(mutf7_encode(span_of(cases[i].utf8), "", &text), 0);
		assert_string_equal(buf_str(&text), cases[i].text);
		assert_int_equal(mutf7_decode(span_of(cases[i].text), &utf8), 0);
		assert_string_equal(buf_str(&utf8), cases[i].utf8);
	}
}

static void characters_asked_for_are_shifted_too(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT, utf8 = BUF_INIT;

	assert_int_equal(mutf7_encode(SPAN_LIT("v1.2"), ".", &text), 0);
	assert_string_equal(buf_str(&text), "v1&AC4-2");
	assert_int_equal(mutf7_decode(buf_span(&text), &utf8), 0);
	assert_string_equal(buf_str(&utf8), "v1.2");
}

static void damaged_text_is_refused(void **state)
{
	static const char *const cases[] = {
		"&", "&APw", "a&b-", "&A-", "&AP-", "&APx-", "&APwA-", "&2D0-", "&3Oc-", "&2D0A,A-", "&AAA-", "\xc3\xbc",
		"a\x01", "&A=w-", "&AP w-",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;

		assert_int_equal(mutf7_decode(span_of(cases[i]), &out), -POD_E_SYNTAX);
	}
}

static void names_that_are_not_utf8_are_refused(void **state)
{
	static const char *const cases[] = { "\xff", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;

		assert_int_equal(mutf7_encode(span_of(cases[i]), "", &out), -POD_E_SYNTAX);
	}
	_cleanup_buf_ struct buf out = BUF_INIT;
	assert_int_equal(mutf7_encode(span_make("a\0b", 3), "", &out), -POD_E_SYNTAX);
}

static void output_beyond_the_limit_is_an_error(void **state)
{
	_cleanup_buf_ struct buf out = { .limit = 4 };

	assert_int_equal(mutf7_encode(SPAN_LIT("abcdefgh"), "", &out), -POD_E_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_go_both_ways),
		cmocka_unit_test(characters_asked_for_are_shifted_too),
		cmocka_unit_test(damaged_text_is_refused),
		cmocka_unit_test(names_that_are_not_utf8_are_refused),
		cmocka_unit_test(output_beyond_the_limit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
