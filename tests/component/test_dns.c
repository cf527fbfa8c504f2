/* Lookups by lib/dns in a DNS of our own (tests/support/dns_tree.py): signed, unsigned, forged, silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "dns/dns.h"
#include "tests/support/dns_tree.h"

#define LIMIT_MS 30000

static const char zones[] =
	"[signed.test] signed\n"
	"@ MX 20 mx\n"
	"@ MX 10 alias\n"
	"@ TXT \"v=spf1 \" \"-all\"\n"
	"mx A 127.0.0.5\n"
	"mx AAAA ::5\n"
	"four A 127.0.0.4\n"
	"alias CNAME mx\n"
	"out CNAME mx.unsigned.test.\n"
	"_25._tcp.mx TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
	"nothing MX 0 .\n"
	"[unsigned.test] unsigned\n"
	"@ MX 10 mx\n"
	"mx A 127.0.0.6\n"
	"[forged.test] bogus\n"
	"@ MX 10 mx\n"
	"mx A 127.0.0.7\n"
	"[127.in-addr.arpa] unsigned\n"
	"5.0.0 PTR mx.signed.test.\n"
	"[bl.test] unsigned\n"
	"9.0.0.127 A 127.0.0.2\n"
	"kept 3600 A 127.0.0.8\n";

struct world {
	struct dns_tree tree;
	struct dns_conf conf;
	struct event_base *base;
	struct dns *dns;
};

/* What a callback was given, kept. */
struct result {
	struct world *w;
	unsigned int calls;
	enum dns_outcome outcome;
	bool secure, incomplete, free_all;
	size_t n;
	char text[256], why[256], canonical[256];
};

static int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err err = { 0 };

	assert_non_null(w);
	dns_tree_start(&w->tree, zones);
	w->conf = dns_tree_conf(&w->tree);
	w->base = event_base_new();
	assert_non_null(w->base);
	if (dns_create(w->base, &w->conf, &w->dns, &err) < 0)
		fail_msg("%s", err.text);
	*state = w;
	return 0;
}

static int world_teardown(void **state)
{
	struct world *w = *state;

	(void) dns_free(w->dns);
	event_base_free(w->base);
	dns_tree_stop(&w->tree);
	free(w);
	return 0;
}

/* ---- lookups ---- */

static void record_text(const struct dns_answer *a, size_t i, struct buf *out)
{
	char text[NET_ADDR_TEXT_SIZE];

	buf_add_str(out, i ? ", " : "");
	if (a->mx)
		buf_printf(out, "%u %s", a->mx[i].preference, a->mx[i].host);
	if (a->addr)
		buf_add_str(out, net_addr_host(&a->addr[i], text, sizeof(text)));
	if (a->tlsa)
		buf_printf(out, "%u %u %u of %zu", a->tlsa[i].usage, a->tlsa[i].selector, a->tlsa[i].matching,
		           a->tlsa[i].data.len);
	if (a->txt)
		buf_add(out, a->txt[i]);
	if (a->names)
		buf_add_str(out, a->names[i]);
}

static void result_on_answer(void *arg, const struct dns_answer *a)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	struct result *r = arg;

	r->calls++;
	r->outcome = a->outcome;
	r->secure = a->secure;
	r->incomplete = a->incomplete;
	r->n = a->n;
	for (size_t i = 0; i < a->n; i++)
		record_text(a, i, &text);
	(void) snprintf(r->text, sizeof(r->text), "%s", buf_str(&text));
	(void) snprintf(r->why, sizeof(r->why), "%s", a->why);
	(void) snprintf(r->canonical, sizeof(r->canonical), "%s", a->canonical);
	if (r->free_all)
		r->w->dns = dns_free(r->w->dns);
}

static void turn_until(struct world *w, const unsigned int *calls)
{
	uint64_t end = clock_mono_ms() + LIMIT_MS;
	struct timeval tick = { .tv_usec = 20000 };

	while (*calls == 0 && clock_mono_ms() < end) {
		(void) event_base_loopexit(w->base, &tick);
		(void) event_base_dispatch(w->base);
	}
}

static struct result look_up(struct world *w, enum dns_type type, const char *name)
{
	struct result r = { .w = w };
	struct dns_lookup *l;

	assert_int_equal(dns_lookup(w->dns, type, name, 0, result_on_answer, &r, &l, NULL), 0);
	assert_int_equal(r.calls, 0); /* never from inside of the call */
	turn_until(w, &r.calls);
	assert_int_equal(r.calls, 1);
	return r;
}

static void every_answer_says_what_it_is_worth(void **state)
{
	static const struct {
		enum dns_type type;
		const char *name;
		enum dns_outcome outcome;
		bool secure;
		const char *text, *canonical;
	} cases[] = {
		{ DNS_MX, "signed.test", DNS_FOUND, true, "10 alias.signed.test, 20 mx.signed.test",
		  "signed.test" },
		{ DNS_MX, "Signed.TEST.", DNS_FOUND, true, "10 alias.signed.test, 20 mx.signed.test", NULL },
		{ DNS_MX, "nothing.signed.test", DNS_FOUND, true, "0 .", NULL },
		{ DNS_ADDR, "mx.signed.test", DNS_FOUND, true, "::5, 127.0.0.5", "mx.signed.test" },
		{ DNS_ADDR, "four.signed.test", DNS_FOUND, true, "127.0.0.4", NULL },
		{ DNS_ADDR, "alias.signed.test", DNS_FOUND, true, "::5, 127.0.0.5", "mx.signed.test" },
		{ DNS_ADDR, "out.signed.test", DNS_FOUND, false, "127.0.0.6", "mx.unsigned.test" },
		{ DNS_CNAME, "out.signed.test", DNS_FOUND, true, "mx.unsigned.test", "out.signed.test" },
		{ DNS_A, "mx.signed.test", DNS_FOUND, true, "127.0.0.5", NULL },
		{ DNS_AAAA, "mx.signed.test", DNS_FOUND, true, "::5", NULL },
		{ DNS_TLSA, "_25._tcp.mx.signed.test", DNS_FOUND, true, "3 1 1 of 32", NULL },
		{ DNS_TLSA, "_25._tcp.four.signed.test", DNS_NXDOMAIN, true, "", NULL },
		{ DNS_TXT, "signed.test", DNS_FOUND, true, "v=spf1 -all", NULL },
		{ DNS_TXT, "mx.signed.test", DNS_NODATA, true, "", NULL },
		{ DNS_ADDR, "no.signed.test", DNS_NXDOMAIN, true, "", NULL },
		{ DNS_MX, "no-such-top", DNS_NXDOMAIN, true, "", NULL },
		{ DNS_NS, "signed.test", DNS_FOUND, true, "ns", NULL },
		{ DNS_MX, "unsigned.test", DNS_FOUND, false, "10 mx.unsigned.test", NULL },
		{ DNS_MX, "no.unsigned.test", DNS_NXDOMAIN, false, "", NULL },
		{ DNS_MX, "forged.test", DNS_BOGUS, false, "", NULL },
		{ DNS_ADDR, "mx.forged.test", DNS_BOGUS, false, "", NULL },
		{ DNS_PTR, "5.0.0.127.in-addr.arpa", DNS_FOUND, false, "mx.signed.test", NULL },
		{ DNS_A, "9.0.0.127.bl.test", DNS_FOUND, false, "127.0.0.2", NULL },
		{ DNS_A, "localhost", DNS_FOUND, false, "127.0.0.1", NULL }, /* libunbound's own, at once */
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct result r = look_up(w, cases[i].type, cases[i].name);

		print_message("# %s %s: %s, %s %s\n", dns_type_name(cases[i].type), cases[i].name,
		              dns_outcome_name(r.outcome), r.text, r.why);
		assert_int_equal(r.outcome, cases[i].outcome);
		assert_int_equal(r.secure, cases[i].secure);
		assert_string_equal(r.text, cases[i].text);
		if (cases[i].canonical)
			assert_string_equal(r.canonical, cases[i].canonical);
		assert_int_equal(r.outcome == DNS_BOGUS, r.why[0] != '\0');
	}
}

static void many_at_once_are_all_answered_and_some_cancelled(void **state)
{
	enum { N = 200 };
	struct world *w = *state;
	struct result results[N] = { 0 };
	struct dns_lookup *l[N];
	char name[64];

	for (size_t i = 0; i < N; i++) {
		(void) snprintf(name, sizeof(name), "many%zu.signed.test", i);
		results[i].w = w;
		assert_int_equal(dns_lookup(w->dns, i % 2 ? DNS_ADDR : DNS_MX, name, 0, result_on_answer,
		                            &results[i], &l[i], NULL),
		                 0);
	}
	for (size_t i = 0; i < N; i += 3)
		l[i] = dns_lookup_cancel(l[i]);
	for (size_t i = 0; i < N; i++) {
		if (i % 3)
			turn_until(w, &results[i].calls);
		assert_int_equal(results[i].calls, i % 3 ? 1 : 0);
		assert_true(i % 3 == 0 || results[i].outcome == DNS_NXDOMAIN);
	}
}

/* A name server that takes questions and says nothing. */
static int silent_server(char *stub, size_t size)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *) &in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *) &in, &len), 0);
	(void) snprintf(stub, size, ".=127.0.0.1:%u", ntohs(in.sin_port));
	return fd;
}

static void silence_is_temporary_after_the_time_limit(void **state)
{
	struct world *w = *state;
	struct world own = { .base = w->base };
	struct dns_conf conf = w->conf;
	char stub[64];
	_cleanup_(closep) int fd = silent_server(stub, sizeof(stub));
	struct result r = { .w = &own }, never = { .w = &own };
	struct dns_lookup *l;
	uint64_t began = clock_mono_ms();

	conf.stubs = stub;
	conf.trust_anchor = NULL;
	assert_int_equal(dns_create(w->base, &conf, &own.dns, NULL), 0);
	assert_int_equal(dns_lookup(own.dns, DNS_MX, "x.test", 0, result_on_answer, &never, &l, NULL), 0);
	assert_int_equal(dns_lookup(own.dns, DNS_ADDR, "x.test", 300, result_on_answer, &r, &l, NULL), 0);
	turn_until(w, &r.calls);
	assert_int_equal(r.outcome, DNS_TEMPORARY);
	assert_string_equal(r.why, "no answer within 300 ms");
	assert_true(clock_mono_ms() - began >= 300);
	(void) dns_free(own.dns);
	assert_int_equal(never.calls, 0);
}

static void the_resolver_may_be_freed_in_a_callback(void **state)
{
	struct world *w = *state;
	struct world own = { .base = w->base };
	struct result r = { .w = &own, .free_all = true }, other = { .w = &own };
	struct dns_lookup *l;

	assert_int_equal(dns_create(w->base, &w->conf, &own.dns, NULL), 0);
	assert_int_equal(dns_lookup(own.dns, DNS_MX, "signed.test", 0, result_on_answer, &r, &l, NULL), 0);
	assert_int_equal(dns_lookup(own.dns, DNS_MX, "x.signed.test", 1, result_on_answer, &other, &l, NULL),
	                 0);
	turn_until(w, &r.calls);
	assert_null(own.dns);
}

static void what_is_misconfigured_is_said_at_once(void **state)
{
	struct world *w = *state;
	struct dns_conf missing = w->conf, wrong = w->conf;
	struct dns *dns = NULL;
	struct err err = { 0 };

	missing.trust_anchor = "/nonexistent/root.key";
	assert_int_equal(dns_create(w->base, &missing, &dns, &err), -POD_E_CONFIG);
	assert_non_null(strstr(err.text, "/nonexistent/root.key"));
	wrong.trust_anchor = w->tree.file;
	assert_int_equal(dns_create(w->base, &wrong, &dns, &err), -POD_E_CONFIG);
	assert_non_null(strstr(err.text, w->tree.file));
	assert_null(dns);
}

static void after_a_reload_others_are_asked_and_lookups_under_way_end_as_they_began(void **state)
{
	struct world *w = *state;
	struct world own = { .base = w->base };
	struct dns_conf silent = w->conf, wrong = w->conf;
	char stub[64];
	_cleanup_(closep) int fd = silent_server(stub, sizeof(stub));
	struct result before = { .w = &own }, cancelled = { .w = &own };
	struct dns_lookup *l, *other;

	silent.stubs = stub;
	silent.trust_anchor = NULL;
	wrong.trust_anchor = w->tree.file;
	assert_int_equal(dns_create(w->base, &silent, &own.dns, NULL), 0);
	assert_int_equal(dns_lookup(own.dns, DNS_MX, "signed.test", 500, result_on_answer, &before, &l, NULL),
	                 0);
	assert_int_equal(
		dns_lookup(own.dns, DNS_MX, "signed.test", 0, result_on_answer, &cancelled, &other, NULL), 0);
	assert_int_equal(dns_reload(own.dns, &w->conf, NULL), 0);
	assert_string_equal(look_up(&own, DNS_MX, "signed.test").text,
	                    "10 alias.signed.test, 20 mx.signed.test");
	assert_int_equal(before.calls, 0);
	(void) dns_lookup_cancel(other);
	turn_until(&own, &before.calls);
	assert_string_equal(before.why, "no answer within 500 ms");
	assert_int_equal(dns_reload(own.dns, &wrong, NULL), -POD_E_CONFIG);
	assert_true(look_up(&own, DNS_TXT, "signed.test").secure);
	own.dns = dns_free(own.dns);
	assert_int_equal(cancelled.calls, 0);
}

static void a_reload_that_changes_nothing_keeps_what_is_known(void **state)
{
	struct world *w = *state;
	struct world own = { .base = w->base };
	struct dns_conf same;

	dns_tree_start(&own.tree, zones);
	own.conf = dns_tree_conf(&own.tree);
	same = own.conf;
	same.timeout_ms = 400;
	assert_int_equal(dns_create(w->base, &own.conf, &own.dns, NULL), 0);
	assert_int_equal(look_up(&own, DNS_A, "kept.bl.test").outcome, DNS_FOUND);
	dns_tree_stop(&own.tree);
	assert_int_equal(dns_reload(own.dns, &same, NULL), 0);
	assert_int_equal(look_up(&own, DNS_A, "kept.bl.test").outcome, DNS_FOUND);
	assert_string_equal(look_up(&own, DNS_TXT, "unsigned.test").why, "no answer within 400 ms");
	own.dns = dns_free(own.dns);
}

static void no_name_is_no_lookup(void **state)
{
	struct world *w = *state;
	struct dns_lookup *l = NULL;
	struct err err = { 0 };

	assert_int_equal(dns_lookup(w->dns, DNS_MX, "a..b", 0, result_on_answer, NULL, &l, &err),
	                 -POD_E_SYNTAX);
	assert_null(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_says_what_it_is_worth),
		cmocka_unit_test(many_at_once_are_all_answered_and_some_cancelled),
		cmocka_unit_test(silence_is_temporary_after_the_time_limit),
		cmocka_unit_test(the_resolver_may_be_freed_in_a_callback),
		cmocka_unit_test(what_is_misconfigured_is_said_at_once),
		cmocka_unit_test(after_a_reload_others_are_asked_and_lookups_under_way_end_as_they_began),
		cmocka_unit_test(a_reload_that_changes_nothing_keeps_what_is_known),
		cmocka_unit_test(no_name_is_no_lookup),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
