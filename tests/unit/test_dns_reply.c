/* Replies of name servers, byte for byte, and names. Lookups with a real server: tests/component/test_dns.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>

#include "base/cleanup.h"
#include "dns/internal.h"

/* A header with one question, a.b; then answers. Names in answers point at it (RFC 1035 4.1.4). */
#define HEADER(rcode, answers)     "\0\1\x80" rcode "\0\1\0" answers "\0\0\0\0"
#define QUESTION(type)             "\1a\1b\0\0" type "\0\1"
#define RR(name, type, ttl, rdlen) name "\0" type "\0\1\0\0\0" ttl "\0" rdlen
#define ASKED                      "\xc0\x0c"

static void replies_are_read(void **state)
{
	static const struct {
		const char *what;
		enum dns_type type;
		struct span packet;
		int r;
		enum dns_outcome outcome;
		size_t n;
		const char *canonical;
		uint32_t ttl;
	} cases[] = {
		{ "an address", DNS_A,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\1") RR(ASKED, "\1", "\7", "\4") "\1\2\3\4"), 0,
		  DNS_FOUND, 1, "a.b", 7 },
		{ "an address of five bytes", DNS_A,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\1") RR(ASKED, "\1", "\7", "\5") "\1\2\3\4\5"),
		  -POD_E_SYNTAX, 0, 0, "", 0 },
		{ "another type than asked for", DNS_AAAA,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\x1c") RR(ASKED, "\1", "\7", "\4") "\1\2\3\4"), 0,
		  DNS_NODATA, 0, "a.b", UINT32_MAX },
		{ "another name than asked for", DNS_A,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\1") RR("\1x\0", "\1", "\7", "\4") "\1\2\3\4"), 0,
		  DNS_NODATA, 0, "a.b", UINT32_MAX },
		{ "no such name", DNS_A, SPAN_LIT(HEADER("\3", "\0") QUESTION("\1")), 0, DNS_NXDOMAIN, 0,
		  "a.b", UINT32_MAX },
		{ "refused", DNS_A, SPAN_LIT(HEADER("\5", "\0") QUESTION("\1")), 0, DNS_TEMPORARY, 0, "a.b",
		  UINT32_MAX },
		{ "an alias, of the shorter life", DNS_A,
		  SPAN_LIT(HEADER("\0", "\2") QUESTION("\1") RR(ASKED, "\5", "\2", "\3") "\1C\0" RR(
			  "\1c\0", "\1", "\7", "\4") "\1\2\3\4"),
		  0, DNS_FOUND, 1, "c", 2 },
		{ "an alias of itself", DNS_A,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\1") RR(ASKED, "\5", "\2", "\2") ASKED), 0,
		  DNS_NODATA, 0, "a.b", 2 },
		{ "an alias as asked for", DNS_CNAME,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\5") RR(ASKED, "\5", "\2", "\3") "\1c\0"), 0,
		  DNS_FOUND, 1, "a.b", 2 },
		{ "the null MX", DNS_MX,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\xf") RR(ASKED, "\xf", "\2", "\3") "\0\0\0"), 0,
		  DNS_FOUND, 1, "a.b", 2 },
		{ "an MX without a name", DNS_MX,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\xf") RR(ASKED, "\xf", "\2", "\2") "\0\1"),
		  -POD_E_SYNTAX, 0, 0, "", 0 },
		{ "a name that points at itself", DNS_PTR,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\xc") RR(ASKED, "\xc", "\2", "\2") "\xc0\x21"),
		  -POD_E_SYNTAX, 0, 0, "", 0 },
		{ "a text of two strings", DNS_TXT,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\x10") RR(ASKED, "\x10", "\2", "\6") "\2ab\2cd"), 0,
		  DNS_FOUND, 1, "a.b", 2 },
		{ "a string longer than its record", DNS_TXT,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\x10") RR(ASKED, "\x10", "\2", "\3") "\3ab"),
		  -POD_E_SYNTAX, 0, 0, "", 0 },
		{ "a TLSA record too short to be one is there", DNS_TLSA,
		  SPAN_LIT(HEADER("\0", "\1") QUESTION("\x34") RR(ASKED, "\x34", "\2", "\2") "\3\1"), 0,
		  DNS_FOUND, 1, "a.b", 2 },
		{ "a count with nothing behind it", DNS_A, SPAN_LIT(HEADER("\0", "\1") QUESTION("\1")),
		  -POD_E_SYNTAX, 0, 0, "", 0 },
		{ "half a header", DNS_A, SPAN_LIT("\0\1\x80\0\0"), -POD_E_SYNTAX, 0, 0, "", 0 },
		{ "no question", DNS_A, SPAN_LIT("\0\1\x80\0\0\0\0\0\0\0\0\0"), -POD_E_SYNTAX, 0, 0, "", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(4096);
		struct dns_answer answer = { .type = cases[i].type };

		print_message("# %s\n", cases[i].what);
		assert_int_equal(dns_reply_parse(cases[i].packet, a, &answer), cases[i].r);
		if (cases[i].r < 0)
			continue;
		assert_int_equal(answer.outcome, cases[i].outcome);
		assert_int_equal(answer.n, cases[i].n);
		assert_string_equal(answer.canonical, cases[i].canonical);
		assert_int_equal(answer.ttl_s, cases[i].ttl);
	}
}

static void records_are_what_they_say(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(4096);
	struct dns_answer answer = { .type = DNS_MX };
	static const struct span mx = SPAN_LIT(HEADER("\0", "\2") QUESTION("\xf") RR(
		ASKED, "\xf", "\2", "\6") "\0\x14\1m" ASKED RR(ASKED, "\xf", "\2", "\3") "\0\5\0");
	static const struct span tlsa =
		SPAN_LIT(HEADER("\0", "\1") QUESTION("\x34") RR(ASKED, "\x34", "\2", "\5") "\3\1\2\xaa\xbb");

	assert_int_equal(dns_reply_parse(mx, a, &answer), 0);
	assert_int_equal(answer.n, 2);
	assert_int_equal(answer.mx[0].preference, 5);
	assert_string_equal(answer.mx[0].host, ".");
	assert_string_equal(answer.mx[1].host, "m.a.b");
	answer = (struct dns_answer){ .type = DNS_TLSA };
	assert_int_equal(dns_reply_parse(tlsa, a, &answer), 0);
	assert_int_equal(answer.tlsa[0].usage, 3);
	assert_int_equal(answer.tlsa[0].selector, 1);
	assert_int_equal(answer.tlsa[0].matching, 2);
	assert_true(span_eq(answer.tlsa[0].data, SPAN_LIT("\xaa\xbb")));
}

static void a_reply_larger_than_the_memory_for_it_is_a_limit(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16);
	struct dns_answer answer = { .type = DNS_TXT };
	static const struct span text =
		SPAN_LIT(HEADER("\0", "\1") QUESTION("\x10") RR(ASKED, "\x10", "\2", "\x0c") "\x0b"
	                                                                                     "hello world");

	assert_int_equal(dns_reply_parse(text, a, &answer), -POD_E_LIMIT);
}

static struct dns_answer half(enum dns_outcome outcome, bool secure, const struct net_addr *addr)
{
	return (struct dns_answer){ .outcome = outcome,
		                    .secure = secure,
		                    .n = addr ? 1 : 0,
		                    .addr = addr,
		                    .why = "why",
		                    .canonical = "" };
}

static void both_families_make_one_answer(void **state)
{
	static const struct {
		enum dns_outcome v6, v4, both;
		bool incomplete;
	} cases[] = {
		{ DNS_FOUND, DNS_FOUND, DNS_FOUND, false },
		{ DNS_NODATA, DNS_FOUND, DNS_FOUND, false },
		{ DNS_TEMPORARY, DNS_FOUND, DNS_FOUND, true },
		{ DNS_FOUND, DNS_BOGUS, DNS_FOUND, true },
		{ DNS_NODATA, DNS_TEMPORARY, DNS_TEMPORARY, false },
		{ DNS_NODATA, DNS_NODATA, DNS_NODATA, false },
		{ DNS_NXDOMAIN, DNS_NXDOMAIN, DNS_NXDOMAIN, false },
		{ DNS_BOGUS, DNS_TEMPORARY, DNS_BOGUS, false },
	};
	struct net_addr v6, v4;

	assert_int_equal(net_addr_parse(SPAN_LIT("[::1]:0"), &v6, NULL), 0);
	assert_int_equal(net_addr_parse(SPAN_LIT("192.0.2.1:0"), &v4, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(4096);
		struct dns_answer all = half(cases[i].v6, true, cases[i].v6 == DNS_FOUND ? &v6 : NULL);
		struct dns_answer more = half(cases[i].v4, i % 2, cases[i].v4 == DNS_FOUND ? &v4 : NULL);

		assert_int_equal(dns_answer_merge(&all, &more, a), 0);
		assert_int_equal(all.outcome, cases[i].both);
		assert_int_equal(all.incomplete, cases[i].incomplete);
		assert_int_equal(all.secure, i % 2);
		assert_int_equal(all.n, (cases[i].v6 == DNS_FOUND) + (cases[i].v4 == DNS_FOUND));
		if (all.n == 2)
			assert_int_equal(all.addr[0].ss.ss_family, AF_INET6);
	}
}

static void names_are_checked_before_they_are_asked_for(void **state)
{
	static const char l63[] = "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123";
	static const struct {
		const char *name;
		bool good;
	} cases[] = {
		{ "example.org", true },
		{ "example.org.", true },
		{ ".", true },
		{ "_25._tcp.mx.example.org", true },
		{ l63, true },
		{ "", false },
		{ "..", false },
		{ ".example.org", false },
		{ "a..b", false },
		{ "a b", false },
		{ "a\\b", false },
		{ "b\xc3\xbc"
		  "cher.example",
		  false },
	};
	char text[400];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(dns_name_is_valid(cases[i].name), cases[i].good);
	(void) snprintf(text, sizeof(text), "x%s", l63);
	assert_false(dns_name_is_valid(text));
	(void) snprintf(text, sizeof(text), "%s.%s.%s.%.61s", l63, l63, l63, l63);
	assert_true(dns_name_is_valid(text));
	(void) snprintf(text, sizeof(text), "%s.%s.%s.%.62s", l63, l63, l63, l63);
	assert_false(dns_name_is_valid(text));
}

static void addresses_are_reversed(void **state)
{
	static const struct {
		const char *addr, *suffix, *name;
	} cases[] = {
		{ "192.0.2.1:25", NULL, "1.2.0.192.in-addr.arpa" },
		{ "192.0.2.1:25", "bl.example", "1.2.0.192.bl.example" },
		{ "[::ffff:192.0.2.1]:25", NULL, "1.2.0.192.in-addr.arpa" },
		{ "[2001:db8::567:89ab]:25", NULL,
		  "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" },
	};
	char text[DNS_NAME_SIZE];
	struct net_addr a;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(net_addr_parse(span_of(cases[i].addr), &a, NULL), 0);
		assert_int_equal(dns_reverse_name(&a, cases[i].suffix, text, sizeof(text)), 0);
		assert_string_equal(text, cases[i].name);
		assert_int_equal(dns_reverse_name(&a, cases[i].suffix, text, strlen(cases[i].name)),
		                 -POD_E_LIMIT);
	}
	assert_int_equal(net_addr_parse(SPAN_LIT("unix:/x"), &a, NULL), 0);
	assert_int_equal(dns_reverse_name(&a, NULL, text, sizeof(text)), -POD_E_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_are_read),
		cmocka_unit_test(records_are_what_they_say),
		cmocka_unit_test(a_reply_larger_than_the_memory_for_it_is_a_limit),
		cmocka_unit_test(both_families_make_one_answer),
		cmocka_unit_test(names_are_checked_before_they_are_asked_for),
		cmocka_unit_test(addresses_are_reversed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
