/* Aggregate reports: what is counted, whom they go to, and the document itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/report/report.h"
#include "tests/support/test_arena.h"
#include "tests/support/zone_table.h"

#define DAY   20783 /* 2026-11-26 */
#define NOW_S ((int64_t) DAY * 86400 + 3600)

struct counted {
	struct report_store *store;
	char dir[64];
};

static int open_store(void **state)
{
	struct counted *c = calloc(1, sizeof(*c));

	(void) test_arena_make(state);
	(void) snprintf(c->dir, sizeof(c->dir), "/tmp/podmail-test-reports-XXXXXX");
	*state = c;
	return mkdtemp(c->dir) ? report_store_open(c->dir, &c->store, NULL) : -1;
}

static int close_store(void **state)
{
	struct counted *c = *state;
	char command[128];

	(void) report_store_close(c->store);
	(void) snprintf(command, sizeof(command), "rm -rf '%s'", c->dir);
	free(c);
	(void) test_arena_free(state);
	return system(command);
}

static struct auth_results results(const char *domain, const char *client, enum disposition applied)
{
	struct auth_results r = {
		.client = client,
		.sender = "bounce@list.example",
		.spf = { .result = SPF_FAIL, .domain = "list.example", .why = "" },
		.dkim = { .n = 1 },
		.dmarc = { .result = DMARC_FAIL,
		           .from_domain = domain,
		           .has_record = true,
		           .record = { .domain = domain,
		                       .p = DISPOSITION_REJECT,
		                       .sp = DISPOSITION_QUARANTINE,
		                       .pct = 50,
		                       .rua = "mailto:dmarc@example.net",
		                       .fo = "1" },
		           .wanted = DISPOSITION_REJECT,
		           .why = "" },
		.applied = applied,
	};

	r.dkim.signatures[0] = (struct dkim_signature){ .result = DKIM_RESULT_FAIL,
		                                        .domain = "x<&>.example",
		                                        .selector = "s" };
	return r;
}

static int gather(void *arg, const struct report_domain *d)
{
	(void) snprintf((char *) arg + strlen(arg), 500 - strlen(arg), "%s=%u%s ", d->domain,
	                (unsigned int) d->messages, d->sent ? "!" : "");
	return 0;
}

static const char *domains_of(struct report_store *s, uint32_t day)
{
	static char text[500];

	text[0] = '\0';
	assert_int_equal(report_store_each_domain(s, test_arena, day, gather, text, NULL), 0);
	return text;
}

static void messages_are_counted_by_day_and_domain(void **state)
{
	struct counted *c = *state;
	struct auth_results a = results("a.example", "192.0.2.1", DISPOSITION_REJECT);
	struct auth_results b = results("b.example", "192.0.2.1", DISPOSITION_NONE);
	struct auth_results silent = results("c.example", "192.0.2.1", DISPOSITION_NONE);

	silent.dmarc.record.rua = "";
	for (int i = 0; i < 3; i++)
		report_store_add(c->store, &a, false, NOW_S);
	report_store_add(c->store, &b, true, NOW_S);
	report_store_add(c->store, &b, true, NOW_S + 86400);
	report_store_add(c->store, &silent, false, NOW_S);
	assert_string_equal(domains_of(c->store, DAY), "");
	assert_int_equal(report_store_flush(c->store, NULL), 0);
	assert_string_equal(domains_of(c->store, DAY), "a.example=3 b.example=1 ");
	report_store_add(c->store, &a, false, NOW_S + 60);
	assert_int_equal(report_store_set_sent(c->store, DAY, "b.example", NULL), 0);
	assert_int_equal(report_store_flush(c->store, NULL), 0);
	assert_string_equal(domains_of(c->store, DAY), "a.example=4 b.example=1! ");
	assert_int_equal(report_store_prune(c->store, DAY + 1, NULL), 0);
	assert_string_equal(domains_of(c->store, DAY), "");
	assert_string_equal(domains_of(c->store, DAY + 1), "b.example=1 ");
}

static void counts_outlive_a_restart(void **state)
{
	struct counted *c = *state;
	struct auth_results a = results("a.example", "192.0.2.1", DISPOSITION_REJECT);

	report_store_add(c->store, &a, false, NOW_S);
	c->store = report_store_close(c->store);
	assert_int_equal(report_store_open(c->dir, &c->store, NULL), 0);
	assert_string_equal(domains_of(c->store, DAY), "a.example=1 ");
}

static int write_row(void *arg, struct span row, uint64_t count)
{
	return report_xml_row(arg, row, count);
}

static void equal_messages_are_one_row_and_others_rows_of_their_own(void **state)
{
	struct counted *c = *state;
	struct auth_results r = results("a.example", "192.0.2.1", DISPOSITION_REJECT);
	struct report_about about = { .organization = "A & B",
		                      .contact = "postmaster@example.test",
		                      .domain = "a.example",
		                      .id = "1.2",
		                      .day = DAY };
	_cleanup_buf_ struct buf xml = BUF_INIT;
	const char *text;
	char *policy = report_policy(&r.dmarc);

	about.policy = policy;
	report_store_add(c->store, &r, false, NOW_S);
	report_store_add(c->store, &r, false, NOW_S);
	r.client = "2001:db8::1";
	r.applied = DISPOSITION_NONE;
	report_store_add(c->store, &r, true, NOW_S);
	assert_int_equal(report_store_flush(c->store, NULL), 0);
	report_xml_begin(&xml, &about);
	assert_int_equal(report_store_each_row(c->store, DAY, "a.example", write_row, &xml, NULL), 0);
	report_xml_end(&xml);
	free(policy);
	text = buf_str(&xml);
	assert_non_null(strstr(text, "<org_name>A &amp; B</org_name>"));
	assert_non_null(strstr(text, "<begin>1795651200</begin><end>1795737599</end>"));
	assert_non_null(strstr(text, "<p>reject</p>\n<sp>quarantine</sp>\n<pct>50</pct>\n<fo>1</fo>"));
	assert_non_null(strstr(
		text, "<source_ip>192.0.2.1</source_ip>\n<count>2</count>\n<policy_evaluated>\n"
		      "<disposition>reject</disposition>\n<dkim>fail</dkim>\n<spf>fail</spf>\n</policy"));
	assert_non_null(strstr(text, "<source_ip>2001:db8::1</source_ip>\n<count>1</count>"));
	assert_non_null(strstr(text, "<reason><type>trusted_forwarder</type>"));
	assert_non_null(strstr(text, "<domain>x&lt;&amp;&gt;.example</domain>"));
	assert_null(strstr(text, "x<&>"));
	assert_int_equal(report_xml_row(&xml, SPAN_LIT("no json"), 1), -POD_E_CORRUPT);
}

static void addresses_of_rua_are_read_as_they_are_published(void **state)
{
	struct report_destination to[REPORT_DESTINATIONS_MAX];

	assert_int_equal(
		report_destinations(
			test_arena,
			"mailto:a@b.example!10m, https://x.example/, MAILTO:c@d.example , mailto:bad, "
			"mailto:e@f.example!5, mailto:g@h@i, mailto:q\"x@y.example",
			to),
		3);
	assert_string_equal(to[0].address, "a@b.example");
	assert_int_equal(to[0].size_max, 10 << 20);
	assert_string_equal(to[1].address, "c@d.example");
	assert_int_equal(to[1].size_max, 0);
	assert_int_equal(to[2].size_max, 5);
	assert_int_equal(report_destinations(test_arena, "", to), 0);
}

/* Or anybody could have reports sent to anybody. */
static void another_domain_gets_reports_only_where_it_says_so(void **state)
{
	static const struct zone_row rows[] = {
		{ "a.example.com._report._dmarc.willing.org", DNS_TXT, "v=DMARC1" },
		{ "a.example.com._report._dmarc.silent.org", DNS_TXT, NULL },
		{ "a.example.com._report._dmarc.other.org", DNS_TXT, "hello" },
	};
	struct zone_table zone = { .rows = rows, .n = ARRAY_SIZE(rows) };
	struct lookup l = zone_table_lookup(&zone);
	struct dmarc *d;
	struct err err = { 0 };

	assert_int_equal(dmarc_create("", &d, &err), 0);
	assert_int_equal(
		report_destination_check(d, &l, test_arena, "a.example.com", "x@b.example.com", &err), 0);
	assert_int_equal(zone.asked, 0);
	assert_int_equal(report_destination_check(d, &l, test_arena, "a.example.com", "x@willing.org", &err),
	                 0);
	assert_int_equal(report_destination_check(d, &l, test_arena, "a.example.com", "x@other.org", &err),
	                 -POD_E_DENIED);
	assert_int_equal(report_destination_check(d, &l, test_arena, "a.example.com", "x@victim.org", &err),
	                 -POD_E_DENIED);
	assert_int_equal(report_destination_check(d, &l, test_arena, "a.example.com", "x@silent.org", &err),
	                 -POD_E_UNAVAILABLE);
	(void) dmarc_free(d);
}

static void a_letter_carries_the_compressed_document(void **state)
{
	struct report_about about = {
		.contact = "postmaster@example.test", .domain = "a.example", .id = "1.2", .day = DAY
	};
	_cleanup_buf_ struct buf gz = BUF_INIT, letter = BUF_INIT;
	unsigned char out[64];
	z_stream z = { 0 };

	assert_int_equal(report_compress(SPAN_LIT("<feedback/>"), &gz, NULL), 0);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = gz.p;
	z.avail_in = (uInt) gz.len;
	z.next_out = out;
	z.avail_out = sizeof(out);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_memory_equal(out, "<feedback/>", 11);
	(void) inflateEnd(&z);
	report_letter(&letter, &about, "postmaster@example.test", "dmarc@example.net", buf_span(&gz), NOW_S);
	assert_non_null(
		strstr(buf_str(&letter),
	               "Subject: Report Domain: a.example\r\n Submitter: example.test\r\n Report-ID: <1.2>"));
	assert_non_null(
		strstr(buf_str(&letter), "filename=\"example.test!a.example!1795651200!1795737599.xml.gz\""));
	assert_non_null(strstr(buf_str(&letter), "Auto-Submitted: auto-generated\r\n"));
}

static void days_are_read_as_they_are_written(void **state)
{
	static const char *const wrong[] = { "",           "2026-11-31", "2026-13-01", "2026-11-26 ",
		                             "26.11.2026", "2026-1-2" };
	char text[REPORT_DAY_SIZE];
	uint32_t day = 0;

	assert_int_equal(report_day_parse("2026-11-26", &day), 0);
	assert_int_equal(day, DAY);
	assert_string_equal(report_day_format(day, text), "2026-11-26");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(report_day_parse(wrong[i], &day), -POD_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)
		T(messages_are_counted_by_day_and_domain),
		T(counts_outlive_a_restart),
		T(equal_messages_are_one_row_and_others_rows_of_their_own),
		T(addresses_of_rua_are_read_as_they_are_published),
		T(another_domain_gets_reports_only_where_it_says_so),
		T(a_letter_carries_the_compressed_document),
		cmocka_unit_test(days_are_read_as_they_are_written),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
