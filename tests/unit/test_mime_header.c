#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "mime/header.h"

static void fields_are_found_in_place_and_cover_the_header(void **state)
{
	static const char text[] = "From mbox Sat Nov 21 02:56:43 2026\r\n"
				   "Subject: a\r\n b\r\n\tc\r\n"
				   "X-Old : y\n"
				   "stray line\r\n"
				   "Empty:\r\n"
				   ": no name\r\n"
				   "\r\n"
				   "Body: not a field\r\n";
	static const struct {
		const char *name, *value;
	} want[] = {
		{ "", "From mbox Sat Nov 21 02:56:43 2026" },
		{ "Subject", " a\r\n b\r\n\tc" },
		{ "X-Old", " y" },
		{ "", "stray line" },
		{ "Empty", "" },
		{ "", ": no name" },
	};
	struct span rest = span_of(text), header = mime_header_of(rest);
	struct mime_field f;
	size_t total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(mime_field_next(&rest, &f));
		assert_true(span_eq(f.name, span_of(want[i].name)));
		assert_true(span_eq(f.value, span_of(want[i].value)));
		assert_ptr_equal(f.whole.p, text + total);
		total += f.whole.len;
	}
	assert_false(mime_field_next(&rest, &f));
	assert_true(span_eq(rest, SPAN_LIT("Body: not a field\r\n")));
	assert_int_equal(header.len, total + 2);
}

static void a_header_without_an_empty_line_is_everything(void **state)
{
	struct span text = SPAN_LIT("A: b\nC: d"), rest = text;
	struct mime_field f;

	assert_int_equal(mime_header_of(text).len, text.len);
	assert_true(mime_field_next(&rest, &f));
	assert_true(mime_field_next(&rest, &f));
	assert_true(span_eq(f.value, SPAN_LIT(" d")));
	assert_false(mime_field_next(&rest, &f));
	assert_int_equal(mime_header_of(SPAN_NONE).len, 0);
}

static void a_field_is_found_whatever_its_case_and_the_first_wins(void **state)
{
	struct span header = SPAN_LIT("To: 1\r\nSUBJECT: x\r\nto: 2\r\n\r\n");
	struct mime_field f = { 0 };

	assert_true(mime_field_find(header, SPAN_LIT("tO"), &f));
	assert_true(span_eq(f.value, SPAN_LIT(" 1")));
	assert_false(mime_field_find(header, SPAN_LIT("Cc"), &f));
}

static void unfolding_removes_line_ends_and_nothing_else(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ " a\r\n b ", "a b" },
		{ " a\n\tb", "a\tb" },
		{ "\r\n a\r\n\r\n", "a" },
		{ "plain", "plain" },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(4096);

		assert_true(span_eq(mime_unfold(a, span_of(cases[i].in)), span_of(cases[i].out)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_found_in_place_and_cover_the_header),
		cmocka_unit_test(a_header_without_an_empty_line_is_everything),
		cmocka_unit_test(a_field_is_found_whatever_its_case_and_the_first_wins),
		cmocka_unit_test(unfolding_removes_line_ends_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
