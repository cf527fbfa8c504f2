/* Tag lists, canonical forms, and the words of Authentication-Results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/results/results.h"
#include "tests/support/auth_fixture.h"
#include "tests/support/test_arena.h"

static void tag_lists_are_what_rfc6376_says(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		int r;
	} cases[] = {
		{ "v=1", 1, 0 },
		{ "v=1;", 1, 0 },
		{ " v = 1 ;\r\n\ta=b=c; x_y2=", 3, 0 },
		{ "v=1;;a=2", 0, -POD_E_SYNTAX },
		{ "", 0, -POD_E_SYNTAX },
		{ ";", 0, -POD_E_SYNTAX },
		{ "v", 0, -POD_E_SYNTAX },
		{ "v=1; v=2", 0, -POD_E_SYNTAX },
		{ "1v=1", 0, -POD_E_SYNTAX },
		{ "v-w=1", 0, -POD_E_SYNTAX },
		{ "v=a\001b", 0, -POD_E_SYNTAX },
		{ "v=1; V=2", 2, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tag_list list = { 0 };
		int r = tags_parse(test_arena, span_of(cases[i].text), &list, NULL);

		if (r != cases[i].r || list.n != cases[i].n)
			fail_msg("\"%s\": %d, %zu tags", cases[i].text, r, list.n);
	}
}

static void a_list_with_colons_has_its_items_whatever_their_case(void **state)
{
	assert_true(tags_list_has(SPAN_LIT("from : To:subject"), SPAN_LIT("to")));
	assert_false(tags_list_has(SPAN_LIT("from:tom"), SPAN_LIT("to")));
	assert_false(tags_list_has(SPAN_NONE, SPAN_LIT("to")));
}

static void fields_have_the_canonical_forms_of_rfc6376(void **state)
{
	const struct field field = { .name = SPAN_LIT("SubJect "), .value = SPAN_LIT("  a \t b\r\n\tc  ") };
	const struct field sig = { .name = SPAN_LIT("ARC-Seal"),
		                   .value = SPAN_LIT(" i=1; b = x\r\n y; bh=z; b2=b") };
	_cleanup_buf_ struct buf out = BUF_INIT;

	canon_field(&out, CANON_RELAXED, &field);
	assert_string_equal(buf_str(&out), "subject:a b c\r\n");
	buf_clear(&out);
	canon_field(&out, CANON_SIMPLE, &field);
	assert_string_equal(buf_str(&out), "SubJect :  a \t b\r\n\tc  \r\n");
	buf_clear(&out);
	canon_signature_field(&out, CANON_SIMPLE, &sig);
	assert_string_equal(buf_str(&out), "ARC-Seal: i=1; b =; bh=z; b2=b");
}

/* The hash of a body in pieces of every size is that of the canonical text. */
static void bodies_have_the_canonical_forms_of_rfc6376(void **state)
{
	static const struct {
		enum canon canon;
		const char *body, *want;
	} cases[] = {
		{ CANON_SIMPLE, "", "\r\n" },
		{ CANON_RELAXED, "", "" },
		{ CANON_SIMPLE, "\r\n\r\n", "\r\n" },
		{ CANON_RELAXED, "\r\n\r\n", "" },
		{ CANON_RELAXED, " \t\r\n \r\n", "" },
		{ CANON_SIMPLE, " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n" },
		{ CANON_RELAXED, " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n" },
		{ CANON_RELAXED, "a", "a\r\n" },
		{ CANON_SIMPLE, "a", "a\r\n" },
		{ CANON_RELAXED, "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n" },
		{ CANON_RELAXED, "a \r\n \r\n b \r\n", "a\r\n\r\n b\r\n" },
		{ CANON_SIMPLE, "a\rb\nc\r", "a\rb\nc\r\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t piece = 1; piece <= 4; piece++) {
			uint8_t hash[CANON_HASH_SIZE], want[CANON_HASH_SIZE];
			struct canon_body b;

			assert_int_equal(canon_body_init(&b, cases[i].canon, NULL), 0);
			for (struct span s = span_of(cases[i].body); s.len; s = span_skip(s, piece))
				canon_body_add(&b, span_head(s, piece));
			assert_int_equal(canon_body_end(&b, hash, NULL), 0);
			canon_body_done(&b);
			(void) EVP_Digest(cases[i].want, strlen(cases[i].want), want, NULL, EVP_sha256(),
			                  NULL);
			if (memcmp(hash, want, sizeof(hash)) != 0)
				fail_msg("case %zu in pieces of %zu", i, piece);
		}
}

static void signed_fields_are_taken_from_below(void **state)
{
	struct fields fields =
		auth_fixture_fields(test_arena, "Received: 1\r\nReceived: 2\r\nFrom: a\r\nReceived: 3\r\n");
	_cleanup_buf_ struct buf out = BUF_INIT;

	assert_int_equal(canon_signed_fields(&out, CANON_RELAXED, &fields,
	                                     SPAN_LIT("received:from : RECEIVED:to:from"), test_arena, NULL),
	                 0);
	assert_string_equal(buf_str(&out), "received:3\r\nfrom:a\r\nreceived:2\r\n");
}

static void an_authserv_id_is_found_whatever_stands_before_it(void **state)
{
	static const struct {
		const char *value, *id;
	} cases[] = {
		{ " mx.example.org; spf=pass", "mx.example.org" },
		{ " mx.example.org 1; none", "mx.example.org" },
		{ "\r\n\tmx.example.org;none", "mx.example.org" },
		{ " (a (nested) \\) comment) mx.example.org(1);none", "mx.example.org" },
		{ " \"mx.exam\\ple.org\" ; none", "mx.example.org" },
		{ "", "" },
		{ " ; none", "" },
		{ " (never closed", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (!span_eq(results_authserv_id(test_arena, span_of(cases[i].value)), span_of(cases[i].id)))
			fail_msg("\"%s\"", cases[i].value);
}

static void nothing_of_a_peers_gets_out_of_its_place_in_the_results(void **state)
{
	struct arc_chain chain = { .n = 1 };
	struct auth_results r = {
		.authserv_id = "mx.example.test",
		.sender = "a;dkim=pass\r\nX: y@evil.test",
		.helo = "evil (x) \"; dmarc=pass",
		.client = "192.0.2.1",
		.spf = { .result = SPF_PERMERROR,
		         .identity = SPF_MAILFROM,
		         .domain = "evil.test",
		         .why = "bad) dmarc=pass (" },
		.helo_spf = { .identity = SPF_HELO, .domain = "", .why = "" },
		.dmarc = { .from_domain = "good.test", .result = DMARC_NONE, .why = "" },
		.arc = { .result = ARC_NONE, .chain = &chain, .why = "" },
	};
	struct span text = results_format(test_arena, &r);

	assert_string_equal(
		arena_str(test_arena, text),
		"mx.example.test;\r\n"
		"\tspf=permerror (bad\\) dmarc=pass \\() smtp.mailfrom=\"a;dkim=passX: y@evil.test\";\r\n"
		"\tspf=none smtp.helo=\"evil (x) \\\"; dmarc=pass\";\r\n"
		"\tdkim=none;\r\n"
		"\tdmarc=none header.from=good.test");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tag_lists_are_what_rfc6376_says),
		cmocka_unit_test(a_list_with_colons_has_its_items_whatever_their_case),
		cmocka_unit_test(fields_have_the_canonical_forms_of_rfc6376),
		cmocka_unit_test(bodies_have_the_canonical_forms_of_rfc6376),
		cmocka_unit_test(signed_fields_are_taken_from_below),
		cmocka_unit_test(an_authserv_id_is_found_whatever_stands_before_it),
		cmocka_unit_test(nothing_of_a_peers_gets_out_of_its_place_in_the_results),
	};

	return cmocka_run_group_tests(tests, test_arena_make, test_arena_free);
}
