/* What a destination demands of TLS, as tables; MTA-STS records and policies; counts of sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "mta/tlspolicy/sessions.h"
#include "mta/tlspolicy/sts_store.h"
#include "mta/tlspolicy/tlsa.h"
#include "mta/tlspolicy/wish.h"

#define DIGEST "0123456789abcdef0123456789abcdef"

/* ---- the decision ---- */

static const struct tls_dane_record ee = { 3, 1, 1, SPAN_LIT(DIGEST) }, ta = { 2, 0, 1, SPAN_LIT(DIGEST) },
				    pkix = { 1, 1, 1, SPAN_LIT(DIGEST) },
				    cut = { 3, 1, 1, SPAN_LIT("short") },
				    sha512 = { 3, 0, 2, SPAN_LIT(DIGEST DIGEST) },
				    odd = { 3, 1, 9, SPAN_LIT(DIGEST) },
				    full = { 3, 1, 0, SPAN_LIT("no key at all") };

static const char *const patterns[] = { "mx.good.test", "*.pool.test" };
static const struct sts_policy enforce = { STS_ENFORCE, 86400, 2, patterns },
			       testing = { STS_TESTING, 86400, 2, patterns },
			       off = { STS_NONE, 86400, 0, patterns };

enum { NO_MX_PROOF = 1, NO_ADDR_PROOF = 2, CONFIGURED = 4, LITERAL = 8 };

/* clang-format off */
static const struct decision {
	const char *what;
	enum tls_wish wish;
	const struct sts_policy *sts;
	enum tlsa_state tlsa;
	const struct tls_dane_record *records[2];
	const char *host;
	unsigned int flags;
	/* what comes of it */
	enum tls_use use;
	enum tls_level level;
	enum tls_source source;
	bool watch;
	enum tls_result fault;
	const char *names;
} decisions[] = {
	{ "nothing is known: TLS where it is to be had",
	  TLS_WISH_MAY, NULL, TLSA_NONE, { NULL }, "mx.good.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_MAY, TLS_SOURCE_NONE, true, 0, "mx.good.test" },
	{ "turned off",
	  TLS_WISH_NONE, &enforce, TLSA_NONE, { NULL }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_NEVER, TLS_SOURCE_NONE, true, 0, "mx.good.test" },
	{ "a wish for encryption",
	  TLS_WISH_ENCRYPT, NULL, TLSA_NONE, { NULL }, "mx.good.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_ENCRYPT, TLS_SOURCE_NONE, true, 0, "mx.good.test" },
	{ "a wish for verification takes the domain's name, too",
	  TLS_WISH_VERIFY, NULL, TLSA_NONE, { NULL }, "mx.good.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_VERIFY, TLS_SOURCE_NONE, false, 0, "mx.good.test good.test" },
	{ "the same of an address",
	  TLS_WISH_VERIFY, NULL, TLSA_NONE, { NULL }, "192.0.2.1", LITERAL,
	  TLS_USE_HOST, TLS_LEVEL_VERIFY, TLS_SOURCE_NONE, false, 0, "192.0.2.1" },

	{ "DANE-EE",
	  TLS_WISH_MAY, NULL, TLSA_FOUND, { &ee }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_DANE, TLS_SOURCE_DANE, false, 0, "base.test mx.good.test good.test" },
	{ "DANE-TA",
	  TLS_WISH_MAY, NULL, TLSA_FOUND, { &ta }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_DANE, TLS_SOURCE_DANE, false, 0, "base.test mx.good.test good.test" },
	{ "SHA-512 of the certificate",
	  TLS_WISH_MAY, NULL, TLSA_FOUND, { &sha512 }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_DANE, TLS_SOURCE_DANE, false, 0, "base.test mx.good.test good.test" },
	{ "one of two records is usable",
	  TLS_WISH_MAY, NULL, TLSA_FOUND, { &pkix, &ee }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_DANE, TLS_SOURCE_DANE, false, 0, "base.test mx.good.test good.test" },
	{ "PKIX usages are unusable: TLS without a name",
	  TLS_WISH_MAY, NULL, TLSA_FOUND, { &pkix }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_ENCRYPT, TLS_SOURCE_DANE, true, TLS_RESULT_TLSA_INVALID, "mx.good.test" },
	{ "a digest cut short is unusable",
	  TLS_WISH_MAY, NULL, TLSA_FOUND, { &cut, &odd }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_ENCRYPT, TLS_SOURCE_DANE, true, TLS_RESULT_TLSA_INVALID, "mx.good.test" },
	{ "a full key that is none is unusable",
	  TLS_WISH_MAY, NULL, TLSA_FOUND, { &full }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_ENCRYPT, TLS_SOURCE_DANE, true, TLS_RESULT_TLSA_INVALID, "mx.good.test" },
	{ "TLSA that cannot be had",
	  TLS_WISH_MAY, NULL, TLSA_FAILED, { NULL }, "mx.good.test", 0,
	  TLS_USE_OTHER, TLS_LEVEL_MAY, TLS_SOURCE_DANE, true, TLS_RESULT_DNSSEC_INVALID, "mx.good.test" },
	{ "TLSA that cannot be had, and MTA-STS does not help",
	  TLS_WISH_MAY, &enforce, TLSA_FAILED, { NULL }, "mx.good.test", 0,
	  TLS_USE_OTHER, TLS_LEVEL_MAY, TLS_SOURCE_DANE, true, TLS_RESULT_DNSSEC_INVALID, "mx.good.test" },

	{ "MTA-STS, enforced",
	  TLS_WISH_MAY, &enforce, TLSA_NONE, { NULL }, "mx.good.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_VERIFY, TLS_SOURCE_STS, false, 0, "mx.good.test" },
	{ "MTA-STS with a wish to verify: the policy's name only",
	  TLS_WISH_VERIFY, &enforce, TLSA_NONE, { NULL }, "mx.good.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_VERIFY, TLS_SOURCE_STS, false, 0, "mx.good.test" },
	{ "MTA-STS, an MX that a wildcard names",
	  TLS_WISH_MAY, &enforce, TLSA_NONE, { NULL }, "A1.pool.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_VERIFY, TLS_SOURCE_STS, false, 0, "A1.pool.test" },
	{ "MTA-STS, an MX it does not name",
	  TLS_WISH_MAY, &enforce, TLSA_NONE, { NULL }, "mx.evil.test", NO_MX_PROOF,
	  TLS_USE_OTHER, TLS_LEVEL_MAY, TLS_SOURCE_STS, true, TLS_RESULT_VALIDATION_FAILURE, "mx.evil.test" },
	{ "MTA-STS, only tested",
	  TLS_WISH_MAY, &testing, TLSA_NONE, { NULL }, "mx.good.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_MAY, TLS_SOURCE_STS, true, 0, "mx.good.test" },
	{ "MTA-STS, only tested, an MX it does not name",
	  TLS_WISH_MAY, &testing, TLSA_NONE, { NULL }, "mx.evil.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_MAY, TLS_SOURCE_STS, true, TLS_RESULT_VALIDATION_FAILURE, "mx.evil.test" },
	{ "MTA-STS of mode none",
	  TLS_WISH_MAY, &off, TLSA_NONE, { NULL }, "mx.good.test", NO_MX_PROOF,
	  TLS_USE_HOST, TLS_LEVEL_MAY, TLS_SOURCE_NONE, true, 0, "mx.good.test" },
	{ "DANE goes before MTA-STS",
	  TLS_WISH_MAY, &enforce, TLSA_FOUND, { &ee }, "mx.evil.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_DANE, TLS_SOURCE_DANE, false, 0, "base.test mx.evil.test good.test" },
	{ "MTA-STS still holds where no TLSA is usable",
	  TLS_WISH_MAY, &enforce, TLSA_FOUND, { &pkix }, "mx.good.test", 0,
	  TLS_USE_HOST, TLS_LEVEL_VERIFY, TLS_SOURCE_DANE, false, TLS_RESULT_TLSA_INVALID, "mx.good.test" },
};
/* clang-format on */

static struct tls_host host_of(const char *name, unsigned int flags)
{
	return (struct tls_host){ .name = name,
		                  .canonical = name,
		                  .mx_secure = !(flags & NO_MX_PROOF),
		                  .addr_secure = !(flags & NO_ADDR_PROOF),
		                  .literal = flags & LITERAL,
		                  .configured = flags & CONFIGURED,
		                  .port = 25 };
}

static struct tls_demand decide(const struct decision *c, struct arena *a)
{
	const struct tls_domain domain = { .name = c->flags & LITERAL ? c->host : "good.test",
		                           .wish = c->wish,
		                           .sts = c->sts,
		                           .sts_text = c->sts ? "version: STSv1\r\nmode: enforce\r\n" : NULL,
		                           .sts_why = "" };
	const struct tls_host host = host_of(c->host, c->flags);
	struct tls_dane_record records[2];
	struct tls_tlsa tlsa = {
		.state = c->tlsa, .base = "base.test", .records = records, .why = "it is bogus"
	};
	struct tls_demand d;

	for (size_t i = 0; i < 2 && c->records[i]; i++)
		records[tlsa.n++] = *c->records[i];
	assert_int_equal(tls_demand_decide(&domain, &host, &tlsa, a, &d, NULL), 0);
	return d;
}

static void what_is_known_decides_what_is_demanded(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(decisions); i++) {
		const struct decision *c = &decisions[i];
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct tls_demand d = decide(c, a);
		char names[256] = "";

		print_message("# %s\n", c->what);
		for (size_t n = 0; n < d.check.names_n; n++)
			(void) snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
			                n ? " " : "", d.check.names[n]);
		assert_int_equal(d.use, c->use);
		assert_int_equal(d.level, c->level);
		assert_int_equal(d.source, c->source);
		assert_int_equal(d.check.watch, c->watch);
		assert_int_equal(d.fault, c->fault);
		assert_string_equal(names, c->names);
		assert_int_equal(d.use != TLS_USE_HOST, d.why[0] != '\0');
		if (d.level == TLS_LEVEL_DANE)
			assert_string_equal(d.check.sni, "base.test");
		else if (c->flags & LITERAL)
			assert_null(d.check.sni);
		else
			assert_string_equal(d.check.sni, c->host);
	}
}

static void a_small_memory_is_an_error_and_no_weaker_demand(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64);
	const struct tls_domain domain = {
		.name = "good.test", .wish = TLS_WISH_MAY, .sts = &enforce, .sts_why = ""
	};
	const struct tls_host host = host_of("mx.good.test", 0);
	const struct tls_tlsa tlsa = { .state = TLSA_NONE };
	struct tls_demand d;

	assert_int_equal(tls_demand_decide(&domain, &host, &tlsa, a, &d, NULL), -POD_E_NOMEM);
}

static void a_message_may_ask_for_more_or_waive(void **state)
{
	/* clang-format off */
	static const struct {
		const char *what;
		struct decision from;
		unsigned int message;
		enum tls_use use;
		enum tls_level level;
		bool watch;
	} cases[] = {
		{ "REQUIRETLS with DANE",
		  { .wish = TLS_WISH_MAY, .tlsa = TLSA_FOUND, .records = { &ee } }, TLS_MESSAGE_REQUIRE, TLS_USE_HOST, TLS_LEVEL_DANE, false },
		{ "REQUIRETLS and an MX that DNSSEC proves",
		  { .wish = TLS_WISH_MAY }, TLS_MESSAGE_REQUIRE, TLS_USE_HOST, TLS_LEVEL_VERIFY, false },
		{ "REQUIRETLS and an MX that nobody proves",
		  { .wish = TLS_WISH_MAY, .flags = NO_MX_PROOF }, TLS_MESSAGE_REQUIRE, TLS_USE_NONE, TLS_LEVEL_MAY, true },
		{ "REQUIRETLS and MTA-STS in testing",
		  { .wish = TLS_WISH_MAY, .sts = &testing, .flags = NO_MX_PROOF }, TLS_MESSAGE_REQUIRE, TLS_USE_HOST, TLS_LEVEL_VERIFY, false },
		{ "REQUIRETLS through a smart host",
		  { .wish = TLS_WISH_MAY, .flags = NO_MX_PROOF | CONFIGURED }, TLS_MESSAGE_REQUIRE, TLS_USE_HOST, TLS_LEVEL_VERIFY, false },
		{ "REQUIRETLS where TLS is turned off",
		  { .wish = TLS_WISH_NONE }, TLS_MESSAGE_REQUIRE, TLS_USE_NONE, TLS_LEVEL_NEVER, true },
		{ "REQUIRETLS, and TLSA that cannot be had: it waits",
		  { .wish = TLS_WISH_MAY, .tlsa = TLSA_FAILED }, TLS_MESSAGE_REQUIRE, TLS_USE_OTHER, TLS_LEVEL_VERIFY, false },
		{ "TLS-Required: No waives DANE",
		  { .wish = TLS_WISH_MAY, .tlsa = TLSA_FOUND, .records = { &ee } }, TLS_MESSAGE_OPTIONAL, TLS_USE_HOST, TLS_LEVEL_MAY, true },
		{ "and its failure",
		  { .wish = TLS_WISH_MAY, .tlsa = TLSA_FAILED }, TLS_MESSAGE_OPTIONAL, TLS_USE_HOST, TLS_LEVEL_MAY, true },
		{ "and MTA-STS",
		  { .wish = TLS_WISH_MAY, .sts = &enforce }, TLS_MESSAGE_OPTIONAL, TLS_USE_HOST, TLS_LEVEL_MAY, true },
		{ "but not what we were told",
		  { .wish = TLS_WISH_ENCRYPT, .sts = &enforce }, TLS_MESSAGE_OPTIONAL, TLS_USE_HOST, TLS_LEVEL_ENCRYPT, true },
		{ "and what we were told alone stays",
		  { .wish = TLS_WISH_VERIFY }, TLS_MESSAGE_OPTIONAL, TLS_USE_HOST, TLS_LEVEL_VERIFY, false },
		{ "REQUIRETLS goes before it",
		  { .wish = TLS_WISH_MAY }, TLS_MESSAGE_OPTIONAL | TLS_MESSAGE_REQUIRE, TLS_USE_HOST, TLS_LEVEL_VERIFY, false },
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct decision from = cases[i].from;
		struct tls_demand host, d;

		print_message("# %s\n", cases[i].what);
		from.host = "mx.good.test";
		host = decide(&from, a);
		tls_demand_for_message(&host, cases[i].message, &d);
		assert_int_equal(d.use, cases[i].use);
		assert_int_equal(d.level, cases[i].level);
		assert_int_equal(d.check.watch, cases[i].watch);
		assert_int_equal(d.use != TLS_USE_HOST, d.why[0] != '\0');
	}
}

static void a_session_is_measured_by_its_demand(void **state)
{
	static const struct {
		enum tls_level level;
		bool testing, offered, tls;
		enum tls_verdict verdict;
		bool met;
		enum tls_result result;
	} cases[] = {
		{ TLS_LEVEL_MAY, false, false, false, TLS_VERDICT_OTHER, true,
		  TLS_RESULT_STARTTLS_NOT_SUPPORTED },
		{ TLS_LEVEL_MAY, false, true, true, TLS_VERDICT_UNTRUSTED, true, TLS_RESULT_SUCCESS },
		{ TLS_LEVEL_MAY, false, true, false, TLS_VERDICT_OTHER, true, TLS_RESULT_VALIDATION_FAILURE },
		{ TLS_LEVEL_MAY, true, true, true, TLS_VERDICT_EXPIRED, true,
		  TLS_RESULT_CERTIFICATE_EXPIRED },
		{ TLS_LEVEL_MAY, true, true, true, TLS_VERDICT_GOOD, true, TLS_RESULT_SUCCESS },
		{ TLS_LEVEL_ENCRYPT, false, false, false, TLS_VERDICT_OTHER, false,
		  TLS_RESULT_STARTTLS_NOT_SUPPORTED },
		{ TLS_LEVEL_ENCRYPT, false, true, true, TLS_VERDICT_UNTRUSTED, true, TLS_RESULT_SUCCESS },
		{ TLS_LEVEL_VERIFY, false, true, true, TLS_VERDICT_GOOD, true, TLS_RESULT_SUCCESS },
		{ TLS_LEVEL_VERIFY, false, true, false, TLS_VERDICT_HOST_MISMATCH, false,
		  TLS_RESULT_CERTIFICATE_HOST_MISMATCH },
		{ TLS_LEVEL_VERIFY, false, true, false, TLS_VERDICT_UNTRUSTED, false,
		  TLS_RESULT_CERTIFICATE_NOT_TRUSTED },
		{ TLS_LEVEL_DANE, false, true, true, TLS_VERDICT_GOOD, true, TLS_RESULT_SUCCESS },
		{ TLS_LEVEL_DANE, false, true, false, TLS_VERDICT_NO_MATCH, false, TLS_RESULT_TLSA_INVALID },
		{ TLS_LEVEL_DANE, false, false, false, TLS_VERDICT_OTHER, false,
		  TLS_RESULT_STARTTLS_NOT_SUPPORTED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct tls_demand d = { .level = cases[i].level, .testing = cases[i].testing };

		assert_int_equal(tls_demand_is_met(&d, cases[i].tls, cases[i].verdict), cases[i].met);
		assert_int_equal(tls_result_of(&d, cases[i].offered, cases[i].tls, cases[i].verdict),
		                 cases[i].result);
	}
}

static void tlsa_records_are_asked_for_where_they_can_be_believed(void **state)
{
	struct tls_host h = host_of("mx.good.test", 0);

	assert_true(tlsa_may_be(&h));
	h = host_of("mx.good.test", NO_MX_PROOF);
	assert_false(tlsa_may_be(&h));
	h = host_of("mx.good.test", NO_MX_PROOF | CONFIGURED);
	assert_true(tlsa_may_be(&h));
	h = host_of("mx.good.test", NO_ADDR_PROOF);
	assert_false(tlsa_may_be(&h));
	h.canonical = "elsewhere.test"; /* the alias itself may be proven */
	assert_true(tlsa_may_be(&h));
	h = host_of("192.0.2.1", LITERAL);
	assert_false(tlsa_may_be(&h));
}

static void the_configuration_speaks_of_some_domains(void **state)
{
	static const struct outbound_conf conf = {
		.tls = TLS_WISH_MAY, .tls_domains = "partner.test=verify, .test = encrypt, .partner.test=none"
	};
	static const struct {
		const char *domain;
		enum tls_wish wish;
	} cases[] = {
		{ "partner.test", TLS_WISH_VERIFY },
		{ "PARTNER.test", TLS_WISH_VERIFY },
		{ "a.partner.test", TLS_WISH_NONE },
		{ "other.test", TLS_WISH_ENCRYPT },
		{ "test", TLS_WISH_MAY },
		{ "xpartner.test", TLS_WISH_ENCRYPT },
		{ "example.org", TLS_WISH_MAY },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(tls_wish_of(&conf, cases[i].domain), cases[i].wish);
}

/* ---- MTA-STS ---- */

static void sts_records_name_a_version(void **state)
{
	static const struct {
		const char *txt[3];
		int r;
		const char *id;
	} cases[] = {
		{ { "v=STSv1; id=20160831085700Z;" }, 0, "20160831085700Z" },
		{ { "v=STSv1;id=1" }, 0, "1" },
		{ { "v=spf1 -all", "v=STSv1; id=2; x=y", "other" }, 0, "2" },
		{ { "v=STSv1 ; id = 3 ;" }, 0, "3" },
		{ { "v=STSv1; id=1", "v=STSv1; id=1" }, -POD_E_NOTFOUND, NULL },
		{ { "v=STSv10; id=1" }, -POD_E_NOTFOUND, NULL },
		{ { "v=stsv1; id=1" }, -POD_E_NOTFOUND, NULL },
		{ { "id=1; v=STSv1" }, -POD_E_NOTFOUND, NULL },
		{ { "v=STSv1; id=" }, -POD_E_SYNTAX, NULL },
		{ { "v=STSv1; id=a-b" }, -POD_E_SYNTAX, NULL },
		{ { "v=STSv1; id=1; id=2" }, -POD_E_SYNTAX, NULL },
		{ { "v=STSv1;" }, -POD_E_SYNTAX, NULL },
		{ { "v=STSv1; id=123456789012345678901234567890123" }, -POD_E_SYNTAX, NULL },
		{ { NULL }, -POD_E_NOTFOUND, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span txt[3];
		char id[STS_ID_MAX + 1];
		size_t n = 0;

		while (n < 3 && cases[i].txt[n]) {
			txt[n] = span_of(cases[i].txt[n]);
			n++;
		}
		assert_int_equal(sts_record_id(txt, n, id), cases[i].r);
		if (cases[i].id)
			assert_string_equal(id, cases[i].id);
	}
}

static void sts_policies_are_read(void **state)
{
	static const struct {
		const char *text;
		int r;
		enum sts_mode mode;
		uint32_t max_age;
		size_t mx;
	} cases[] = {
		{ "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmax_age: "
		  "604800\r\n",
		  0, STS_ENFORCE, 604800, 2 },
		{ "version:STSv1\nmode:testing\nmx:a.b\nmax_age:1", 0, STS_TESTING, 1, 1 },
		{ "version: STSv1\nmode: none\nmax_age: 86400\n", 0, STS_NONE, 86400, 0 },
		{ "version: STSv1\nmode: enforce\nmode: none\nmx: a\nmax_age: 9\nmax_age: 8\nfuture: x: y\n",
		  0, STS_ENFORCE, 9, 1 },
		{ "version: STSv1\nmode: enforce\nmx: a\nmax_age: 9999999999\n", 0, STS_ENFORCE,
		  STS_MAX_AGE_MAX, 1 },
		{ "version: STSv2\nmode: none\nmax_age: 86400\n", -POD_E_SYNTAX, 0, 0, 0 },
		{ "mode: none\nmax_age: 86400\n", -POD_E_SYNTAX, 0, 0, 0 },
		{ "version: STSv1\nmode: always\nmax_age: 86400\n", -POD_E_SYNTAX, 0, 0, 0 },
		{ "version: STSv1\nmode: enforce\nmax_age: 86400\n", -POD_E_SYNTAX, 0, 0, 0 },
		{ "version: STSv1\nmode: enforce\nmx: a\n", -POD_E_SYNTAX, 0, 0, 0 },
		{ "version: STSv1\nmode: enforce\nmx: a\nmax_age: -1\n", -POD_E_SYNTAX, 0, 0, 0 },
		{ "version: STSv1\nmode: enforce\nmx: *.\nmax_age: 1\n", -POD_E_SYNTAX, 0, 0, 0 },
		{ "version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 1\n", -POD_E_SYNTAX, 0, 0, 0 },
		{ "<html>not found</html>", -POD_E_SYNTAX, 0, 0, 0 },
		{ "", -POD_E_SYNTAX, 0, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct sts_policy p = { 0 };
		struct err err = { 0 };

		assert_int_equal(sts_policy_parse(span_of(cases[i].text), a, &p, &err), cases[i].r);
		assert_int_equal(p.mode, cases[i].mode);
		assert_int_equal(p.max_age_s, cases[i].max_age);
		assert_int_equal(p.mx_n, cases[i].mx);
		assert_int_equal(err.text[0] != '\0', cases[i].r < 0);
	}
}

static void a_wildcard_stands_for_one_label(void **state)
{
	static const struct {
		const char *host;
		bool fits;
	} cases[] = {
		{ "mx.good.test", true },   { "MX.Good.Test", true },   { "a.pool.test", true },
		{ "a.b.pool.test", false }, { "pool.test", false },     { ".pool.test", false },
		{ "good.test", false },     { "xmx.good.test", false }, { "mx.good.test.x", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(sts_policy_has_mx(&enforce, cases[i].host), cases[i].fits);
}

/* ---- on disk ---- */

static char folder[] = "/tmp/podmail-tlspolicy-XXXXXX";

static struct kv *open_kv(void)
{
	static const struct kv_options o = { .map_bytes = 16u << 20, .flags = KV_CREATE | KV_NOSYNC };
	struct kv *kv;

	assert_int_equal(kv_open(folder, &o, &kv, NULL), 0);
	return kv;
}

static void due_note(void *arg, const char *domain)
{
	(void) snprintf(arg, 100, "%s", domain);
}

static void policies_outlive_us_and_end_when_they_say(void **state)
{
	static const struct span text =
		SPAN_LIT("version: STSv1\nmode: enforce\nmx: mx.good.test\nmax_age: 1000000\n");
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct kv *kv = open_kv();
	struct sts_store store;
	struct sts_entry e;
	char due[100] = "";

	assert_int_equal(sts_store_open(kv, &store, NULL), 0);
	assert_int_equal(sts_store_get(&store, "good.test", 1000, a, &e, NULL), -POD_E_NOTFOUND);
	assert_int_equal(sts_store_put(&store, "good.test", "id1", text, 1000, NULL), 0);
	(void) kv_close(kv);
	kv = open_kv();
	assert_int_equal(sts_store_open(kv, &store, NULL), 0);
	assert_int_equal(sts_store_get(&store, "good.test", 1000999, a, &e, NULL), 0);
	assert_string_equal(e.id, "id1");
	assert_string_equal(e.text, (const char *) text.p);
	assert_int_equal(e.policy.mode, STS_ENFORCE);
	assert_int_equal(sts_store_get(&store, "good.test", 1001000, a, &e, NULL), -POD_E_NOTFOUND);
	/* refreshed: when it is old enough, and was used */
	assert_int_equal(sts_store_sweep(&store, 90000, 1000, 0, 10, due_note, due, NULL), 0);
	assert_string_equal(due, "");
	assert_int_equal(sts_store_sweep(&store, 90000, 1001, 1001, 10, due_note, due, NULL), 0);
	assert_string_equal(due, "");
	assert_int_equal(sts_store_touch(&store, "good.test", 90000, NULL), 0);
	assert_int_equal(sts_store_sweep(&store, 90000, 1001, 1001, 10, due_note, due, NULL), 0);
	assert_string_equal(due, "good.test");
	/* and gone when its time is over */
	assert_int_equal(sts_store_sweep(&store, 1001000, 0, 0, 10, due_note, due, NULL), 0);
	assert_int_equal(sts_store_get(&store, "good.test", 1000, a, &e, NULL), -POD_E_NOTFOUND);
	(void) kv_close(kv);
}

struct seen {
	char text[32768]; /* SESSIONS_FAILURES_MAX of them */
};

static int row_note(void *arg, uint32_t day, const char *domain, const Tlspolicy__Sessions *row)
{
	struct seen *s = arg;
	size_t at = strlen(s->text);

	at += (size_t) snprintf(s->text + at, sizeof(s->text) - at,
	                        "%u %s %s %zu strings, %zu patterns, %u good", day, domain,
	                        tls_source_name(row->source), row->n_strings, row->n_patterns,
	                        (unsigned int) row->success);
	for (size_t i = 0; i < row->n_failures; i++)
		at += (size_t) snprintf(s->text + at, sizeof(s->text) - at, ", %u %s %s",
		                        (unsigned int) row->failures[i]->count,
		                        tls_result_name(row->failures[i]->result),
		                        row->failures[i]->receiving_ip);
	(void) snprintf(s->text + at, sizeof(s->text) - at, "\n");
	return 0;
}

static void sessions_are_counted_by_day_domain_and_policy(void **state)
{
	static const char *const strings[] = { "3 1 1 aa" };
	static const struct tls_demand dane = { .domain = "b.test",
		                                .host = "mx.b.test",
		                                .source = TLS_SOURCE_DANE,
		                                .strings = strings,
		                                .strings_n = 1 },
				       none = { .domain = "a.test", .host = "mx.a.test" };
	static const struct tls_session good = { .result = TLS_RESULT_SUCCESS, .receiving_ip = "192.0.2.9" },
					expired = { .result = TLS_RESULT_CERTIFICATE_EXPIRED,
		                                    .receiving_ip = "192.0.2.1" },
					other = { .result = TLS_RESULT_CERTIFICATE_EXPIRED,
		                                  .receiving_ip = "192.0.2.2" };
	struct kv *kv = open_kv();
	struct tls_sessions *s;
	struct seen seen = { "" };

	assert_int_equal(tls_sessions_open(kv, &s, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tls_sessions_count(s, 10, &dane, &good, NULL), 0);
		assert_int_equal(tls_sessions_count(s, 10, &dane, &expired, NULL), 0);
		assert_int_equal(tls_sessions_count(s, 11, &none, &good, NULL), 0);
		assert_true(tls_sessions_wait(s));
		assert_int_equal(tls_sessions_write(s, NULL), 0);
		assert_false(tls_sessions_wait(s));
	}
	assert_int_equal(tls_sessions_count(s, 10, &dane, &other, NULL), 0);
	assert_int_equal(tls_sessions_count(s, 12, &none, &good, NULL), 0);
	assert_int_equal(tls_sessions_write(s, NULL), 0);
	(void) tls_sessions_free(s);
	(void) kv_close(kv);
	kv = open_kv();
	assert_int_equal(tls_sessions_open(kv, &s, NULL), 0);
	assert_int_equal(tls_sessions_each(s, 10, 11, row_note, &seen, NULL), 0);
	assert_string_equal(seen.text,
	                    "10 b.test tlsa 1 strings, 0 patterns, 3 good, 3 certificate-expired 192.0.2.1, "
	                    "1 certificate-expired 192.0.2.2\n"
	                    "11 a.test no-policy-found 0 strings, 0 patterns, 3 good\n");
	assert_int_equal(tls_sessions_forget(s, 12, NULL), 0);
	seen.text[0] = '\0';
	assert_int_equal(tls_sessions_each(s, 0, 100, row_note, &seen, NULL), 0);
	assert_string_equal(seen.text, "12 a.test no-policy-found 0 strings, 0 patterns, 1 good\n");
	(void) tls_sessions_free(s);
	(void) kv_close(kv);
}

static void very_many_different_failures_are_only_counted(void **state)
{
	static const struct tls_demand none = { .domain = "many.test", .host = "mx.many.test" };
	struct kv *kv = open_kv();
	struct tls_sessions *s;
	struct seen seen = { "" };

	assert_int_equal(tls_sessions_open(kv, &s, NULL), 0);
	for (unsigned int i = 0; i < SESSIONS_PENDING_MAX + 500; i++) {
		char ip[32];
		struct tls_session t = { .result = TLS_RESULT_VALIDATION_FAILURE, .receiving_ip = ip };

		(void) snprintf(ip, sizeof(ip), "192.0.%u.%u", i / 256, i % 256);
		assert_int_equal(tls_sessions_count(s, 20, &none, &t, NULL), 0);
	}
	assert_int_equal(tls_sessions_write(s, NULL), 0);
	assert_int_equal(tls_sessions_each(s, 20, 20, row_note, &seen, NULL), 0);
	assert_non_null(strstr(seen.text, "192.0.0.199"));
	assert_null(strstr(seen.text, "192.0.0.200"));
	(void) tls_sessions_free(s);
	(void) kv_close(kv);
}

static int make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	char command[100];

	(void) snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_known_decides_what_is_demanded),
		cmocka_unit_test(a_small_memory_is_an_error_and_no_weaker_demand),
		cmocka_unit_test(a_message_may_ask_for_more_or_waive),
		cmocka_unit_test(a_session_is_measured_by_its_demand),
		cmocka_unit_test(tlsa_records_are_asked_for_where_they_can_be_believed),
		cmocka_unit_test(the_configuration_speaks_of_some_domains),
		cmocka_unit_test(sts_records_name_a_version),
		cmocka_unit_test(sts_policies_are_read),
		cmocka_unit_test(a_wildcard_stands_for_one_label),
		cmocka_unit_test(policies_outlive_us_and_end_when_they_say),
		cmocka_unit_test(sessions_are_counted_by_day_domain_and_policy),
		cmocka_unit_test(very_many_different_failures_are_only_counted),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
