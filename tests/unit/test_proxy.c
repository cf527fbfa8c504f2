#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "net/listener.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"

static void headers_of_both_versions_give_the_client_address(void **state)
{
	static const struct {
		struct span in;
		int r;
		const char *peer, *local;
	} cases[] = {
		{ SPAN_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\r\nEHLO"), 44, "192.0.2.1:40000", "198.51.100.2:25" },
		{ SPAN_LIT("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n"), 36, "[2001:db8::1]:1", "[::1]:65535" },
		{ SPAN_LIT("PROXY UNKNOWN\r\n"), 15, "", "" },
		{ SPAN_LIT("PROXY UNKNOWN ff:: x y\r\n"), 24, "", "" },
		{ SPAN_LIT(V2 "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x9c\x40\0\x19"), 28, "192.0.2.1:40000", "198.51.100.2:25" },
		{ SPAN_LIT(V2 "\x21\x11\0\x0f\xc0\0\2\1\xc6\x33\x64\2\x9c\x40\0\x19\4\0\0rest"), 31, "192.0.2.1:40000",
		  "198.51.100.2:25" },
		{ SPAN_LIT(V2 "\x20\0\0\0"), 16, "", "" },
		{ SPAN_LIT(V2 "\x20\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x9c\x40\0\x19"), 28, "", "" },
		{ SPAN_LIT(V2 "\x21\0\0\0"), 16, "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_addr peer = { 0 }, local = { 0 };
		char text[NET_ADDR_TEXT_SIZE];

		assert_int_equal(proxy_header_parse(cases[i].in, &peer, &local), cases[i].r);
		assert_string_equal(peer.len ? net_addr_format(&peer, text, sizeof(text)) : "", cases[i].peer);
		assert_string_equal(local.len ? net_addr_format(&local, text, sizeof(text)) : "", cases[i].local);
	}
}

static void what_is_not_a_header_is_refused(void **state)
{
	static const struct span cases[] = {
		SPAN_LIT("EHLO there\r\n"),
		SPAN_LIT("proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n"),
		SPAN_LIT("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n"),
		SPAN_LIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n"),
		SPAN_LIT("PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n"),
		SPAN_LIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n"),
		SPAN_LIT("PROXY TCP4 ::1 ::1 1 2\r\n"),
		SPAN_LIT("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"),
		SPAN_LIT("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n"
		         "...................................................................................."),
		SPAN_LIT(V2 "\x11\x11\0\x0c"), /* version 1 */
		SPAN_LIT(V2 "\x22\x11\0\x0c"), /* no such command */
		SPAN_LIT(V2 "\x21\x11\0\x0b" "123456789ab"), /* too short for its family */
		SPAN_LIT(V2 "\x21\x12\0\x0c" "123456789abc"), /* UDP */
		SPAN_LIT(V2 "\x21\x31\0\0"), /* unix: would pass for local */
		SPAN_LIT(V2 "\x21\x11\xff\xff"), /* longer than we take */
		SPAN_LIT("\r\n\r\n\1"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct net_addr peer = { 0 }, local = { 0 };

		assert_int_equal(proxy_header_parse(cases[i], &peer, &local), -POD_E_SYNTAX);
		assert_int_equal(peer.len, 0);
	}
}

static void every_prefix_of_a_header_asks_for_more(void **state)
{
	static const struct span cases[] = {
		SPAN_LIT("PROXY TCP4 192.0.2.1 198.51.100.2 40000 25\r\n"),
		SPAN_LIT(V2 "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x9c\x40\0\x19"),
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t n = 0; n < cases[i].len; n++) {
			struct net_addr peer, local;

			assert_int_equal(proxy_header_parse(span_head(cases[i], n), &peer, &local), 0);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_of_both_versions_give_the_client_address),
		cmocka_unit_test(what_is_not_a_header_is_refused),
		cmocka_unit_test(every_prefix_of_a_header_asks_for_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
