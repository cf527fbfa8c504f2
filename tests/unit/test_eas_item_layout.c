#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "imapd/eas/item/body.h"
#include "imapd/eas/item/html.h"
#include "tests/support/eas_fixture.h"

#define PLAIN(text) "Content-Type: text/plain; charset=utf-8\r\n\r\n" text "\r\n"
#define HTML(text)  "Content-Type: text/html; charset=utf-8\r\n\r\n" text "\r\n"
#define MULTI(subtype, boundary, parts) \
	"Content-Type: multipart/" subtype "; boundary=" boundary "\r\n\r\n" parts "--" boundary "--\r\n"
#define PART(boundary, part)         "--" boundary "\r\n" part
#define FILE_PART(type, more, bytes) "Content-Type: " type "\r\n" more "\r\n" bytes "\r\n"

/* One that a program could have sent, and what is to be seen of it: bodies, attachments with "~" before
 * inline ones. */
struct sample {
	const char *message, *text, *html, *attachments;
	enum eas_protection protection;
	bool calendar, report;
};

static void assert_attachments(struct arena *a, const struct eas_layout *l, const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT;

	for (uint32_t i = 0; i < l->attachments_n; i++) {
		const struct eas_part *p = &l->parts.parts[l->attachments[i]];

		if (b.len > 0)
			buf_add_byte(&b, ' ');
		if (eas_attachment_is_inline(l, p))
			buf_add_byte(&b, '~');
		buf_add(&b, eas_attachment_name(a, p));
		buf_add_byte(&b, '=');
		buf_add(&b, p->path);
	}
	assert_string_equal(buf_str(&b), want);
}

static const struct sample samples[] = {
	{ PLAIN("Hello"), "Hello\r\n", EAS_HTML_HEAD "Hello<br>\r\n" EAS_HTML_TAIL, "", EAS_PLAIN, false,
	  false },
	{ "Subject: none\r\n\r\nbare\r\n", "bare\r\n", EAS_HTML_HEAD "bare<br>\r\n" EAS_HTML_TAIL, "",
	  EAS_PLAIN, false, false },
	{ HTML("<p>Hi</p>"), "Hi\r\n", "<p>Hi</p>\r\n", "", EAS_PLAIN, false, false },
	{ MULTI("alternative", "b", PART("b", PLAIN("one")) PART("b", HTML("<b>one</b>"))), "one",
	  "<b>one</b>", "", EAS_PLAIN, false, false },
	{ MULTI("mixed", "m",
	        PART("m", MULTI("alternative", "b", PART("b", PLAIN("one")) PART("b", HTML("<b>one</b>"))))
	                PART("m",
	                     FILE_PART("application/pdf; name=a.pdf",
	                               "Content-Disposition: attachment; filename=\"b c.pdf\"\r\n", "x"))),
	  "one", "<b>one</b>", "b c.pdf=2", EAS_PLAIN, false, false },
	{ MULTI("related", "r",
	        PART("r", HTML("<img src=cid:1@x>"))
	                PART("r", FILE_PART("image/png; name=i.png", "Content-ID: <1@x>\r\n", "x"))),
	  "", "<img src=cid:1@x>", "~i.png=2", EAS_PLAIN, false, false },
	/* Apple Mail: text around a picture; a text file that is not to be read as the body */
	{ MULTI("mixed", "m",
	        PART("m", PLAIN("above")) PART("m", FILE_PART("image/jpeg", "Content-Disposition: inline\r\n",
	                                                      "x")) PART("m", PLAIN("below"))
	                PART("m", FILE_PART("text/plain", "Content-Disposition: attachment\r\n", "file"))),
	  "above\r\nbelow", "<div>above</div><div>below</div>", "image.jpg=2 text.txt=4", EAS_PLAIN, false,
	  false },
	/* Apple Mail: HTML in pieces, text in one */
	{ MULTI("alternative", "a",
	        PART("a", PLAIN("all"))
	                PART("a", MULTI("mixed", "m",
	                                PART("m", HTML("<p>1</p>"))
	                                        PART("m", FILE_PART("application/pdf; name=x.pdf", "", "x"))
	                                                PART("m", HTML("<p>2</p>"))))),
	  "all", "<p>1</p><p>2</p>", "x.pdf=2.2", EAS_PLAIN, false, false },
	{ MULTI("mixed", "m",
	        PART("m", PLAIN("see")) PART(
			"m",
			"Content-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?In=C3=BCner?=\r\n"
			"Content-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nx\r\n--q--\r\n\r\n")),
	  "see", EAS_HTML_HEAD "see" EAS_HTML_TAIL, "In\xc3\xbcner.eml=2", EAS_PLAIN, false, false },
	{ MULTI("alternative", "a",
	        PART("a", PLAIN("come"))
	                PART("a", FILE_PART("text/calendar; method=REQUEST", "", "BEGIN:VCALENDAR"))),
	  "come", EAS_HTML_HEAD "come" EAS_HTML_TAIL, "", EAS_PLAIN, true, false },
	{ MULTI("mixed", "m",
	        PART("m", PLAIN("")) PART(
			"m", FILE_PART("text/calendar; method=PUBLISH; name=a.ics", "", "BEGIN:VCALENDAR"))),
	  "", EAS_HTML_HEAD EAS_HTML_TAIL, "a.ics=2", EAS_PLAIN, false, false },
	{ MULTI("signed; protocol=\"application/pkcs7-signature\"", "s",
	        PART("s", PLAIN("signed"))
	                PART("s", FILE_PART("application/pkcs7-signature; name=smime.p7s", "", "x"))),
	  "signed", EAS_HTML_HEAD "signed" EAS_HTML_TAIL, "smime.p7s=2", EAS_SIGNED, false, false },
	{ FILE_PART("application/pkcs7-mime; smime-type=enveloped-data",
	            "Content-Transfer-Encoding: base64\r\n", "eA=="),
	  "", "", "smime.p7m=1", EAS_SMIME, false, false },
	{ MULTI("report; report-type=delivery-status", "r",
	        PART("r", PLAIN("failed"))
	                PART("r", FILE_PART("message/delivery-status", "", "Action: failed"))
	                        PART("r", FILE_PART("text/rfc822-headers", "", "Subject: x"))),
	  "failed", EAS_HTML_HEAD "failed" EAS_HTML_TAIL, "delivery-status.txt=2 headers.txt=3", EAS_PLAIN,
	  false, true },
	/* encodings and charsets */
	{ "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
	  "quoted-printable\r\n\r\nGr=FC=DFe=\r\n!\r\n",
	  "Gr\xc3\xbc\xc3\x9f"
	  "e!\r\n",
	  EAS_HTML_HEAD "Gr\xc3\xbc\xc3\x9f"
	                "e!<br>\r\n" EAS_HTML_TAIL,
	  "", EAS_PLAIN, false, false },
	{ "Content-Type: text/html; charset=windows-1251\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	  "PG1ldGEgY2hhcnNldD13aW5kb3dzLTEyNTE+z/Do4uXy\r\n",
	  "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\r\n",
	  "<meta charset=utf-8>\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82", "", EAS_PLAIN, false,
	  false },
	{ "Content-Type: text/plain; charset=no-such\r\n\r\n\xff"
	  "a\r\n",
	  "\xef\xbf\xbd"
	  "a\r\n",
	  EAS_HTML_HEAD "\xef\xbf\xbd"
	                "a<br>\r\n" EAS_HTML_TAIL,
	  "", EAS_PLAIN, false, false },
	{ "Content-Type: text/plain; format=flowed\r\n\r\nlong \r\nline\r\n> quoted \r\n> too\r\n-- "
	  "\r\nme\r\n",
	  "long line\r\n> quoted too\r\n-- \r\nme\r\n",
	  EAS_HTML_HEAD "long line<br>\r\n&gt; quoted too<br>\r\n-- <br>\r\nme<br>\r\n" EAS_HTML_TAIL, "",
	  EAS_PLAIN, false, false },
};

static void parts_are_bodies_and_attachments_as_a_reader_expects(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
		const struct sample *s = &samples[i];
		struct eas_layout l;
		struct eas_message m = eas_open(a, span_of(s->message), &l);
		struct span body;

		assert_int_equal(eas_body_text(a, &m, EAS_BODY_TEXT, &body), 0);
		assert_span(body, s->text);
		assert_int_equal(eas_body_text(a, &m, EAS_BODY_HTML, &body), 0);
		assert_span(body, s->html);
		assert_attachments(a, &l, s->attachments);
		assert_int_equal(l.protection, s->protection);
		assert_int_equal(l.calendar != EAS_NO_PART, s->calendar);
		assert_int_equal(l.report != EAS_NO_PART, s->report);
	}
}

static void a_part_is_found_by_its_path(void **state)
{
	static const char message[] = MULTI(
		"mixed", "m",
		PART("m", PLAIN("see")) PART("m", FILE_PART("message/rfc822", "", "A: b\r\n\r\ninside")));
	_cleanup_(arena_freep) struct arena *a = arena_create(32 << 20);
	struct eas_layout l;
	struct eas_message m = eas_open(a, span_of(message), &l);
	struct span header, body;

	assert_int_equal(eas_message_part(&m, SPAN_LIT("1"), &header, &body), 0);
	assert_span(body, "see");
	assert_int_equal(eas_message_part(&m, SPAN_LIT("2"), &header, &body), 0);
	assert_span(body, "A: b\r\n\r\ninside");
	assert_span(header, "Content-Type: message/rfc822\r\n\r\n");
	assert_int_equal(eas_message_part(&m, SPAN_LIT("3"), &header, &body), -POD_E_NOTFOUND);
	m = eas_open(a, SPAN_LIT("Content-Type: text/plain; a=b\r\n\r\nonly"), &l);
	assert_int_equal(eas_message_part(&m, SPAN_LIT("1"), &header, &body), 0);
	assert_span(header, "Content-Type: text/plain; a=b\r\n\r\n");
	assert_span(body, "only");
}

static void what_is_no_structure_is_refused(void **state)
{
	static const char *const bad[] = {
		"(",
		"()",
		"(\"text\")",
		"(\"text\" \"plain\" NIL NIL NIL \"7bit\" 1 1",
		"x",
		"((\"a\" \"b\" NIL NIL NIL \"7bit\" 1) \"mixed\" NIL NIL NIL NIL) ",
		"(\"a\" {9}\r\nb NIL NIL NIL \"7bit\" 1)"
	};
	struct eas_structure s;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);

		assert_int_equal(eas_structure_read(a, span_of(bad[i]), &s), -POD_E_CORRUPT);
	}
}

static void forms_are_chosen_by_what_is_wanted_and_what_is_there(void **state)
{
	static const struct {
		bool text, html, mime;
		enum eas_mime_support support;
		bool is_html;
		enum eas_protection protection;
		enum eas_body_type type;
	} cases[] = {
		{ true, false, false, EAS_MIME_UNSAID, true, EAS_PLAIN, EAS_BODY_TEXT },
		{ false, true, false, EAS_MIME_UNSAID, false, EAS_PLAIN, EAS_BODY_HTML },
		{ true, true, false, EAS_MIME_NEVER, true, EAS_PLAIN, EAS_BODY_HTML },
		{ true, true, false, EAS_MIME_NEVER, false, EAS_PLAIN, EAS_BODY_TEXT },
		{ true, true, true, EAS_MIME_NEVER, true, EAS_PLAIN, EAS_BODY_HTML },
		{ true, true, true, EAS_MIME_SIGNED, true, EAS_PLAIN, EAS_BODY_HTML },
		{ true, true, true, EAS_MIME_SIGNED, true, EAS_SIGNED, EAS_BODY_MIME },
		{ true, true, true, EAS_MIME_ALWAYS, true, EAS_PLAIN, EAS_BODY_MIME },
		{ false, false, true, EAS_MIME_UNSAID, true, EAS_PLAIN, EAS_BODY_MIME },
		{ true, false, true, EAS_MIME_UNSAID, true, EAS_PLAIN, EAS_BODY_TEXT },
		{ false, false, false, EAS_MIME_UNSAID, true, EAS_PLAIN, EAS_BODY_TEXT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct eas_layout l = { .html = cases[i].is_html, .protection = cases[i].protection };
		struct eas_item_options o;

		eas_item_options_init(&o, 141);
		o.body[EAS_BODY_TEXT].wanted = cases[i].text;
		o.body[EAS_BODY_HTML].wanted = cases[i].html;
		o.body[EAS_BODY_MIME].wanted = cases[i].mime;
		o.mime_support = cases[i].support;
		assert_int_equal(eas_body_choose(&l, &o).type, cases[i].type);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_bodies_and_attachments_as_a_reader_expects),
		cmocka_unit_test(a_part_is_found_by_its_path),
		cmocka_unit_test(what_is_no_structure_is_refused),
		cmocka_unit_test(forms_are_chosen_by_what_is_wanted_and_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
