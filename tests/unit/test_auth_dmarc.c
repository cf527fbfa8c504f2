#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/dmarc/dmarc.h"
#include "tests/support/auth_fixture.h"
#include "tests/support/test_arena.h"

static struct dmarc *dmarc;

static int open_dmarc(void **state)
{
	return dmarc_create("", &dmarc, NULL);
}

static int close_dmarc(void **state)
{
	dmarc = dmarc_free(dmarc);
	return 0;
}

static const struct zone_row rows[] = {
	{ "_dmarc.reject.com", DNS_TXT, "v=DMARC1; p=reject; sp=quarantine; rua=mailto:r@reject.com" },
	{ "_dmarc.strict.com", DNS_TXT, "v=DMARC1; p=quarantine; adkim=s; aspf=s" },
	{ "_dmarc.none.com", DNS_TXT, "v=DMARC1; p=none" },
	{ "_dmarc.half.com", DNS_TXT, "v=DMARC1; p=reject; pct=50" },
	{ "_dmarc.two.com", DNS_TXT, "v=DMARC1; p=reject" },
	{ "_dmarc.two.com", DNS_TXT, "v=DMARC1; p=none" },
	{ "_dmarc.other.com", DNS_TXT, "some text" },
	{ "_dmarc.bad.com", DNS_TXT, "v=DMARC1; p=unheard" },
	{ "_dmarc.badrua.com", DNS_TXT, "v=DMARC1; p=unheard; rua=mailto:r@badrua.com" },
	{ "_dmarc.silent.com", DNS_TXT, NULL },
	{ "_dmarc.example.co.uk", DNS_TXT, "v=DMARC1; p=reject" },
	{ "_dmarc.co.uk", DNS_TXT, "v=DMARC1; p=none" },
	{ "_dmarc.xn--bcher-kva.example.com", DNS_TXT, "v=DMARC1; p=reject" },
};

static struct dmarc_answer check(const char *from, const char *spf_domain, const char *dkim_domain,
                                 unsigned int chance)
{
	struct zone_table zone = { .rows = rows, .n = ARRAY_SIZE(rows) };
	struct lookup l = zone_table_lookup(&zone);
	struct fields fields = { 0 };
	struct spf_answer spf = { .result = spf_domain ? SPF_PASS : SPF_FAIL,
		                  .domain = spf_domain ? spf_domain : "",
		                  .why = "" };
	struct dkim_verdict dkim = { .n = dkim_domain != NULL };
	struct dmarc_answer answer;
	struct err err = { 0 };

	dkim.signatures[0] = (struct dkim_signature){ .result = DKIM_RESULT_PASS, .domain = dkim_domain };
	assert_int_equal(fields_add(&fields, test_arena, SPAN_LIT("From"), span_of(from), &err), 0);
	if (dmarc_check(dmarc, &l, test_arena, &fields, &spf, &dkim, chance, &answer, &err) < 0)
		fail_msg("%s", err_text(&err));
	return answer;
}

static void who_is_aligned_passes_and_who_is_not_meets_the_policy(void **state)
{
	static const struct {
		const char *from, *spf, *dkim;
		enum dmarc_result result;
		enum disposition asked;
	} cases[] = {
		{ "a@reject.com", "reject.com", NULL, DMARC_PASS, DISPOSITION_NONE },
		{ "a@reject.com", NULL, "reject.com", DMARC_PASS, DISPOSITION_NONE },
		{ "a@reject.com", "bounce.reject.com", NULL, DMARC_PASS, DISPOSITION_NONE },
		{ "A <a@REJECT.com>", NULL, "mail.Reject.com", DMARC_PASS, DISPOSITION_NONE },
		{ "a@reject.com", NULL, NULL, DMARC_FAIL, DISPOSITION_REJECT },
		{ "a@reject.com", "evil.com", "evil.com", DMARC_FAIL, DISPOSITION_REJECT },
		{ "a@reject.com", "notreject.com", "com", DMARC_FAIL, DISPOSITION_REJECT },
		{ "a@sub.reject.com", NULL, NULL, DMARC_FAIL, DISPOSITION_QUARANTINE },
		{ "a@sub.reject.com", NULL, "reject.com", DMARC_PASS, DISPOSITION_NONE },
		{ "a@strict.com", "mail.strict.com", "mail.strict.com", DMARC_FAIL, DISPOSITION_QUARANTINE },
		{ "a@strict.com", NULL, "strict.com", DMARC_PASS, DISPOSITION_NONE },
		{ "a@none.com", NULL, NULL, DMARC_FAIL, DISPOSITION_NONE },
		{ "a@two.com", NULL, NULL, DMARC_NONE, DISPOSITION_NONE },
		{ "a@other.com", NULL, NULL, DMARC_NONE, DISPOSITION_NONE },
		{ "a@missing.com", NULL, NULL, DMARC_NONE, DISPOSITION_NONE },
		{ "a@bad.com", NULL, NULL, DMARC_PERMERROR, DISPOSITION_NONE },
		{ "a@badrua.com", NULL, NULL, DMARC_FAIL, DISPOSITION_NONE },
		{ "a@silent.com", NULL, NULL, DMARC_TEMPERROR, DISPOSITION_NONE },
		/* co.uk is a suffix that anybody registers under: it says nothing for those who do */
		{ "a@mail.example.co.uk", NULL, "other.co.uk", DMARC_FAIL, DISPOSITION_REJECT },
		{ "a@unknown.co.uk", NULL, NULL, DMARC_NONE, DISPOSITION_NONE },
		{ "a@b\xc3\xbc"
		  "cher.example.com",
		  NULL, NULL, DMARC_FAIL, DISPOSITION_REJECT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dmarc_answer answer = check(cases[i].from, cases[i].spf, cases[i].dkim, 0);

		if (answer.result != cases[i].result || answer.asked != cases[i].asked)
			fail_msg("%s with SPF %s, DKIM %s: %s, %s (%s)", cases[i].from,
			         cases[i].spf ? cases[i].spf : "-", cases[i].dkim ? cases[i].dkim : "-",
			         dmarc_result_name(answer.result), disposition_name(answer.asked),
			         answer.why);
	}
}

static void pct_spares_the_others_one_step(void **state)
{
	assert_int_equal(check("a@half.com", NULL, NULL, 49).asked, DISPOSITION_REJECT);
	assert_int_equal(check("a@half.com", NULL, NULL, 50).asked, DISPOSITION_QUARANTINE);
	assert_int_equal(check("a@half.com", NULL, NULL, 50).wanted, DISPOSITION_REJECT);
}

static void a_from_without_exactly_one_domain_is_nobodys(void **state)
{
	static const char *const cases[] = {
		"",    "Ann",  "a@",       "a@localhost", "a@one.com, b@two.com", "undisclosed:;",
		"<@>", "a@b@", "a@x..com",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct dmarc_answer answer = check(cases[i], "reject.com", "reject.com", 0);

		if (answer.result != DMARC_PERMERROR)
			fail_msg("\"%s\": %s, %s", cases[i], dmarc_result_name(answer.result),
			         answer.from_domain);
	}
	assert_int_equal(check("a@reject.com, b@reject.com", NULL, "reject.com", 0).result, DMARC_PASS);
}

static void two_from_fields_are_refused_as_one_that_readers_may_choose(void **state)
{
	struct fields fields = auth_fixture_fields(test_arena, "From: a@good.com\r\nfrom: b@evil.com\r\n");
	const char *domain;
	struct err err = { 0 };

	assert_int_equal(dmarc_from_domain(test_arena, &fields, &domain, &err), -POD_E_SYNTAX);
}

/* A lookup of DKIM's that failed may hide the pass: such a message is not refused for good. */
static void what_could_not_be_checked_now_is_not_a_failure(void **state)
{
	struct zone_table zone = { .rows = rows, .n = ARRAY_SIZE(rows) };
	struct lookup l = zone_table_lookup(&zone);
	struct fields fields = auth_fixture_fields(test_arena, "From: a@reject.com\r\n");
	struct spf_answer spf = { .result = SPF_FAIL, .domain = "reject.com", .why = "" };
	struct dkim_verdict dkim = { .n = 1 };
	struct dmarc_answer answer;

	dkim.signatures[0] =
		(struct dkim_signature){ .result = DKIM_RESULT_TEMPERROR, .domain = "reject.com" };
	assert_int_equal(dmarc_check(dmarc, &l, test_arena, &fields, &spf, &dkim, 0, &answer, NULL), 0);
	assert_int_equal(answer.result, DMARC_TEMPERROR);
}

static void a_missing_list_of_suffixes_is_said(void **state)
{
	struct dmarc *d;
	struct err err = { 0 };

	assert_int_equal(dmarc_create("/nowhere/list.dafsa", &d, &err), -POD_E_CONFIG);
	assert_non_null(strstr(err.text, "/nowhere/list.dafsa"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, test_arena_make, test_arena_free)
		T(who_is_aligned_passes_and_who_is_not_meets_the_policy),
		T(pct_spares_the_others_one_step),
		T(a_from_without_exactly_one_domain_is_nobodys),
		T(two_from_fields_are_refused_as_one_that_readers_may_choose),
		T(what_could_not_be_checked_now_is_not_a_failure),
		T(a_missing_list_of_suffixes_is_said),
#undef T
	};

	return cmocka_run_group_tests(tests, open_dmarc, close_dmarc);
}
