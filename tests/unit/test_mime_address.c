#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "mime/address.h"

#define L10 "aaaaaaaaaa"
#define L60 L10 L10 L10 L10 L10 L10

static void paths_follow_rfc5321(void **state)
{
	static const struct {
		const char *in;
		int r;
		const char *local, *domain;
	} cases[] = {
		{ "", 0, "", "" },
		{ "alice@example.test", 0, "alice", "example.test" },
		{ "a.b+c@x", 0, "a.b+c", "x" },
		{ "postmaster", 0, "postmaster", "" },
		{ "Postmaster", 0, "Postmaster", "" },
		{ "alice", -POD_E_SYNTAX, "", "" },
		{ "@one.test,@two.test:alice@example.test", 0, "alice", "example.test" },
		{ "@one.test:alice@example.test", 0, "alice", "example.test" },
		{ "@one.test,alice@example.test", -POD_E_SYNTAX, "", "" },
		{ "@one.test", -POD_E_SYNTAX, "", "" },
		{ "@:a@b", -POD_E_SYNTAX, "", "" },
		{ "\"a b\"@x.test", 0, "a b", "x.test" },
		{ "\"a\\\"b\\\\\"@x.test", 0, "a\"b\\", "x.test" },
		{ "\"\"@x.test", 0, "", "x.test" },
		{ "\"a>b@c\"@x.test", 0, "a>b@c", "x.test" },
		{ "\"open@x.test", -POD_E_SYNTAX, "", "" },
		{ "\"a\tb\"@x.test", -POD_E_SYNTAX, "", "" },
		{ "\"a\\", -POD_E_SYNTAX, "", "" },
		{ ".a@x", -POD_E_SYNTAX, "", "" },
		{ "a.@x", -POD_E_SYNTAX, "", "" },
		{ "a..b@x", -POD_E_SYNTAX, "", "" },
		{ "a b@x", -POD_E_SYNTAX, "", "" },
		{ "a@", -POD_E_SYNTAX, "", "" },
		{ "a@x.", -POD_E_SYNTAX, "", "" },
		{ "a@-x", -POD_E_SYNTAX, "", "" },
		{ "a@x-", -POD_E_SYNTAX, "", "" },
		{ "a@x@y", -POD_E_SYNTAX, "", "" },
		{ "a@[192.0.2.1]", 0, "a", "[192.0.2.1]" },
		{ "a@[IPv6:2001:db8::1]", 0, "a", "[IPv6:2001:db8::1]" },
		{ "a@[2001:db8::1]", -POD_E_SYNTAX, "", "" },
		{ "a@[192.0.2.256]", -POD_E_SYNTAX, "", "" },
		{ "a@[]", -POD_E_SYNTAX, "", "" },
		{ "a@[192.0.2.1", -POD_E_SYNTAX, "", "" },
		{ "\xc3\xa4@x.test", -POD_E_SYNTAX, "", "" },
		{ "a\r\n@x.test", -POD_E_SYNTAX, "", "" },
		{ L60 "aaaa@x", 0, L60 "aaaa", "x" },
		{ L60 "aaaaa@x", -POD_E_LIMIT, "", "" },
		{ "a@" L60 "aaa.x", 0, "a", L60 "aaa.x" },
		{ "a@" L60 "aaaa.x", -POD_E_SYNTAX, "", "" },
		{ "a@" L60 "." L60 "." L60 "." L60 ".aaaaaaaaa", -POD_E_LIMIT, "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct address adr = { SPAN_NONE, SPAN_NONE };
		struct err err = { 0 };

		assert_int_equal(address_parse_path(a, span_of(cases[i].in), false, &adr, &err), cases[i].r);
		assert_true(span_eq(adr.local, span_of(cases[i].local)));
		assert_true(span_eq(adr.domain, span_of(cases[i].domain)));
		assert_int_equal(err.code, -cases[i].r);
	}
}

static void utf8_paths_need_smtputf8_and_well_formed_utf8(void **state)
{
	static const struct {
		const char *in;
		int r;
	} cases[] = {
		{ "\xc3\xa4\xc3\xb6@b\xc3\xbc"
		  "cher.test",
		  0 },
		{ "\"\xc3\xa4 b\"@x.test", 0 },
		{ "\xe7\x94\xb2@\xe9\xbb\x91.\xe5\xb7\x9d.\xe6\x97\xa5\xe6\x9c\xac", 0 },
		{ "\xc3@x.test", -POD_E_SYNTAX },
		{ "\xed\xa0\x80@x.test", -POD_E_SYNTAX },     /* a surrogate */
		{ "\xc0\xaf@x.test", -POD_E_SYNTAX },         /* overlong */
		{ "\xf4\x90\x80\x80@x.test", -POD_E_SYNTAX }, /* beyond U+10FFFF */
		{ "a@\xff.test", -POD_E_SYNTAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct address adr;

		assert_int_equal(address_parse_path(a, span_of(cases[i].in), true, &adr, NULL), cases[i].r);
	}
}

static void the_canonical_form_quotes_only_what_must_be_quoted(void **state)
{
	static const struct {
		const char *in, *canonical, *key;
	} cases[] = {
		{ "", "", "" },
		{ "Alice@Example.Test", "Alice@Example.Test", "alice@example.test" },
		{ "\"Alice\"@x", "Alice@x", "alice@x" },
		{ "\"a b\"@x", "\"a b\"@x", "a b@x" },
		{ "\"a\\\"\\\\\"@x", "\"a\\\"\\\\\"@x", "a\"\\@x" },
		{ "\"\"@x", "\"\"@x", "@x" },
		{ "Postmaster", "Postmaster", "postmaster" },
		{ "@r.test:a@[IPv6:::1]", "a@[IPv6:::1]", "a@[ipv6:::1]" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct address adr;

		assert_int_equal(address_parse_path(a, span_of(cases[i].in), false, &adr, NULL), 0);
		assert_true(span_eq(address_format(a, &adr), span_of(cases[i].canonical)));
		assert_true(span_eq(address_key(a, &adr), span_of(cases[i].key)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_follow_rfc5321),
		cmocka_unit_test(utf8_paths_need_smtputf8_and_well_formed_utf8),
		cmocka_unit_test(the_canonical_form_quotes_only_what_must_be_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
