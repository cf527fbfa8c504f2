#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/cleanup.h"
#include "tests/support/auth_fixture.h"
#include "mime/header.h"
#include "mta/podfilter/auth/canon.h"
#include "mta/podfilter/auth/dkim/dkim.h"
#include "mta/podfilter/auth/tags.h"

static struct dkim_library *library;

static int open_library(void **state)
{
	return dkim_library_create(&library, NULL);
}

static int close_library(void **state)
{
	library = dkim_library_free(library);
	return 0;
}

static const char body[] = "Hello  there. \r\n\r\nWords.\r\n\r\n\r\n";

static void sign(struct auth_fixture *f, struct fields *fields, const char *text,
                 const struct signing_key *key)
{
	struct dkim_signer *s = NULL;
	struct field made;
	struct err err = { 0 };

	if (dkim_signer_create(library, f->a, fields, key, &s, &err) < 0)
		fail_msg("%s", err_text(&err));
	dkim_signer_body(s, span_of(text));
	if (dkim_signer_end(s, &made, &err) < 0)
		fail_msg("%s", err_text(&err));
	(void) dkim_signer_free(s);
	auth_fixture_on_top(fields, f->a, &made, 1);
}

static struct dkim_verdict verify_with(struct auth_fixture *f, const struct fields *fields, const char *text,
                                       const struct lookup *l)
{
	struct dkim_verifier *v = NULL;
	struct dkim_verdict verdict;
	struct err err = { 0 };

	assert_int_equal(dkim_verifier_create(library, f->a, fields, l, &v, &err), 0);
	dkim_verifier_body(v, span_of(text));
	assert_int_equal(dkim_verifier_end(v, &verdict, &err), 0);
	(void) dkim_verifier_free(v);
	return verdict;
}

static struct dkim_verdict verify(struct auth_fixture *f, const struct fields *fields, const char *text)
{
	return verify_with(f, fields, text, &f->lookup);
}

static void a_message_without_a_signature_has_none(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);

	assert_int_equal(verify(f, &fields, body).n, 0);
}

static void signatures_of_both_kinds_pass_and_say_whose_they_are(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	struct dkim_verdict v;

	sign(f, &fields, body, &f->rsa);
	sign(f, &fields, body, &f->ed25519);
	v = verify(f, &fields, body);
	assert_int_equal(v.n, 2);
	for (size_t i = 0; i < 2; i++) {
		if (v.signatures[i].result != DKIM_RESULT_PASS)
			fail_msg("%s: %s", v.signatures[i].algorithm, v.signatures[i].why);
		assert_string_equal(v.signatures[i].domain, "example.test");
		assert_int_equal(strlen(v.signatures[i].b), 8);
	}
	assert_string_equal(v.signatures[0].algorithm, "ed25519-sha256");
	assert_string_equal(v.signatures[0].selector, "e");
	assert_string_equal(v.signatures[1].algorithm, "rsa-sha256");
}

static void a_changed_body_or_subject_fails(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	size_t pos = 0;

	sign(f, &fields, body, &f->rsa);
	assert_int_equal(verify(f, &fields, "Hello there.\r\n\r\nOther words.\r\n").signatures[0].result,
	                 DKIM_RESULT_FAIL);
	((struct field *) (uintptr_t) fields_next(&fields, "Subject", &pos))->value = SPAN_LIT(" another");
	assert_int_equal(verify(f, &fields, body).signatures[0].result, DKIM_RESULT_FAIL);
}

/* What is oversigned cannot be added: a second From above all, which some readers would show. */
static void a_field_that_was_not_there_cannot_be_added(void **state)
{
	static const char *const names[] = { "From", "Subject", "Reply-To", "Cc", "Date", "Content-Type" };
	struct auth_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
		struct field more = { .name = span_of(names[i]), .value = SPAN_LIT(" mallory@evil.test") };
		struct dkim_verdict v;

		sign(f, &fields, body, &f->rsa);
		auth_fixture_on_top(&fields, f->a, &more, 1);
		v = verify(f, &fields, body);
		if (v.n && v.signatures[0].result == DKIM_RESULT_PASS)
			fail_msg("a second %s passes", names[i]);
	}
}

static void what_the_dns_says_of_a_key_decides(void **state)
{
	static const struct {
		const char *record;
		enum dkim_result result;
	} cases[] = {
		{ NULL, DKIM_RESULT_TEMPERROR },
		{ "v=DKIM1; p=", DKIM_RESULT_PERMERROR },
		{ "v=DKIM1; k=rsa; p=!!!", DKIM_RESULT_PERMERROR },
		{ "v=DKIM2; k=rsa; p=AAAA", DKIM_RESULT_PERMERROR },
		{ "something else", DKIM_RESULT_PERMERROR },
	};
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	struct zone_table empty = { 0 };
	struct lookup nothing = zone_table_lookup(&empty);

	sign(f, &fields, body, &f->rsa);
	assert_int_equal(verify_with(f, &fields, body, &nothing).signatures[0].result, DKIM_RESULT_PERMERROR);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct zone_row row = { "r._domainkey.example.test", DNS_TXT, cases[i].record };
		struct zone_table zone = { .rows = &row, .n = 1 };
		struct lookup l = zone_table_lookup(&zone);
		struct dkim_verdict v = verify_with(f, &fields, body, &l);

		if (v.signatures[0].result != cases[i].result)
			fail_msg("%s: %s (%s)", cases[i].record ? cases[i].record : "no answer",
			         dkim_result_name(v.signatures[0].result), v.signatures[0].why);
	}
}

/* A signature with the fixture's key and tags of one's choosing. */
static void sign_by_hand(struct auth_fixture *f, struct fields *fields, const char *text, const char *tags)
{
	_cleanup_buf_ struct buf input = BUF_INIT;
	struct field sig = { .name = SPAN_LIT("DKIM-Signature") };
	struct canon_body b;
	uint8_t hash[CANON_HASH_SIZE];
	struct span bh, value;

	assert_int_equal(canon_body_init(&b, CANON_RELAXED, NULL), 0);
	canon_body_add(&b, span_of(text));
	assert_int_equal(canon_body_end(&b, hash, NULL), 0);
	canon_body_done(&b);
	bh = base64_encode(f->a, span_make(hash, sizeof(hash)));
	sig.value = span_of(
		arena_printf(f->a, " v=1; d=example.test; s=r; %s; h=from:subject; bh=" SPAN_FMT "; b=", tags,
	                     SPAN_ARG(bh)));
	assert_int_equal(
		canon_signed_fields(&input, CANON_RELAXED, fields, SPAN_LIT("from:subject"), f->a, NULL), 0);
	canon_signature_field(&input, CANON_RELAXED, &sig);
	assert_int_equal(signing_key_sign(&f->rsa, f->a, buf_span(&input), &value, NULL), 0);
	sig.value = span_of(arena_printf(f->a, SPAN_FMT SPAN_FMT, SPAN_ARG(sig.value), SPAN_ARG(value)));
	auth_fixture_on_top(fields, f->a, &sig, 1);
}

static void our_canonical_forms_are_those_of_libopendkim(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	struct dkim_verdict v;

	sign_by_hand(f, &fields, body, "a=rsa-sha256; c=relaxed/relaxed");
	v = verify(f, &fields, body);
	assert_string_equal(v.signatures[0].why, "");
	assert_int_equal(v.signatures[0].result, DKIM_RESULT_PASS);
}

/* RFC 8301 3.2: such a key can be factored by anybody. */
static void a_key_of_512_bits_is_not_taken(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	EVP_PKEY *strong = f->rsa.pkey;
	struct zone_row row = { "r._domainkey.example.test", DNS_TXT, NULL };
	struct zone_table zone = { .rows = &row, .n = 1 };
	struct lookup l = zone_table_lookup(&zone);
	struct dkim_verdict v;

	f->rsa.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) 512);
	assert_non_null(f->rsa.pkey);
	assert_int_equal(keys_record(f->a, &f->rsa, &row.value, NULL), 0);
	sign_by_hand(f, &fields, body, "a=rsa-sha256; c=relaxed/relaxed");
	keys_release(&f->rsa);
	f->rsa.pkey = strong;
	v = verify_with(f, &fields, body, &l);
	assert_int_equal(v.n, 1);
	if (v.signatures[0].result != DKIM_RESULT_POLICY)
		fail_msg("%s (%s)", dkim_result_name(v.signatures[0].result), v.signatures[0].why);
}

static void a_body_signed_in_part_is_not_taken(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
	struct dkim_verdict v;

	sign_by_hand(f, &fields, "Words.\r\n", "a=rsa-sha256; c=relaxed/relaxed; l=8");
	assert_int_equal(verify(f, &fields, "Words.\r\n").signatures[0].result, DKIM_RESULT_PASS);
	v = verify(f, &fields, "Words.\r\nAnd those of a stranger.\r\n");
	assert_string_equal(v.signatures[0].why, "l= leaves the end of the body unsigned");
	assert_int_equal(v.signatures[0].result, DKIM_RESULT_POLICY);
}

static void an_expired_or_malformed_signature_is_worth_nothing(void **state)
{
	static const struct {
		const char *tags;
		enum dkim_result result;
	} cases[] = {
		{ "a=rsa-sha256; c=relaxed/relaxed; t=1000; x=2000", DKIM_RESULT_FAIL },
		{ "a=rsa-sha256; c=relaxed/odd", DKIM_RESULT_NEUTRAL },
		{ "a=rsa-md5; c=relaxed/relaxed", DKIM_RESULT_NEUTRAL },
		{ "a=rsa-sha1; c=relaxed/relaxed", DKIM_RESULT_FAIL },
	};
	struct auth_fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);
		struct dkim_verdict v;

		sign_by_hand(f, &fields, body, cases[i].tags);
		v = verify(f, &fields, body);
		assert_int_equal(v.n, 1);
		if (v.signatures[0].result != cases[i].result)
			fail_msg("%s: %s (%s)", cases[i].tags, dkim_result_name(v.signatures[0].result),
			         v.signatures[0].why);
	}
}

static const char *read_corpus(struct arena *a, const char *path)
{
	_cleanup_(fclosep) FILE *f = fopen(path, "rb");
	char *text = arena_alloc(a, 16384);

	assert_non_null(f);
	assert_in_range(fread(text, 1, 16383, f), 1, 16382);
	return text;
}

/* Signed by nobody whom we know: RFC 8463, appendix A. */
static void the_example_of_rfc8463_passes_with_both_of_its_keys(void **state)
{
	struct auth_fixture *f = *state;
	struct span message = span_of(read_corpus(f->a, "tests/corpus/auth/rfc8463.eml"));
	struct zone_table zone = zone_table_parse(f->a, read_corpus(f->a, "tests/corpus/auth/rfc8463.zone"));
	struct lookup l = zone_table_lookup(&zone);
	struct span header = mime_header_of(message);
	struct fields fields = auth_fixture_fields(f->a, arena_str(f->a, header));
	const char *text = (const char *) span_skip(message, header.len).p;
	struct dkim_verdict v = verify_with(f, &fields, text, &l);

	assert_int_equal(v.n, 2);
	for (size_t i = 0; i < 2; i++)
		if (v.signatures[i].result != DKIM_RESULT_PASS)
			fail_msg("%s: %s", v.signatures[i].algorithm, v.signatures[i].why);
	v = verify_with(f, &fields, "Hi.\r\n\r\nWe won the game.\r\n", &l);
	assert_int_equal(v.signatures[0].result, DKIM_RESULT_FAIL);
	assert_int_equal(v.signatures[1].result, DKIM_RESULT_FAIL);
}

static void no_more_than_so_many_signatures_are_looked_at(void **state)
{
	struct auth_fixture *f = *state;
	struct fields fields = auth_fixture_fields(f->a, AUTH_FIXTURE_HEADER);

	for (int i = 0; i < DKIM_SIGNATURES_MAX + 20; i++)
		sign(f, &fields, body, &f->ed25519);
	f->zone.asked = 0;
	assert_int_equal(verify(f, &fields, body).n, DKIM_SIGNATURES_MAX);
	assert_in_range(f->zone.asked, 1, DKIM_SIGNATURES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, auth_fixture_setup, auth_fixture_teardown)
		T(a_message_without_a_signature_has_none),
		T(signatures_of_both_kinds_pass_and_say_whose_they_are),
		T(a_changed_body_or_subject_fails),
		T(a_field_that_was_not_there_cannot_be_added),
		T(what_the_dns_says_of_a_key_decides),
		T(our_canonical_forms_are_those_of_libopendkim),
		T(a_key_of_512_bits_is_not_taken),
		T(a_body_signed_in_part_is_not_taken),
		T(an_expired_or_malformed_signature_is_worth_nothing),
		T(the_example_of_rfc8463_passes_with_both_of_its_keys),
		T(no_more_than_so_many_signatures_are_looked_at),
#undef T
	};

	return cmocka_run_group_tests(tests, open_library, close_library);
}
