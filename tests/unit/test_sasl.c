#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "sasl/sasl.h"

static void base64_decodes_only_canonical_text(void **state)
{
	static const struct {
		const char *in, *out;
		int r;
	} cases[] = {
		{ "", "", 0 },
		{ "Zg==", "f", 0 },
		{ "Zm8=", "fo", 0 },
		{ "Zm9v", "foo", 0 },
		{ "Zm9vYmFy", "foobar", 0 },
		{ "Zm9v YmFy", NULL, -POD_E_SYNTAX },
		{ "Zg=", NULL, -POD_E_SYNTAX },
		{ "Zg", NULL, -POD_E_SYNTAX },
		{ "Z===", NULL, -POD_E_SYNTAX },
		{ "====", NULL, -POD_E_SYNTAX },
		{ "Zh==", NULL, -POD_E_SYNTAX }, /* bits under the padding */
		{ "Zg==Zg==", NULL, -POD_E_SYNTAX },
		{ "Zm9v\r\n", NULL, -POD_E_SYNTAX },
		{ "Zm9-", NULL, -POD_E_SYNTAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(4096);
		struct span bytes = SPAN_NONE;

		assert_int_equal(base64_decode(a, span_of(cases[i].in), &bytes), cases[i].r);
		if (cases[i].r == 0) {
			assert_true(span_eq(bytes, span_of(cases[i].out)));
			assert_true(span_eq(base64_encode(a, bytes), span_of(cases[i].in)));
		}
	}
}

static void mechanisms_are_known_whatever_their_case(void **state)
{
	enum sasl_mechanism m = SASL_MECHANISMS;

	assert_int_equal(sasl_mechanism_parse(SPAN_LIT("scram-sha-256-plus"), &m), 0);
	assert_int_equal(m, SASL_SCRAM_SHA_256_PLUS);
	assert_true(sasl_mechanisms[m].flags & SASL_CHANNEL_BINDING);
	assert_int_equal(sasl_mechanism_parse(SPAN_LIT("plain"), &m), 0);
	assert_true(sasl_mechanisms[m].flags & SASL_CLEARTEXT);
	assert_int_equal(sasl_mechanism_parse(SPAN_LIT("ANONYMOUS"), &m), -POD_E_UNSUPPORTED);
	assert_int_equal(m, SASL_PLAIN);
}

static void the_first_message_tells_whose_exchange_it_is(void **state)
{
	static const struct {
		enum sasl_mechanism m;
		struct span in;
		const char *user, *binding;
		int r;
	} cases[] = {
		{ SASL_PLAIN, SPAN_LIT("\0alice\0pw"), "alice", "", 0 },
		{ SASL_PLAIN, SPAN_LIT("alice\0alice\0pw"), "alice", "", 0 },
		{ SASL_PLAIN, SPAN_LIT("bob\0alice\0pw"), NULL, NULL, -POD_E_DENIED },
		{ SASL_PLAIN, SPAN_LIT("\0alice\0"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_PLAIN, SPAN_LIT("\0\0pw"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_PLAIN, SPAN_LIT("\0alice\0pw\0more"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_PLAIN, SPAN_LIT("alice"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_PLAIN, SPAN_LIT("\0al\nice\0pw"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_LOGIN, SPAN_LIT("alice@example.test"), "alice@example.test", "", 0 },
		{ SASL_LOGIN, SPAN_LIT(""), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_LOGIN, SPAN_LIT("a\0b"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,,n=user,r=fyko"), "user", "", 0 },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("y,,n=user,r=fyko"), "user", "", 0 },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,,n=a=2Cb=3D,r=x,e=1"), "a,b=", "", 0 },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,a=user,n=user,r=x"), "user", "", 0 },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,a=root,n=user,r=x"), NULL, NULL, -POD_E_DENIED },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,,n=a=2cb,r=x"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,,n=a=,r=x"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,,n=user"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,,n=user,r="), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("n,,m=x,n=user,r=x"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256, SPAN_LIT("p=tls-exporter,,n=user,r=x"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256_PLUS, SPAN_LIT("p=tls-exporter,,n=user,r=x"), "user", "tls-exporter", 0 },
		{ SASL_SCRAM_SHA_256_PLUS, SPAN_LIT("p=,,n=user,r=x"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256_PLUS, SPAN_LIT("n,,n=user,r=x"), NULL, NULL, -POD_E_SYNTAX },
		{ SASL_SCRAM_SHA_256, SPAN_LIT(""), NULL, NULL, -POD_E_SYNTAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(4096);
		struct span user = SPAN_NONE, binding = SPAN_NONE;

		assert_int_equal(sasl_first_user(a, cases[i].m, cases[i].in, &user, &binding), cases[i].r);
		if (cases[i].r == 0) {
			assert_true(span_eq(user, span_of(cases[i].user)));
			assert_true(span_eq(binding, span_of(cases[i].binding)));
		}
	}
}

static void memory_out_is_an_error_not_an_empty_user(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(4);
	struct span user = SPAN_NONE, binding = SPAN_NONE;

	assert_int_equal(sasl_first_user(a, SASL_LOGIN, SPAN_LIT("somebody@example.test"), &user, &binding),
	                 -POD_E_NOMEM);
	assert_null(user.p);
	assert_null(base64_encode(a, SPAN_LIT("a long enough text")).p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_decodes_only_canonical_text),
		cmocka_unit_test(mechanisms_are_known_whatever_their_case),
		cmocka_unit_test(the_first_message_tells_whose_exchange_it_is),
		cmocka_unit_test(memory_out_is_an_error_not_an_empty_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
