/* The parts of sending that are plain functions: dot-stuffing, what a server offers, routes, silent
 * addresses, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "smtp/capabilities.h"
#include "smtp/stuff.h"
#include "mta/outbound/mail_name.h"
#include "mta/outbound/memory.h"
#include "mta/outbound/routes.h"

/* ---- dot-stuffing ---- */

/* The message cut into pieces of step bytes, as the wire sees it. */
static void stuffed(const char *message, size_t step, struct buf *out)
{
	struct smtp_stuffer s = { 0 };
	struct span all = span_of(message);

	for (size_t at = 0; at < all.len;) {
		bool dot;
		struct span rest = span_head(span_skip(all, at), step);
		size_t n = smtp_stuff(&s, rest, &dot);

		assert_in_range(n, 1, rest.len);
		if (dot)
			buf_add_str(out, ".");
		buf_add(out, span_head(rest, n));
		at += n;
	}
	buf_add(out, smtp_stuff_end(&s));
}

static void lines_that_begin_with_a_dot_get_another_however_the_message_is_cut(void **state)
{
	static const struct {
		const char *in, *out;
		bool needless;
	} cases[] = {
		{ "a\r\nb\r\n", "a\r\nb\r\n.\r\n", true },
		{ ".\r\n", "..\r\n.\r\n", false },
		{ "a\r\n.\r\n..b\r\n", "a\r\n..\r\n...b\r\n.\r\n", false },
		{ "a.b\r\n", "a.b\r\n.\r\n", true },
		{ "no end", "no end\r\n.\r\n", true },
		{ "a\n.\r\n", "a\n..\r\n.\r\n", false },
		{ "", ".\r\n", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(smtp_stuff_is_needless(span_of(cases[i].in)), cases[i].needless);
		for (size_t step = 1; step < 12; step++) {
			_cleanup_buf_ struct buf out = BUF_INIT;

			stuffed(cases[i].in, step, &out);
			assert_string_equal(buf_str(&out), cases[i].out);
		}
	}
}

/* ---- EHLO ---- */

static void what_a_server_offers_is_read_and_the_rest_passed_over(void **state)
{
	struct smtp_capabilities c;

	smtp_capabilities_parse(
		SPAN_LIT("PIPELINING is not a name\nSIZE 1000\npipelining\nAUTH=LOGIN\nAUTH PLAIN "
	                 "SCRAM-SHA-256 b@d\n"
	                 "DELIVERBY 60\nXFOO bar\nLIMITS RCPTMAX=5 MAILMAX=x OTHER=1\nSIZE many"),
		&c);
	assert_int_equal(c.flags, SMTP_CAP_SIZE | SMTP_CAP_PIPELINING | SMTP_CAP_AUTH | SMTP_CAP_DELIVERBY |
	                                  SMTP_CAP_LIMITS);
	assert_int_equal(c.size_max, 1000);
	assert_int_equal(c.by_min_s, 60);
	assert_int_equal(c.rcpts_max, 5);
	assert_int_equal(c.mails_max, 0);
	assert_string_equal(c.auth, "LOGIN PLAIN SCRAM-SHA-256");
}

/* ---- routes ---- */

static int load(const char *text, struct routes **ret, struct err *err)
{
	char path[] = "/tmp/routes-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void) close(fd);
	r = routes_load(path, ret, err);
	(void) unlink(path);
	return r;
}

static void the_closest_line_is_the_route(void **state)
{
	static const struct {
		const char *domain, *host;
	} cases[] = { { "a.test", "exact" },      { "A.Test", "exact" }, { "x.b.test", "below" },
		      { "y.x.b.test", "nearer" }, { "b.test", "all" },   { "z.c.test", NULL },
		      { "nearer.test", "all" } };
	struct routes *routes = NULL;

	assert_int_equal(
		load("# comment\n\n* all\na.test\texact:26\n.b.test below\n.x.b.test nearer\n.c.test mx\n",
	             &routes, NULL),
		0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct route *r = routes_find(routes, span_of(cases[i].domain));

		if (!cases[i].host)
			assert_null(r);
		else
			assert_string_equal(r->host, cases[i].host);
	}
	assert_int_equal(routes_find(routes, SPAN_LIT("a.test"))->port, 26);
	(void) routes_free(routes);
	assert_null(routes_find(NULL, SPAN_LIT("a.test")));
}

static void a_line_that_means_nothing_is_an_error_with_its_number(void **state)
{
	static const char *const bad[] = { "a.test",
		                           "a.test host:0",
		                           "a.test host:x",
		                           "a.test [1.2.3.4",
		                           "a.test host tls=maybe",
		                           "a.test host tls=",
		                           "a.test host speed=1",
		                           "a.test host login=me",
		                           "a.test host login=me password-file=/does/not/exist" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct routes *routes = NULL;
		struct err err = { 0 };

		assert_true(load(bad[i], &routes, &err) < 0);
		assert_non_null(strstr(err.text, ":1:"));
	}
}

/* ---- addresses and names ---- */

static struct net_addr address(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(span_of(text), &a, NULL), 0);
	return a;
}

static void a_silent_address_is_remembered_for_its_time(void **state)
{
	struct memory *m = memory_create();
	struct net_addr a = address("192.0.2.1:25"), other_port = address("192.0.2.1:26"),
			v6 = address("[2001:db8::1]:25");

	memory_mark_silent(m, &a, 1000);
	memory_mark_silent(m, &v6, 500);
	assert_true(memory_is_silent(m, &a, 999));
	assert_false(memory_is_silent(m, &a, 1000));
	assert_false(memory_is_silent(m, &other_port, 10));
	assert_true(memory_is_silent(m, &v6, 499));
	memory_mark_alive(m, &a);
	assert_false(memory_is_silent(m, &a, 10));
	(void) memory_free(m);
}

static void literals_and_international_names(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	char host[NET_ADDR_TEXT_SIZE];
	struct net_addr addr;
	const char *ascii;

	assert_int_equal(mail_name_literal(SPAN_LIT("[192.0.2.1]"), 25, &addr), 0);
	assert_string_equal(net_addr_host(&addr, host, sizeof(host)), "192.0.2.1");
	assert_int_equal(mail_name_literal(SPAN_LIT("[ipv6:2001:db8::1]"), 25, &addr), 0);
	assert_int_equal(net_addr_port(&addr), 25);
	assert_int_equal(mail_name_literal(SPAN_LIT("[IPv6:x]"), 25, &addr), -POD_E_SYNTAX);
	assert_int_equal(mail_name_literal(SPAN_LIT("192.0.2.1"), 25, &addr), -POD_E_SYNTAX);
	assert_int_equal(mail_name_ascii(a,
	                                 SPAN_LIT("B\xc3\xbc"
	                                          "cher.Example"),
	                                 &ascii),
	                 0);
	assert_string_equal(ascii, "xn--bcher-kva.example");
	assert_int_equal(mail_name_ascii(a, SPAN_LIT("EXAMPLE.org"), &ascii), 0);
	assert_string_equal(ascii, "example.org");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_begin_with_a_dot_get_another_however_the_message_is_cut),
		cmocka_unit_test(what_a_server_offers_is_read_and_the_rest_passed_over),
		cmocka_unit_test(the_closest_line_is_the_route),
		cmocka_unit_test(a_line_that_means_nothing_is_an_error_with_its_number),
		cmocka_unit_test(a_silent_address_is_remembered_for_its_time),
		cmocka_unit_test(literals_and_international_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
