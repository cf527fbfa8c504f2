/* TLS reports (RFC 8460): the record that asks for them, the document field by field, the mail around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/cleanup.h"
#include "mta/tlspolicy/demand.h"
#include "mta/tlsrpt/document.h"
#include "mta/tlsrpt/record.h"
#include "mta/tlsrpt/reports.h"

static void records_name_places_to_report_to(void **state)
{
	static const struct {
		const char *txt[2];
		int r;
		const char *places; /* "mail ADDRESS" or "https HOST PORT PATH", commas between */
	} cases[] = {
		{ { "v=TLSRPTv1;rua=mailto:reports@example.com" }, 0, "mail reports@example.com" },
		{ { "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt" },
		  0,
		  "https reporting.example.com 443 /v1/tlsrpt" },
		{ { "v=TLSRPTv1; rua=mailto:a@b.test,https://c.test:8443 ; x=y" },
		  0,
		  "mail a@b.test, https c.test 8443 /" },
		{ { "v=TLSRPTv1; rua=MAILTO:a%2cb@c.test?subject=x" }, 0, "mail a,b@c.test" },
		{ { "v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@b.test" }, 0, "mail a@b.test" },
		{ { "v=TLSRPTv1; rua=ftp://x, mailto:a@b.test" }, 0, "mail a@b.test" },
		{ { "v=TLSRPTv1; rua=mailto:a@b.test", "v=TLSRPTv1; rua=mailto:c@d.test" },
		  -POD_E_NOTFOUND,
		  NULL },
		{ { "v=TLSRPTv2; rua=mailto:a@b.test" }, -POD_E_NOTFOUND, NULL },
		{ { "v=TLSRPTv1" }, -POD_E_NOTFOUND, NULL },
		{ { "v=TLSRPTv1; rua=" }, -POD_E_SYNTAX, NULL },
		{ { "v=TLSRPTv1; rua=mailto:nobody" }, -POD_E_SYNTAX, NULL },
		{ { "v=TLSRPTv1; rua=mailto:a@b@c" }, -POD_E_SYNTAX, NULL },
		{ { "v=TLSRPTv1; rua=mailto:a%0d%0aBcc:x@b" }, -POD_E_SYNTAX, NULL },
		{ { "v=TLSRPTv1; rua=mailto:a%2" }, -POD_E_SYNTAX, NULL },
		{ { "v=TLSRPTv1; rua=http://c.test/" }, -POD_E_SYNTAX, NULL },
		{ { "v=TLSRPTv1; rua=https://user@c.test/" }, -POD_E_SYNTAX, NULL },
		{ { "v=TLSRPTv1; rua=https://c.test:0/" }, -POD_E_SYNTAX, NULL },
		{ { "v=TLSRPTv1; rua=https://[::1]/" }, -POD_E_SYNTAX, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		_cleanup_buf_ struct buf places = BUF_INIT;
		const struct span txt[2] = { span_of(cases[i].txt[0]), span_of(cases[i].txt[1]) };
		struct tlsrpt_rua rua[TLSRPT_RUA_MAX];
		size_t n = 0;

		print_message("# %s\n", cases[i].txt[0]);
		assert_int_equal(tlsrpt_record_parse(txt, cases[i].txt[1] ? 2 : 1, a, rua, &n), cases[i].r);
		for (size_t k = 0; k < n; k++)
			if (rua[k].mail)
				buf_printf(&places, "%smail %s", k ? ", " : "", rua[k].to);
			else
				buf_printf(&places, "%shttps %s %u %s", k ? ", " : "", rua[k].host,
				           rua[k].port, rua[k].path);
		assert_string_equal(buf_str(&places), cases[i].places ? cases[i].places : "");
	}
}

static void days_are_read_as_they_are_written(void **state)
{
	char text[REPORTS_DAY_SIZE];
	uint32_t day = 0;

	assert_int_equal(reports_day_parse("2026-11-25", &day), 0);
	assert_int_equal(day, 20782);
	assert_string_equal(reports_day_format(day, text), "2026-11-25");
	assert_int_equal(reports_day_parse("2026-02-31", &day), -POD_E_SYNTAX);
	assert_int_equal(reports_day_parse("2026-11-25x", &day), -POD_E_SYNTAX);
	assert_int_equal(reports_day_parse("1969-12-31", &day), -POD_E_SYNTAX);
	assert_int_equal(reports_day_parse("", &day), -POD_E_SYNTAX);
}

static const struct tlsrpt_about about = { .domain = "good.test",
	                                   .day = 20782,
	                                   .organization = "example.test",
	                                   .contact = "postmaster@example.test",
	                                   .hostname = "mx.example.test" };

static json_t *document_of(void)
{
	char version[] = "version: STSv1", mode[] = "mode: enforce", mx[] = "mx: mx.good.test",
	     age[] = "max_age: 86400";
	char host[] = "mx.good.test", helo[] = "helo.good.test", us[] = "192.0.2.1", them[] = "198.51.100.1",
	     why[] = "certificate has expired";
	char *strings[] = { version, mode, mx, age }, *patterns[] = { host };
	Tlspolicy__Failure failure = TLSPOLICY__FAILURE__INIT, *failures[] = { &failure };
	Tlspolicy__Sessions sts = TLSPOLICY__SESSIONS__INIT, none = TLSPOLICY__SESSIONS__INIT;
	json_t *policies = json_array();

	failure.result = TLS_RESULT_CERTIFICATE_EXPIRED;
	failure.count = 4;
	failure.sending_ip = us;
	failure.receiving_host = host;
	failure.receiving_helo = helo;
	failure.receiving_ip = them;
	failure.reason = why;
	sts.source = TLS_SOURCE_STS;
	sts.strings = strings;
	sts.n_strings = ARRAY_SIZE(strings);
	sts.patterns = patterns;
	sts.n_patterns = ARRAY_SIZE(patterns);
	sts.success = 5326;
	sts.failures = failures;
	sts.n_failures = 1;
	sts.failures_left_out = 2;
	none.success = 1;
	assert_int_equal(tlsrpt_policy_add(policies, "good.test", &sts), 0);
	assert_int_equal(tlsrpt_policy_add(policies, "good.test", &none), 0);
	return tlsrpt_document(&about, policies);
}

/* RFC 8460 4.4 */
static const char expected[] =
	"{\"organization-name\": \"example.test\", "
	"\"date-range\": {\"start-datetime\": \"2026-11-25T00:00:00Z\", \"end-datetime\": "
	"\"2026-11-25T23:59:59Z\"}, "
	"\"contact-info\": \"postmaster@example.test\", \"report-id\": "
	"\"2026-11-25.good.test@mx.example.test\", "
	"\"policies\": [{\"policy\": {\"policy-type\": \"sts\", \"policy-domain\": \"good.test\", "
	"\"policy-string\": [\"version: STSv1\", \"mode: enforce\", \"mx: mx.good.test\", \"max_age: "
	"86400\"], "
	"\"mx-host\": [\"mx.good.test\"]}, "
	"\"summary\": {\"total-successful-session-count\": 5326, \"total-failure-session-count\": 6}, "
	"\"failure-details\": [{\"result-type\": \"certificate-expired\", \"failed-session-count\": 4, "
	"\"sending-mta-ip\": \"192.0.2.1\", \"receiving-mx-hostname\": \"mx.good.test\", "
	"\"receiving-mx-helo\": \"helo.good.test\", \"receiving-ip\": \"198.51.100.1\", "
	"\"failure-reason-code\": \"certificate has expired\"}]}, "
	"{\"policy\": {\"policy-type\": \"no-policy-found\", \"policy-domain\": \"good.test\"}, "
	"\"summary\": {\"total-successful-session-count\": 1, \"total-failure-session-count\": 0}}]}";

static void the_document_has_every_field(void **state)
{
	json_t *document = document_of();
	_cleanup_(freep) char *text = json_dumps(document, 0);

	assert_string_equal(text, expected);
	json_decref(document);
}

static void what_is_compressed_is_the_document(void **state)
{
	json_t *document = document_of(), *again;
	_cleanup_buf_ struct buf gz = BUF_INIT;
	z_stream z = { 0 };
	char text[8192];

	assert_int_equal(tlsrpt_compress(document, &gz), 0);
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = gz.p;
	z.avail_in = (uInt) gz.len;
	z.next_out = (Bytef *) text;
	z.avail_out = sizeof(text);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	again = json_loadb(text, z.total_out, 0, NULL);
	assert_true(json_equal(again, document));
	assert_int_equal(inflateEnd(&z), Z_OK);
	json_decref(again);
	json_decref(document);
}

static void the_letter_says_what_it_is_and_asks_for_no_tls(void **state)
{
	static const char *const lines[] = {
		"From: postmaster@example.test\r\nTo: tls@good.test\r\nDate: Thu, 26 Nov 2026 02:00:00 "
		"+0000\r\n"
		"Message-ID: <0123456789abcdef.tlsrpt@mx.example.test>\r\n",
		"\r\nSubject: Report Domain: good.test\r\n Submitter: mx.example.test\r\n"
		" Report-ID: <2026-11-25.good.test@mx.example.test>\r\n",
		"\r\nTLS-Report-Domain: good.test\r\nTLS-Report-Submitter: mx.example.test\r\nTLS-Required: "
		"No\r\n",
		"\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n "
		"boundary=\"tlsrpt-0123456789abcdef\"\r\n\r\n",
		"\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: attachment;\r\n "
		"filename=\"mx.example.test!good.test!1795564800!1795651199.json.gz\"\r\n\r\n"
		"aGVsbG8=\r\n\r\n--tlsrpt-0123456789abcdef--\r\n",
	};
	_cleanup_buf_ struct buf letter = BUF_INIT;

	assert_int_equal(tlsrpt_letter(&about, "postmaster@example.test", "tls@good.test", "0123456789abcdef",
	                               1795658400, SPAN_LIT("hello"), &letter),
	                 0);
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strstr(buf_str(&letter), lines[i]))
			fail_msg("%s\nis not in\n%s", lines[i], buf_str(&letter));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_name_places_to_report_to),
		cmocka_unit_test(days_are_read_as_they_are_written),
		cmocka_unit_test(the_document_has_every_field),
		cmocka_unit_test(what_is_compressed_is_the_document),
		cmocka_unit_test(the_letter_says_what_it_is_and_asks_for_no_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
