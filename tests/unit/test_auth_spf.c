#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/spf/spf.h"
#include "tests/support/test_arena.h"
#include "tests/support/zone_table.h"

static const struct zone_row rows[] = {
	{ "pass.test", DNS_TXT, "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all" },
	{ "pass.test", DNS_TXT, "some other text" },
	{ "soft.test", DNS_TXT, "v=spf1 ip4:192.0.2.1 ~all" },
	{ "neutral.test", DNS_TXT, "v=spf1 ?all" },
	{ "none.test", DNS_TXT, "nothing of interest" },
	{ "two.test", DNS_TXT, "v=spf1 +all" },
	{ "two.test", DNS_TXT, "v=spf1 -all" },
	{ "syntax.test", DNS_TXT, "v=spf1 ip4:not-an-address -all" },
	{ "colon.test", DNS_TXT, "v=spf1 a: ip4:192.0.2.1 -all" },
	{ "twice.test", DNS_TXT, "v=spf1 redirect=pass.test Redirect=pass.test" },
	{ "silent.test", DNS_TXT, NULL },
	{ "mx.test", DNS_TXT, "v=spf1 mx -all" },
	{ "mx.test", DNS_MX, "10 mail.mx.test" },
	{ "mail.mx.test", DNS_A, "192.0.2.1" },
	{ "mail.mx.test", DNS_AAAA, "2001:db8::1" },
	{ "include.test", DNS_TXT, "v=spf1 include:pass.test -all" },
	{ "redirect.test", DNS_TXT, "v=spf1 redirect=pass.test" },
	{ "include-none.test", DNS_TXT, "v=spf1 include:none.test -all" },
	{ "include-silent.test", DNS_TXT, "v=spf1 include:silent.test -all" },
	{ "loop.test", DNS_TXT, "v=spf1 include:loop.test -all" },
	{ "void.test", DNS_TXT, "v=spf1 a:1.void.test a:2.void.test a:3.void.test ip4:192.0.2.1 -all" },
	{ "void2.test", DNS_TXT, "v=spf1 a:1.void.test a:2.void.test ip4:192.0.2.1 -all" },
	{ "many.test", DNS_TXT,
	  "v=spf1 a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test a:h.test "
	  "a:h.test "
	  "ip4:192.0.2.1 -all" },
	{ "h.test", DNS_A, "203.0.113.1" },
	{ "macro.test", DNS_TXT, "v=spf1 exists:%{ir}.%{l}.ok.test -all" },
	{ "1.2.0.192.ann.ok.test", DNS_A, "127.0.0.2" },
	{ "helo.pass.test", DNS_TXT, "v=spf1 a -all" },
	{ "helo.pass.test", DNS_A, "192.0.2.1" },
};

static struct spf_answer check(const char *client, const char *helo, const char *sender,
                               enum spf_identity identity)
{
	struct zone_table zone = { .rows = rows, .n = ARRAY_SIZE(rows) };
	struct lookup l = zone_table_lookup(&zone);
	struct spf_question q = { .helo = helo, .sender = sender, .timeout_ms = 20000 };
	struct spf_answer answer = { 0 };
	struct err err = { 0 };

	arena_reset(test_arena); /* the answer before is not used any more */
	q.client = zone_addr(client);
	assert_int_equal(spf_check(&l, test_arena, &q, identity, &answer, &err), 0);
	return answer;
}

static void every_result_of_rfc7208_comes_when_it_should(void **state)
{
	static const struct {
		const char *client, *domain;
		enum spf_result result;
	} cases[] = {
		{ "192.0.2.1", "pass.test", SPF_PASS },
		{ "2001:db8::5", "pass.test", SPF_PASS },
		{ "::ffff:192.0.2.1", "pass.test", SPF_PASS },
		{ "203.0.113.9", "pass.test", SPF_FAIL },
		{ "203.0.113.9", "soft.test", SPF_SOFTFAIL },
		{ "203.0.113.9", "neutral.test", SPF_NEUTRAL },
		{ "203.0.113.9", "none.test", SPF_NONE },
		{ "203.0.113.9", "missing.test", SPF_NONE },
		{ "203.0.113.9", "two.test", SPF_PERMERROR },
		{ "203.0.113.9", "syntax.test", SPF_PERMERROR },
		{ "192.0.2.1", "colon.test", SPF_PERMERROR },
		{ "192.0.2.1", "twice.test", SPF_PERMERROR },
		{ "203.0.113.9", "silent.test", SPF_TEMPERROR },
		{ "192.0.2.1", "mx.test", SPF_PASS },
		{ "2001:db8::1", "mx.test", SPF_PASS },
		{ "192.0.2.2", "mx.test", SPF_FAIL },
		{ "192.0.2.1", "include.test", SPF_PASS },
		{ "203.0.113.9", "include.test", SPF_FAIL },
		{ "192.0.2.1", "redirect.test", SPF_PASS },
		{ "203.0.113.9", "redirect.test", SPF_FAIL },
		{ "192.0.2.1", "include-none.test", SPF_PERMERROR },
		{ "192.0.2.1", "include-silent.test", SPF_TEMPERROR },
		{ "192.0.2.1", "loop.test", SPF_PERMERROR },
		{ "192.0.2.1", "macro.test", SPF_PASS },
		{ "192.0.2.2", "macro.test", SPF_FAIL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char sender[64];
		struct spf_answer answer;

		(void) snprintf(sender, sizeof(sender), "ann@%s", cases[i].domain);
		answer = check(cases[i].client, "helo.test", sender, SPF_MAILFROM);
		if (answer.result != cases[i].result)
			fail_msg("%s from %s: %s (%s)", cases[i].domain, cases[i].client,
			         spf_result_name(answer.result), answer.why);
		assert_string_equal(answer.domain, cases[i].domain);
	}
}

/* RFC 7208 4.6.4: at most two lookups that find nothing, and ten terms that look something up. */
static void a_record_that_has_too_much_looked_up_is_wrong_for_good(void **state)
{
	struct spf_answer answer = check("192.0.2.1", "h", "ann@void.test", SPF_MAILFROM);

	assert_int_equal(answer.result, SPF_PERMERROR);
	assert_string_equal(answer.why, "too many void lookups");
	assert_int_equal(check("192.0.2.1", "h", "ann@void2.test", SPF_MAILFROM).result, SPF_PASS);
	assert_int_equal(check("192.0.2.1", "h", "ann@many.test", SPF_MAILFROM).result, SPF_PERMERROR);
}

static void helo_is_checked_on_its_own_and_for_the_null_path(void **state)
{
	struct spf_answer answer = check("192.0.2.1", "helo.pass.test", "ann@soft.test", SPF_HELO);

	assert_int_equal(answer.result, SPF_PASS);
	assert_string_equal(answer.domain, "helo.pass.test");
	answer = check("203.0.113.9", "helo.pass.test", "", SPF_MAILFROM);
	assert_int_equal(answer.result, SPF_FAIL);
	assert_int_equal(answer.identity, SPF_HELO);
}

static void what_is_no_domain_has_no_policy(void **state)
{
	static const char *const helos[] = { "", "localhost", "[192.0.2.1]", "a..b", "-", "." };

	for (size_t i = 0; i < ARRAY_SIZE(helos); i++)
		assert_int_equal(check("192.0.2.1", helos[i], "", SPF_HELO).result, SPF_NONE);
	assert_int_equal(check("192.0.2.1", "x", "no-at-sign", SPF_MAILFROM).result, SPF_NONE);
	assert_int_equal(check("127.0.0.1", "x", "ann@pass.test", SPF_MAILFROM).result, SPF_NONE);
}

static void a_check_that_takes_too_long_is_tried_again_later(void **state)
{
	struct zone_table zone = { .rows = rows, .n = ARRAY_SIZE(rows) };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct lookup l = zone_table_lookup(&zone);
	struct spf_question q = { .helo = "h", .sender = "a@include.test", .timeout_ms = 0 };
	struct spf_answer answer;

	q.client = zone_addr("192.0.2.1");
	assert_int_equal(spf_check(&l, a, &q, SPF_MAILFROM, &answer, NULL), 0);
	assert_int_equal(answer.result, SPF_TEMPERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_result_of_rfc7208_comes_when_it_should),
		cmocka_unit_test(a_record_that_has_too_much_looked_up_is_wrong_for_good),
		cmocka_unit_test(helo_is_checked_on_its_own_and_for_the_null_path),
		cmocka_unit_test(what_is_no_domain_has_no_policy),
		cmocka_unit_test(a_check_that_takes_too_long_is_tried_again_later),
	};

	return cmocka_run_group_tests(tests, test_arena_make, test_arena_free);
}
