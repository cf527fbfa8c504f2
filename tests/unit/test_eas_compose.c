/* What goes out for SendMail, SmartReply and SmartForward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "imapd/eas/send/compose.h"
#include "imapd/eas/send/encode.h"
#include "imapd/eas/send/parts.h"
#include "mime/header.h"

#define ARENA (16u << 20)

static bool owns(void *arg, struct span address)
{
	return span_eq(address, SPAN_LIT("ann@example.test")) ||
	       span_eq(address, SPAN_LIT("sales@example.test"));
}

/* Tags are cut off: enough for a test. */
static int cut_tags(struct arena *a, struct span html, struct span *ret_text)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	bool in = false;

	for (size_t i = 0; i < html.len; i++) {
		in = in || html.p[i] == '<';
		if (!in)
			buf_add_byte(&b, html.p[i]);
		in = in && html.p[i] != '>';
	}
	*ret_text = arena_dup(a, buf_span(&b));
	return 0;
}

struct rig {
	struct arena *a;
	struct compose_order order;
	struct composed c;
	bool made;
};

static int rig_open(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->a = arena_create(ARENA);
	r->order = (struct compose_order){ .login = "ann@example.test",
		                           .name = "Ann \"A\" Ames",
		                           .may_use = owns,
		                           .html_to_text = cut_tags,
		                           .id = { { 1, 2, 3 } },
		                           .now_s = 1000000000 };
	*state = r;
	return 0;
}

static int rig_close(void **state)
{
	struct rig *r = *state;

	composed_done(&r->c);
	(void) arena_free(r->a);
	free(r);
	return 0;
}

static void make(struct rig *r, enum compose_kind kind, const char *mime, const char *original)
{
	composed_done(&r->c);
	r->order.kind = kind;
	r->order.mime = span_of(mime);
	r->order.original = original ? span_of(original) : SPAN_NONE;
	assert_int_equal(compose(r->a, &r->order, &r->c), 0);
}

static const char *sent(struct rig *r)
{
	return buf_str(&r->c.sent);
}

static void has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("%s\n--- has no ---\n%s", text, what);
}

static void lacks(const char *text, const char *what)
{
	if (strstr(text, what))
		fail_msg("%s\n--- has ---\n%s", text, what);
}

/* The decoded text of the n-th leaf of what was composed, and its header. */
static const char *leaf(struct rig *r, size_t n, struct span *ret_header)
{
	struct message_parts m;
	struct span text;

	assert_int_equal(message_parts_of(r->a, buf_span(&r->c.sent), false, &m), 0);
	for (uint32_t i = 0; i < m.tree.n; i++) {
		if (m.tree.parts[i].kind == MIME_MULTIPART || n-- > 0)
			continue;
		*ret_header = message_part_header(&m, i);
		assert_int_equal(message_part_text(r->a, &m, i, &text), 0);
		return arena_str(r->a, text);
	}
	fail_msg("%s\n--- has no such part", sent(r));
	return NULL;
}

#define TO "To: bob@there.test\r\n"

static void bcc_is_kept_in_the_copy_and_not_sent(void **state)
{
	struct rig *r = *state;

	make(r, COMPOSE_NEW,
	     "From: ann@example.test\r\nTo: Bob <bob@there.test>, bob@THERE.test\r\nCc: team: c1@x.test, "
	     "c2@x.test;\r\n"
	     "Bcc: secret@there.test\r\nSubject: hi\r\n\r\nhello\r\n",
	     NULL);
	assert_int_equal(r->c.n_rcpts, 4);
	assert_true(span_eq(r->c.rcpts[3], SPAN_LIT("secret@there.test")));
	has(sent(r), "Bcc: secret@there.test\r\n");
	lacks(buf_str(&r->c.wire_header), "secret");
	has(buf_str(&r->c.wire_header), "Subject: hi\r\n");
	assert_string_equal(sent(r) + r->c.sent_header_len, "hello\r\n");
	has(sent(r), "Date: Sun, 9 Sep 2001 01:46:40 +0000\r\n");
	has(sent(r), "Message-ID: <01020300000000000000000000000000@example.test>\r\n");
	assert_true(span_eq(r->c.message_id, SPAN_LIT("<01020300000000000000000000000000@example.test>")));
}

static void from_is_an_address_of_the_users(void **state)
{
	static const struct {
		const char *given, *from, *sender;
	} cases[] = {
		{ "From: Sales <sales@example.test>\r\n", "From: Sales <sales@example.test>\r\n",
		  "sales@example.test" },
		{ "From: \"Boss\" <boss@example.test>\r\n", "From: \"Boss\" <ann@example.test>\r\n",
		  "ann@example.test" },
		{ "From: =?utf-8?q?B=C3=B6ss?= <boss@x.test>\r\n",
		  "From: =?utf-8?q?B=C3=B6ss?= <ann@example.test>\r\n", "ann@example.test" },
		{ "", "From: \"Ann \\\"A\\\" Ames\" <ann@example.test>\r\n", "ann@example.test" },
		{ "From: a@b.test, c@d.test\r\n", "From: \"Ann \\\"A\\\" Ames\" <ann@example.test>\r\n",
		  "ann@example.test" },
		{ "From: ann\r\nFrom: sales@example.test\r\n",
		  "From: \"Ann \\\"A\\\" Ames\" <ann@example.test>\r\n", "ann@example.test" },
	};
	struct rig *r = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		make(r, COMPOSE_NEW, arena_printf(r->a, "%s" TO "\r\nx\r\n", cases[i].given), NULL);
		has(sent(r), cases[i].from);
		assert_string_equal(strstr(sent(r), "From: "), strstr(sent(r), cases[i].from));
		assert_null(strstr(strstr(sent(r), "From: ") + 1, "\nFrom: "));
		assert_true(span_eq(r->c.sender, span_of(cases[i].sender)));
	}
}

static void a_name_of_other_letters_is_encoded(void **state)
{
	struct rig *r = *state;

	r->order.name = "J\xc3\xbcrgen "
			"\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5"
			"\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac\xe6\x97\xa5\xe6\x9c\xac";
	make(r, COMPOSE_NEW, TO "\r\nx\r\n", NULL);
	has(sent(r), "From: =?utf-8?B?SsO8cmdlbiDml6XmnKzml6XmnKzml6XmnKzml6XmnKzml6XmnKzml6U=?=\r\n "
	             "=?utf-8?B?5pys?= <ann@example.test>\r\n");
	r->order.name = "";
	make(r, COMPOSE_NEW, TO "\r\nx\r\n", NULL);
	has(sent(r), "From: <ann@example.test>\r\n");
}

static void what_is_no_message_or_for_nobody_is_refused(void **state)
{
	static const struct {
		const char *mime;
		int r;
	} cases[] = {
		{ "", -POD_E_SYNTAX },
		{ "no header at all", -POD_E_SYNTAX },
		{ "\r\n\r\nTo: bob@there.test\r\n", -POD_E_SYNTAX },
		{ "Subject: x\r\n\r\nhi", -POD_E_NOTFOUND },
		{ "To: undisclosed-recipients:;\r\n\r\nhi", -POD_E_NOTFOUND },
		{ "To: bob\r\n\r\nhi", -POD_E_UNSUPPORTED },
		{ "To: \"bob\x01\"@there.test\r\n\r\nhi", -POD_E_UNSUPPORTED },
		{ "To: bob@\x01there.test\r\n\r\nhi", -POD_E_UNSUPPORTED },
	};
	struct rig *r = *state;

	r->order.kind = COMPOSE_NEW;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		r->order.mime = span_of(cases[i].mime);
		assert_int_equal(compose(r->a, &r->order, &r->c), cases[i].r);
	}
}

/* Each is compared with those before: of a header of some megabytes that would hold up a worker for hours. */
static void more_recipients_than_anybody_means_are_refused(void **state)
{
	_cleanup_buf_ struct buf mime = BUF_INIT;
	struct rig *r = *state;

	for (int field = 0; field < 3; field++) {
		buf_add_str(&mime, "To: x@y.test");
		for (int i = 0; i < 4000; i++)
			buf_printf(&mime, ",\r\n b%d@y.test", i);
		buf_add_str(&mime, "\r\n");
	}
	buf_add_str(&mime, "\r\nhi");
	r->order.mime = buf_span(&mime);
	assert_int_equal(compose(r->a, &r->order, &r->c), -POD_E_UNSUPPORTED);
}

static char *repeated(const char *head, const char *text, size_t n, const char *tail)
{
	struct buf b = BUF_INIT;

	buf_add_str(&b, head);
	while (n-- > 0)
		buf_add_str(&b, text);
	buf_add_str(&b, tail);
	return (char *) (uintptr_t) buf_str(&b);
}

/* Originals of strangers that would take minutes where each place is read anew from each place. */
static void an_original_is_quoted_in_a_time_like_its_size(void **state)
{
	_cleanup_(freep) char *tags = repeated("Content-Type: text/html\r\n\r\n", "<bodya", 400000, ">");
	_cleanup_(freep) char *ids = repeated("Content-Type: multipart/related; boundary=b\r\n\r\n--b\r\n"
	                                      "Content-Type: text/html\r\n\r\n<img src='",
	                                      "cid:", 250000, "'>\r\n--b\r\n"),
			      *id = repeated("Content-Type: image/png\r\nContent-ID: <", "cid:", 15000,
	                                     "x>\r\n\r\nx\r\n--b--\r\n"),
			      *both = repeated(ids, id, 1, "");
	static const char client[] = "To: bob@there.test\r\nContent-Type: text/html\r\n\r\n<p>yes</p>\r\n";
	clock_t began = clock();
	struct rig *r = *state;

	r->a = arena_free(r->a);
	r->a = arena_create(64u << 20);
	make(r, COMPOSE_REPLY, client, tags);
	has(sent(r), "<p>yes</p>");
	make(r, COMPOSE_REPLY, client, both);
	lacks(sent(r), "image/png");
	assert_true(clock() - began < 10 * CLOCKS_PER_SEC);
}

static void bare_line_ends_become_crlf(void **state)
{
	struct rig *r = *state;

	make(r, COMPOSE_NEW, "To: bob@there.test\nMessage-Id: <own@phone>\nDate: then\n\na\rb\n\nc\r\n",
	     NULL);
	assert_string_equal(sent(r),
	                    "To: bob@there.test\r\nMessage-Id: <own@phone>\r\nDate: then\r\n"
	                    "From: \"Ann \\\"A\\\" Ames\" <ann@example.test>\r\n\r\na\r\nb\r\n\r\nc\r\n");
	assert_true(span_eq(r->c.message_id, SPAN_LIT("<own@phone>")));
	make(r, COMPOSE_NEW, "To: bob@there.test", NULL);
	has(sent(r), "To: bob@there.test\r\nFrom: ");
}

#define ORIGINAL_HEADER                                                                              \
	"From: =?utf-8?q?J=C3=BCrgen?= <j@there.test>\r\nTo: ann@example.test\r\nSubject: Plans\r\n" \
	"Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <o1@there.test>\r\nReferences: <r1@x> " \
	"<r2@x>\r\n"

static void a_reply_quotes_text_below_text(void **state)
{
	struct rig *r = *state;
	struct span header;
	const char *text;

	make(r, COMPOSE_REPLY,
	     "To: j@there.test\r\nContent-Type: text/plain; charset=iso-8859-1; format=flowed\r\n"
	     "Content-Transfer-Encoding: base64\r\n\r\nSmEsIGJp3y4NCg==\r\n",
	     ORIGINAL_HEADER
	     "Content-Type: text/plain; charset=utf-8\r\n\r\nHello  \r\n> older\r\n\r\nF\xc3\xbcr dich\r\n");
	text = leaf(r, 0, &header);
	has(text,
	    "Ja, bi\xc3\x9f.\r\n\r\n\r\n-----Original Message-----\r\nFrom: J\xc3\xbcrgen <j@there.test>\r\n"
	    "Sent: Mon, 1 Jan 2024 10:00:00 +0000\r\nTo: ann@example.test\r\nSubject: Plans\r\n\r\n"
	    "> Hello\r\n>> older\r\n>\r\n> F\xc3\xbcr dich\r\n");
	has(sent(r), "Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: "
	             "quoted-printable\r\n");
	has(sent(r), "In-Reply-To: <o1@there.test>\r\nReferences: <r1@x>\r\n <r2@x>\r\n <o1@there.test>\r\n");
	has(sent(r), "Subject: Re: Plans\r\n");
	has(sent(r), "MIME-Version: 1.0\r\n");
	lacks(sent(r), "iso-8859-1");
}

#define HTML_ORIGINAL                                                                                   \
	ORIGINAL_HEADER "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" \
			"Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: "      \
			"multipart/alternative; boundary=a\r\n\r\n"                                     \
			"--a\r\nContent-Type: text/plain\r\n\r\nplain words\r\n--a\r\nContent-Type: "   \
			"text/html; charset=utf-8\r\n\r\n"                                              \
			"<html><head><title>t</title></head><body bgcolor=red><p>html words</p><img "   \
			"src=\"cid:pic@1\"></body></html>\r\n--a--\r\n"                                 \
			"--r\r\nContent-Type: image/png\r\nContent-ID: "                                \
			"<pic@1>\r\nContent-Transfer-Encoding: base64\r\n\r\nUElD\r\n--r--\r\n"         \
			"--m\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Disposition: "     \
			"attachment; filename=x.pdf\r\nX-Other: no\r\n"                                 \
			"Content-Transfer-Encoding: base64\r\n\r\nQkJC\r\n--m--\r\n"

static void a_reply_in_html_quotes_html_and_takes_its_pictures_along(void **state)
{
	struct rig *r = *state;
	struct span header;
	const char *html;

	make(r, COMPOSE_REPLY,
	     TO "Subject: Re: Plans\r\nContent-Type: text/html; "
	        "charset=utf-8\r\n\r\n<html><body><b>yes</b></BODY></html>\r\n",
	     HTML_ORIGINAL);
	html = leaf(r, 0, &header);
	has(html, "<html><body><b>yes</b>\r\n<br><hr>\r\n<div><b>From:</b> J\xc3\xbcrgen "
	          "&lt;j@there.test&gt;<br>\r\n");
	has(html, "<blockquote type=\"cite\">\r\n<p>html words</p><img "
	          "src=\"cid:pic@1\">\r\n</blockquote>\r\n</BODY></html>");
	lacks(html, "bgcolor");
	assert_string_equal(leaf(r, 1, &header), "PIC");
	lacks(sent(r), "x.pdf");
	/* Without HTML of ours there is nothing that shows the picture. */
	make(r, COMPOSE_REPLY, TO "\r\nyes\r\n", HTML_ORIGINAL);
	has(leaf(r, 0, &header), "yes\r\n");
	has(leaf(r, 0, &header), "> plain words\r\n");
	lacks(sent(r), "multipart");
	lacks(sent(r), "UElD");
}

static void a_forward_takes_all_attachments_along(void **state)
{
	struct rig *r = *state;
	struct span header;

	make(r, COMPOSE_FORWARD,
	     TO "Content-Type: multipart/alternative; boundary=\"q\"\r\nMIME-Version: "
	        "1.0\r\n\r\nignored\r\n--q\r\n\r\nsee below\r\n"
	        "--q\r\nContent-Type: text/html\r\n\r\n<p>see below</p>\r\n--q--\r\n",
	     HTML_ORIGINAL);
	has(leaf(r, 0, &header), "see below");
	has(leaf(r, 0, &header), "\r\nplain words");
	has(leaf(r, 1, &header), "<p>see below</p>");
	has(leaf(r, 1, &header), "<p>html words</p>");
	assert_string_equal(leaf(r, 2, &header), "PIC");
	assert_string_equal(leaf(r, 3, &header), "BBB");
	has(arena_str(r->a, header), "Content-Disposition: attachment; filename=x.pdf\r\n");
	lacks(sent(r), "X-Other");
	lacks(sent(r), "In-Reply-To");
	has(sent(r), "Subject: Fwd: Plans\r\n");
	has(sent(r),
	    "Content-Type: multipart/mixed; boundary=\"=_pod_01020300000000000000000000000000\"\r\n");
	assert_null(strstr(strstr(sent(r), "MIME-Version") + 1, "MIME-Version"));
}

static void replaced_mime_is_sent_as_it_is(void **state)
{
	struct rig *r = *state;

	r->order.replace = true;
	make(r, COMPOSE_REPLY, TO "Subject: x\r\nContent-Type: text/plain\r\n\r\nall of it\r\n",
	     HTML_ORIGINAL);
	assert_string_equal(sent(r) + r->c.sent_header_len, "all of it\r\n");
	has(sent(r), "In-Reply-To: <o1@there.test>\r\n");
	r->order.replace = false;
}

static void an_html_original_is_quoted_as_text_in_a_text(void **state)
{
	struct rig *r = *state;
	struct span header;

	make(r, COMPOSE_FORWARD, TO "\r\nfyi\r\n",
	     ORIGINAL_HEADER "Content-Type: text/html\r\n\r\n<b>only</b> html\r\n");
	has(leaf(r, 0, &header), "only html\r\n");
	make(r, COMPOSE_REPLY, TO "Content-Type: text/html\r\n\r\n<b>fyi</b>\r\n",
	     ORIGINAL_HEADER "\r\na < b\r\nc\r\n");
	has(leaf(r, 0, &header), "<b>fyi</b>\r\n\r\n<br><hr>");
	has(leaf(r, 0, &header), "a &lt; b<br>\r\nc<br>\r\n");
}

static void where_nothing_can_be_quoted_the_original_goes_along_whole(void **state)
{
	static const char sealed[] = "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n"
				     "Content-Transfer-Encoding: base64\r\n\r\nQUJD\r\n";
	static const char own[] =
		"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=s\r\n\r\n"
		"--s\r\nContent-Type: text/plain\r\n\r\nsigned words\r\n--s\r\n"
		"Content-Type: application/pkcs7-signature\r\n\r\nSIG\r\n--s--\r\n";
	struct rig *r = *state;
	struct span header;

	make(r, COMPOSE_FORWARD, TO "\r\nfyi\r\n", arena_printf(r->a, ORIGINAL_HEADER "%s", sealed));
	assert_string_equal(leaf(r, 0, &header), "fyi\r\n");
	has(sent(r), "Content-Type: message/rfc822\r\n");
	has(sent(r), "\r\n\r\nQUJD\r\n");
	make(r, COMPOSE_REPLY, arena_printf(r->a, TO "%s", own), ORIGINAL_HEADER "\r\nplain\r\n");
	has(sent(r), "--s\r\nContent-Type: text/plain\r\n\r\nsigned words\r\n--s\r\n");
	has(sent(r), "Content-Type: message/rfc822\r\n");
	/* The text of one that was signed can be quoted; its signature would be wrong. */
	make(r, COMPOSE_FORWARD, TO "\r\nfyi\r\n", arena_printf(r->a, ORIGINAL_HEADER "%s", own));
	has(leaf(r, 0, &header), "signed words");
	lacks(sent(r), "SIG");
}

static void texts_are_encoded_as_lightly_as_they_can_be(void **state)
{
	static const struct {
		const char *text, *encoding, *body;
	} cases[] = {
		{ "plain\nlines\n", "7bit", "plain\r\nlines\r\n" },
		{ "caf\xc3\xa9 is a place for people \n.x\n", "quoted-printable",
		  "caf=C3=A9 is a place for people=20\r\n=2Ex\r\n" },
		{ "\xe6\x97\xa5\xe6\x9c\xac\n", "base64", "5pel5pysDQo=\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf fields = BUF_INIT, body = BUF_INIT;

		encode_text(&fields, &body, "plain", "", span_of(cases[i].text));
		has(buf_str(&fields), cases[i].encoding);
		assert_string_equal(buf_str(&body), cases[i].body);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(bcc_is_kept_in_the_copy_and_not_sent),
		TEST(from_is_an_address_of_the_users),
		TEST(a_name_of_other_letters_is_encoded),
		TEST(what_is_no_message_or_for_nobody_is_refused),
		TEST(more_recipients_than_anybody_means_are_refused),
		TEST(an_original_is_quoted_in_a_time_like_its_size),
		TEST(bare_line_ends_become_crlf),
		TEST(a_reply_quotes_text_below_text),
		TEST(a_reply_in_html_quotes_html_and_takes_its_pictures_along),
		TEST(a_forward_takes_all_attachments_along),
		TEST(replaced_mime_is_sent_as_it_is),
		TEST(an_html_original_is_quoted_as_text_in_a_text),
		TEST(where_nothing_can_be_quoted_the_original_goes_along_whole),
		TEST(texts_are_encoded_as_lightly_as_they_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
