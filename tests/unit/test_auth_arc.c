#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "tests/support/auth_fixture.h"
#include "mta/podfilter/auth/arc/arc.h"

#define NOW 1790000000

static struct arc_verdict verify(struct arena *a, struct fields *fields, const char *body,
                                 const struct lookup *l)
{
	struct arc_verdict verdict;
	struct arc_verifier *v = NULL;
	struct err err = { 0 };

	assert_int_equal(arc_verifier_create(a, fields, &v, &err), 0);
	arc_verifier_body(v, span_of(body));
	assert_int_equal(arc_verifier_end(v, l, NOW, &verdict, &err), 0);
	(void) arc_verifier_free(v);
	return verdict;
}

/* Seals a message as a handler with this key would; the fields go on top. */
static int seal(struct arena *a, struct fields *fields, const char *body, const struct signing_key *key,
                const struct lookup *l)
{
	struct arc_verdict verdict = verify(a, fields, body, l);
	struct arc_sealer *s = NULL;
	struct field made[3];
	struct err err = { 0 };
	int r;

	assert_int_equal(arc_sealer_create(a, key, &s, &err), 0);
	arc_sealer_body(s, span_of(body));
	r = arc_sealer_end(s, fields, &verdict, SPAN_LIT("mx.example.test; spf=pass smtp.mailfrom=a.test"),
	                   NOW, made, &err);
	(void) arc_sealer_free(s);
	if (r == 0)
		auth_fixture_on_top(fields, a, made, 3);
	return r;
}

static const char body[] = "Hello  there. \r\n\r\nWords.\r\n\r\n\r\n";

static void a_message_without_a_chain_is_none(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);

	assert_int_equal(verify(f->a, &fields, body, &f->lookup).result, ARC_NONE);
}

static void each_seal_on_top_of_the_others_passes(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);

	for (unsigned int i = 1; i <= 4; i++) {
		const struct signing_key *key = i % 2 ? &f->rsa : &f->ed25519;
		struct arc_verdict v;

		assert_int_equal(seal(f->a, &fields, body, key, &f->lookup), 0);
		v = verify(f->a, &fields, body, &f->lookup);
		assert_string_equal(v.why, "");
		assert_int_equal(v.result, ARC_PASS);
		assert_int_equal(v.chain->n, i);
		assert_true(span_eq(v.sealer, SPAN_LIT("example.test")));
	}
}

static void fifty_seals_are_the_most(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);

	for (unsigned int i = 1; i <= 50; i++)
		assert_int_equal(seal(f->a, &fields, body, &f->ed25519, &f->lookup), 0);
	assert_int_equal(verify(f->a, &fields, body, &f->lookup).result, ARC_PASS);
	assert_int_equal(seal(f->a, &fields, body, &f->ed25519, &f->lookup), -POD_E_UNSUPPORTED);
}

static void whoever_changes_the_message_breaks_the_chain(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	size_t pos = 0;
	struct field *subject;

	assert_int_equal(seal(f->a, &fields, body, &f->rsa, &f->lookup), 0);
	assert_int_equal(verify(f->a, &fields, "Hello there.\r\n\r\nOther words.\r\n", &f->lookup).result,
	                 ARC_FAIL);
	assert_int_equal(verify(f->a, &fields, "Hello there.\r\n\r\nWords.\r\n", &f->lookup).result,
	                 ARC_PASS);
	subject = (struct field *) (uintptr_t) fields_next(&fields, "Subject", &pos);
	subject->value = SPAN_LIT(" another");
	assert_int_equal(verify(f->a, &fields, body, &f->lookup).result, ARC_FAIL);
}

static void whoever_changes_what_a_handler_said_breaks_the_chain(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	size_t pos = 0;
	struct field *aar;

	assert_int_equal(seal(f->a, &fields, body, &f->rsa, &f->lookup), 0);
	assert_int_equal(seal(f->a, &fields, body, &f->ed25519, &f->lookup), 0);
	(void) fields_next(&fields, "ARC-Authentication-Results", &pos);
	aar = (struct field *) (uintptr_t) fields_next(&fields, "ARC-Authentication-Results", &pos);
	aar->value = SPAN_LIT(" i=1; mx.example.test; spf=pass smtp.mailfrom=bank.test");
	assert_int_equal(verify(f->a, &fields, body, &f->lookup).result, ARC_FAIL);
}

static void a_broken_chain_is_sealed_once_as_failed_and_then_left_alone(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	struct span value;
	size_t pos = 0;

	assert_int_equal(seal(f->a, &fields, body, &f->rsa, &f->lookup), 0);
	assert_int_equal(seal(f->a, &fields, "changed\r\n", &f->rsa, &f->lookup), 0);
	value = fields_next(&fields, "ARC-Seal", &pos)->value;
	assert_true(span_find(value, SPAN_LIT("cv=fail")) != SIZE_MAX);
	assert_true(span_find(value, SPAN_LIT("i=2")) != SIZE_MAX);
	assert_int_equal(verify(f->a, &fields, "changed\r\n", &f->lookup).result, ARC_FAIL);
	assert_int_equal(seal(f->a, &fields, "changed\r\n", &f->rsa, &f->lookup), -POD_E_UNSUPPORTED);
}

static void a_key_that_cannot_be_looked_up_now_decides_nothing(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	static const struct zone_row rows[] = { { "r._domainkey.example.test", DNS_TXT, NULL } };
	struct zone_table silent = { .rows = rows, .n = 1 }, empty = { 0 };
	struct lookup l = zone_table_lookup(&silent), none = zone_table_lookup(&empty);

	assert_int_equal(seal(f->a, &fields, body, &f->rsa, &f->lookup), 0);
	assert_int_equal(verify(f->a, &fields, body, &l).result, ARC_TEMPERROR);
	assert_int_equal(seal(f->a, &fields, body, &f->rsa, &l), -POD_E_UNSUPPORTED);
	assert_int_equal(verify(f->a, &fields, body, &none).result, ARC_FAIL);
}

/* Each takes one thing away from a good set, or adds one. */
static void a_chain_that_is_not_whole_fails(void **state)
{
	static const struct {
		const char *what, *name, *value;
	} cases[] = {
		{ "a second seal of the same instance", "ARC-Seal",
		  " i=1; a=rsa-sha256; cv=none; d=a.test; s=s; b=aaaa" },
		{ "a seal of an instance between which one is missing", "ARC-Seal",
		  " i=3; a=rsa-sha256; cv=pass; d=a.test; s=s; b=aaaa" },
		{ "a seal with h=", "ARC-Seal",
		  " i=2; a=rsa-sha256; cv=pass; d=a.test; s=s; h=from; b=aaaa" },
		{ "a seal that is no tag list", "ARC-Seal", " what is this" },
		{ "instance 0", "ARC-Seal", " i=0; a=rsa-sha256; cv=none; d=a.test; s=s; b=aaaa" },
		{ "instance 51", "ARC-Seal", " i=51; a=rsa-sha256; cv=none; d=a.test; s=s; b=aaaa" },
		{ "results without instance", "ARC-Authentication-Results", " mx.a.test; spf=pass" },
		{ "a signature without h=", "ARC-Message-Signature",
		  " i=2; a=rsa-sha256; d=a.test; s=s; bh=aa; b=aaaa" },
		{ "a signature over a seal", "ARC-Message-Signature",
		  " i=2; a=rsa-sha256; d=a.test; s=s; bh=aa; h=from:arc-seal; b=aaaa" },
	};
	struct auth_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
		struct field more = { .name = span_of(cases[i].name), .value = span_of(cases[i].value) };
		struct arc_verdict v;

		assert_int_equal(seal(f->a, &fields, body, &f->rsa, &f->lookup), 0);
		auth_fixture_on_top(&fields, f->a, &more, 1);
		v = verify(f->a, &fields, body, &f->lookup);
		if (v.result != ARC_FAIL || !*v.why)
			fail_msg("%s: %s", cases[i].what, arc_result_name(v.result));
	}
}

static void a_first_seal_that_says_pass_fails(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	struct arc_chain *chain;
	static const char *const cv[] = { "pass", "fail", "other" };

	for (size_t i = 0; i < ARRAY_SIZE(cv); i++) {
		char text[128];
		const struct field set[] = {
			{ .name = SPAN_LIT("ARC-Seal"), .value = span_of(text) },
			{ .name = SPAN_LIT("ARC-Message-Signature"),
			  .value = SPAN_LIT(" i=1; a=rsa-sha256; d=a.test; s=s; bh=aa; h=from; b=aaaa") },
			{ .name = SPAN_LIT("ARC-Authentication-Results"),
			  .value = SPAN_LIT(" i=1; a.test; none") },
		};
		struct fields copy = fields;
		struct field seal_field = set[0];

		(void) snprintf(text, sizeof(text), " i=1; a=rsa-sha256; cv=%s; d=a.test; s=s; b=aaaa",
		                cv[i]);
		seal_field.value = arena_dup(f->a, span_of(text));
		auth_fixture_on_top(&copy, f->a, &set[1], 2);
		auth_fixture_on_top(&copy, f->a, &seal_field, 1);
		assert_int_equal(arc_chain_read(f->a, &copy, &chain, NULL), 0);
		assert_true(chain->broken);
		assert_int_equal(chain->failed_before, i == 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_message_without_a_chain_is_none, auth_fixture_setup,
		                                auth_fixture_teardown),
		cmocka_unit_test_setup_teardown(each_seal_on_top_of_the_others_passes, auth_fixture_setup,
		                                auth_fixture_teardown),
		cmocka_unit_test_setup_teardown(fifty_seals_are_the_most, auth_fixture_setup,
		                                auth_fixture_teardown),
		cmocka_unit_test_setup_teardown(whoever_changes_the_message_breaks_the_chain,
		                                auth_fixture_setup, auth_fixture_teardown),
		cmocka_unit_test_setup_teardown(whoever_changes_what_a_handler_said_breaks_the_chain,
		                                auth_fixture_setup, auth_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_broken_chain_is_sealed_once_as_failed_and_then_left_alone,
		                                auth_fixture_setup, auth_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_key_that_cannot_be_looked_up_now_decides_nothing,
		                                auth_fixture_setup, auth_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_chain_that_is_not_whole_fails, auth_fixture_setup,
		                                auth_fixture_teardown),
		cmocka_unit_test_setup_teardown(a_first_seal_that_says_pass_fails, auth_fixture_setup,
		                                auth_fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
