/* What clients are told of their settings, and what they may ask with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <libxml/parser.h>
#include <string.h>

#include "base/cleanup.h"
#include "imapd/autodiscover/autodiscover.h"
#include "tests/support/test_arena.h"

#define SCHEMAS "http://schemas.microsoft.com/exchange/autodiscover/"

static const struct autodiscover_place place = {
	"mx.example.test", "mail.example.test:8443", 143, 993, 587, 465
};
static const struct autodiscover_user user = { SPAN_LIT("o'neil&co@example.test"),
	                                       SPAN_LIT("Tom <& \"Co\">") };

static int parse(const char *text, struct autodiscover_request *ret)
{
	return autodiscover_parse(test_arena, span_of(text), ret, NULL);
}

static void requests_are_read(void **state)
{
	struct autodiscover_request rq;

	assert_int_equal(
		parse("<?xml version='1.0'?><Autodiscover xmlns='" SCHEMAS
	              "mobilesync/requestschema/2006'><Request>"
	              "<EMailAddress> a@example.test </EMailAddress><AcceptableResponseSchema>" SCHEMAS
	              "mobilesync/responseschema/2006</AcceptableResponseSchema></Request></Autodiscover>",
	              &rq),
		0);
	assert_int_equal(rq.schema, AUTODISCOVER_MOBILESYNC);
	assert_true(span_eq(rq.address, SPAN_LIT("a@example.test")));
	assert_int_equal(
		parse("<Autodiscover><Request><LegacyDN>/o=x</LegacyDN><AcceptableResponseSchema>" SCHEMAS
	              "outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>",
	              &rq),
		0);
	assert_int_equal(rq.schema, AUTODISCOVER_OUTLOOK);
	assert_int_equal(rq.address.len, 0);
	assert_int_equal(parse("<Autodiscover><Request><AcceptableResponseSchema>urn:other</"
	                       "AcceptableResponseSchema></Request>"
	                       "</Autodiscover>",
	                       &rq),
	                 0);
	assert_int_equal(rq.schema, AUTODISCOVER_UNKNOWN);
}

static void what_is_no_request_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"no xml",
		"<Autodiscover>",
		"<Autodiscover/>",
		"<Autodiscover><Request/></Autodiscover>",
		"<Autodiscover><Request><AcceptableResponseSchema>" SCHEMAS
		"mobilesync/responseschema/2006</AcceptableResponseSchema></Request></Autodiscover>",
		"<Autodiscover><Request><AcceptableResponseSchema>" SCHEMAS
		"outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>",
		"<Autodiscover><Request><EMailAddress>a@b</EMailAddress><AcceptableResponseSchema>s"
		"</AcceptableResponseSchema></Request><Request/></Autodiscover>",
		"<!DOCTYPE a [<!ENTITY x SYSTEM "
		"'file:///etc/passwd'>]><Autodiscover><Request><EMailAddress>&x;</EMailAddress>"
		"<AcceptableResponseSchema>s</AcceptableResponseSchema></Request></Autodiscover>",
		"<!DOCTYPE a SYSTEM "
		"'http://127.0.0.1/x.dtd'><Autodiscover><Request><AcceptableResponseSchema>s"
		"</AcceptableResponseSchema></Request></Autodiscover>",
		"<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b "
		"'&a;&a;&a;'>]><Autodiscover><Request><AcceptableResponseSchema>&b;"
		"</AcceptableResponseSchema></Request></Autodiscover>",
	};
	struct autodiscover_request rq;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &rq), -POD_E_SYNTAX);
}

/* Any of the answers, which has to be well-formed. */
static void assert_xml(struct buf *out)
{
	xmlDoc *document = xmlReadMemory((const char *) out->p, (int) out->len, "answer", NULL,
	                                 XML_PARSE_NONET | XML_PARSE_NOERROR);

	assert_non_null(document);
	xmlFreeDoc(document);
}

static void assert_has(struct buf *out, const char *text)
{
	if (!strstr(buf_str(out), text))
		fail_msg("%s is not in %s", text, buf_str(out));
}

static void phones_are_told_a_url(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	autodiscover_settings(&out, AUTODISCOVER_MOBILESYNC, &place, &user);
	assert_xml(&out);
	assert_has(&out, "<Url>https://mail.example.test:8443/Microsoft-Server-ActiveSync</Url>");
	assert_has(&out, "<DisplayName>Tom &lt;&amp; &quot;Co&quot;&gt;</DisplayName>");
	assert_has(&out, "xmlns=\"" SCHEMAS "mobilesync/responseschema/2006\"");
	buf_clear(&out);
	autodiscover_no_user(&out, SPAN_LIT("x@y"));
	assert_xml(&out);
	assert_has(&out, "<Status>2</Status>");
}

static void outlook_is_told_ports(void **state)
{
	struct autodiscover_place without_tls_port = place;
	_cleanup_buf_ struct buf out = BUF_INIT;

	autodiscover_settings(&out, AUTODISCOVER_OUTLOOK, &place, &user);
	assert_xml(&out);
	assert_has(&out, "<Port>993</Port>");
	assert_has(&out, "<Port>465</Port>");
	assert_has(&out, "<LoginName>o'neil&amp;co@example.test</LoginName>");
	without_tls_port.imaps = without_tls_port.submission = without_tls_port.submissions = 0;
	buf_clear(&out);
	autodiscover_settings(&out, AUTODISCOVER_OUTLOOK, &without_tls_port, &user);
	assert_has(&out, "<Port>143</Port>");
	assert_has(&out, "<Encryption>TLS</Encryption>");
	assert_null(strstr(buf_str(&out), "SMTP"));
}

static void errors_have_their_codes(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	autodiscover_error(&out, 600, 1795699973123);
	assert_xml(&out);
	assert_has(&out, "<ErrorCode>600</ErrorCode>");
	assert_has(&out, ".123\"");
}

static void json_knows_its_protocols(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	assert_int_equal(autodiscover_json(&out, SPAN_LIT("activesync"), &place), 200);
	assert_string_equal(buf_str(&out), "{\"Protocol\":\"ActiveSync\",\"Url\":\"https://"
	                                   "mail.example.test:8443/Microsoft-Server-ActiveSync\"}");
	buf_clear(&out);
	assert_int_equal(autodiscover_json(&out, SPAN_LIT("Ews"), &place), 400);
	assert_has(&out, "InvalidProtocol");
	buf_clear(&out);
	assert_int_equal(autodiscover_json(&out, SPAN_NONE, &place), 400);
	assert_has(&out, "MandatoryParameterMissing");
}

static void thunderbird_and_apple_get_theirs(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT, again = BUF_INIT;

	autodiscover_thunderbird(&out, SPAN_LIT("example.test"), &place);
	assert_xml(&out);
	assert_has(&out, "<socketType>STARTTLS</socketType>");
	for (int phone = 0; phone < 2; phone++) {
		buf_clear(&out);
		buf_clear(&again);
		autodiscover_apple(&out, &place, &user, phone == 1);
		autodiscover_apple(&again, &place, &user, phone == 1);
		assert_xml(&out);
		assert_string_equal(buf_str(&out), buf_str(&again));
		assert_has(&out, phone ? "com.apple.eas.account" : "com.apple.mail.managed");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_read),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(phones_are_told_a_url),
		cmocka_unit_test(outlook_is_told_ports),
		cmocka_unit_test(errors_have_their_codes),
		cmocka_unit_test(json_knows_its_protocols),
		cmocka_unit_test(thunderbird_and_apple_get_theirs),
	};

	return cmocka_run_group_tests(tests, test_arena_make, test_arena_free);
}
