#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "imapd/eas/item/draft.h"
#include "imapd/eas/item/headers.h"
#include "mime/header.h"
#include "tests/support/eas_fixture.h"

static const struct eas_draft_frame frame = {
	.from = "ann@example.org", .now_s = 1795702844, .folder_id = "f", .uid = 5
};

static struct span compose(struct arena *a, const struct eas_line *lines, const struct eas_message *base,
                           int expected)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct eas_draft d;
	int r = eas_draft_read(a, eas_document(a, AIRSYNC_APPLICATIONDATA, lines), &d);

	if (r == 0)
		r = eas_draft_compose(a, &d, base, &frame, &out);
	assert_int_equal(r, expected);
	return r == 0 ? arena_dup(a, buf_span(&out)) : SPAN_NONE;
}

static void assert_field(struct arena *a, struct span message, const char *name, const char *want)
{
	struct mime_field f = { .value = SPAN_NONE };
	bool found = mime_field_find(mime_header_of(message), span_of(name), &f);

	assert_int_equal(found, want != NULL);
	if (want)
		assert_span(mime_decode_text(a, f.value), want);
}

#define LONG_SUBJECT                                                                                      \
	"\xc3\x84 very long subject with \xe2\x82\xac and more than one encoded word can hold, so it is " \
	"folded"

static const struct eas_line letter[] = { { EMAIL_TO,
	                                    "\"J\xc3\xb6rg, B.\" <joerg@example.org>, carl@example.org" },
	                                  { EMAIL2_BCC, "eve@example.org" },
	                                  { EMAIL_SUBJECT, LONG_SUBJECT },
	                                  { EMAIL_IMPORTANCE, "2" },
	                                  EAS_IN(AIRSYNCBASE_BODY),
	                                  { AIRSYNCBASE_TYPE, "2" },
	                                  { AIRSYNCBASE_DATA, "<p>Gr\xc3\xbc\xc3\x9f"
	                                                      "e</p>" },
	                                  EAS_OUT,
	                                  EAS_IN(AIRSYNCBASE_ATTACHMENTS),
	                                  EAS_IN(AIRSYNCBASE_ADD),
	                                  { AIRSYNCBASE_CLIENTID, "1" },
	                                  { AIRSYNCBASE_DISPLAYNAME, "\xc3\xbc.txt" },
	                                  { AIRSYNCBASE_CONTENT, "aGVsbG8=" },
	                                  EAS_OUT,
	                                  EAS_IN(AIRSYNCBASE_ADD),
	                                  { AIRSYNCBASE_DISPLAYNAME, "i.png" },
	                                  { AIRSYNCBASE_CONTENTTYPE, "image/png" },
	                                  { AIRSYNCBASE_CONTENTID, "pic@x" },
	                                  { AIRSYNCBASE_ISINLINE, "1" },
	                                  { AIRSYNCBASE_CONTENT, "AAAA" },
	                                  EAS_OUT,
	                                  EAS_OUT,
	                                  EAS_OUT };

static void a_draft_becomes_a_message(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64 << 20);
	struct span message = compose(a, letter, NULL, 0), header, body, text;
	struct eas_layout l;
	struct eas_message m = eas_open(a, message, &l);

	assert_true(mime_is_crlf(message));
	assert_field(a, message, "From", "ann@example.org");
	assert_field(a, message, "Subject", LONG_SUBJECT);
	assert_field(a, message, "Bcc", "eve@example.org");
	assert_field(a, message, "Importance", "high");
	assert_field(a, message, "Cc", NULL);
	assert_int_equal(eas_body_text(a, &m, EAS_BODY_HTML, &text), 0);
	assert_span(text, "<p>Gr\xc3\xbc\xc3\x9f"
	                  "e</p>");
	assert_int_equal(eas_body_text(a, &m, EAS_BODY_TEXT, &text), 0);
	assert_span(text, "Gr\xc3\xbc\xc3\x9f"
	                  "e\r\n");
	assert_int_equal(l.attachments_n, 2);
	assert_true(eas_attachment_is_inline(&l, &l.parts.parts[l.attachments[0]]));
	assert_span(eas_attachment_name(a, &l.parts.parts[l.attachments[1]]), "\xc3\xbc.txt");
	assert_int_equal(eas_message_part(&m, l.parts.parts[l.attachments[1]].path, &header, &body), 0);
	assert_int_equal(mime_decode_transfer(a, header, body, &text), 0);
	assert_span(text, "hello");
}

static void a_changed_draft_keeps_what_was_not_said(void **state)
{
	static const struct eas_line subject[] = { { EMAIL_SUBJECT, "new" }, EAS_OUT };
	static const struct eas_line text_only[] = { EAS_IN(AIRSYNCBASE_BODY),
		                                     { AIRSYNCBASE_TYPE, "1" },
		                                     { AIRSYNCBASE_DATA, "short" },
		                                     EAS_OUT,
		                                     EAS_OUT };
	_cleanup_(arena_freep) struct arena *a = arena_create(64 << 20);
	struct eas_headers h;
	struct eas_layout l;
	struct eas_message m = eas_open(a, compose(a, letter, NULL, 0), &l);
	struct span message = compose(a, subject, &m, 0), text;

	assert_field(a, message, "Subject", "new");
	assert_field(a, message, "Bcc", "eve@example.org");
	assert_int_equal(eas_headers_read(a, mime_header_of(message), &h), 0);
	assert_span(h.to, "\"J\xc3\xb6rg, B.\" <joerg@example.org>, carl@example.org");
	m = eas_open(a, message, &l);
	assert_int_equal(l.attachments_n, 2);
	assert_int_equal(eas_body_text(a, &m, EAS_BODY_HTML, &text), 0);
	assert_span(text, "<p>Gr\xc3\xbc\xc3\x9f"
	                  "e</p>");

	m = eas_open(a, compose(a, text_only, &m, 0), &l);
	assert_int_equal(l.attachments_n, 2);
	assert_false(l.html);
	assert_int_equal(eas_body_text(a, &m, EAS_BODY_TEXT, &text), 0);
	assert_span(text, "short");
	assert_field(a, m.bytes, "Subject", "new");
}

static void files_are_taken_out_of_a_draft(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(64 << 20);
	struct eas_layout l;
	struct eas_message m = eas_open(a, compose(a, letter, NULL, 0), &l);
	const char *path = arena_str(a, l.parts.parts[l.attachments[0]].path);
	const char *reference = arena_printf(a, "f:5:%s", path);
	const struct eas_line remove[] = { EAS_IN(AIRSYNCBASE_ATTACHMENTS),
		                           EAS_IN(AIRSYNCBASE_DELETE),
		                           { AIRSYNCBASE_FILEREFERENCE, reference },
		                           EAS_OUT,
		                           EAS_OUT,
		                           EAS_OUT };
	static const struct eas_line other[] = { EAS_IN(AIRSYNCBASE_ATTACHMENTS),
		                                 EAS_IN(AIRSYNCBASE_DELETE),
		                                 { AIRSYNCBASE_FILEREFERENCE, "f:6:2" },
		                                 EAS_OUT,
		                                 EAS_OUT,
		                                 EAS_OUT };

	(void) compose(a, other, &m, -POD_E_NOTFOUND);
	m = eas_open(a, compose(a, remove, &m, 0), &l);
	assert_int_equal(l.attachments_n, 1);
	assert_span(eas_attachment_name(a, &l.parts.parts[l.attachments[0]]), "\xc3\xbc.txt");
}

/* Programs that take a CR for a line end would see a field that was none when the message came in. */
static void what_a_changed_draft_hides_in_a_field_stays_there(void **state)
{
	static const struct eas_line text_only[] = { EAS_IN(AIRSYNCBASE_BODY),
		                                     { AIRSYNCBASE_TYPE, "1" },
		                                     { AIRSYNCBASE_DATA, "new" },
		                                     EAS_OUT,
		                                     EAS_OUT };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct eas_layout l;
	struct eas_message m = eas_open(
		a, SPAN_LIT("From: ann@example.org\nReferences: <1@x>\r\n <2@x>\nSubject: a\rBcc: eve@x"),
		&l);
	struct span message = compose(a, text_only, &m, 0);

	assert_field(a, message, "Subject", "aBcc: eve@x");
	assert_field(a, message, "Bcc", NULL);
	assert_field(a, message, "References", "<1@x> <2@x>");
	assert_field(a, message, "MIME-Version", "1.0");
}

#define FILE_LINES(id, content, inline_)                                                               \
	EAS_IN(AIRSYNCBASE_ADD), { AIRSYNCBASE_CLIENTID, id }, { AIRSYNCBASE_DISPLAYNAME, id ".bin" }, \
		{ AIRSYNCBASE_CONTENT, content }, { AIRSYNCBASE_CONTENTID, id "@x" },                  \
		{ AIRSYNCBASE_ISINLINE, inline_ }, EAS_OUT

/* What stands at the path that each file of a draft was given is its content. */
static void assert_placed(struct arena *a, const struct eas_line *lines, struct eas_message *base,
                          struct eas_layout *l, struct eas_message *ret_message)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct eas_draft d, again;

	assert_int_equal(eas_draft_read(a, eas_document(a, AIRSYNC_APPLICATIONDATA, lines), &d), 0);
	assert_int_equal(eas_draft_compose(a, &d, base, &frame, &out), 0);
	*ret_message = eas_open(a, arena_dup(a, buf_span(&out)), l);
	for (size_t i = 0; i < d.files_n; i++) {
		struct span header, body, bytes;

		assert_int_equal(eas_message_part(ret_message, span_of(d.files[i].path), &header, &body), 0);
		assert_int_equal(mime_decode_transfer(a, header, body, &bytes), 0);
		assert_true(span_eq(bytes, d.files[i].bytes));
	}
	assert_int_equal(eas_draft_read(a, eas_document(a, AIRSYNC_APPLICATIONDATA, lines), &again), 0);
	assert_int_equal(eas_draft_place_files(a, &again), 0);
	for (size_t i = 0; !base && i < d.files_n; i++)
		assert_string_equal(again.files[i].path, d.files[i].path);
}

static void files_are_where_the_client_is_told_they_are(void **state)
{
	static const struct eas_line first[] = { EAS_IN(AIRSYNCBASE_ATTACHMENTS),
		                                 FILE_LINES("a", "YQ==", "0"),
		                                 FILE_LINES("b", "Yg==", "1"),
		                                 FILE_LINES("c", "Yw==", "0"),
		                                 FILE_LINES("d", "ZA==", "1"),
		                                 EAS_OUT,
		                                 EAS_OUT };
	static const struct eas_line more[] = { EAS_IN(AIRSYNCBASE_ATTACHMENTS), FILE_LINES("e", "ZQ==", "1"),
		                                FILE_LINES("f", "Zg==", "0"), EAS_OUT, EAS_OUT };
	static const struct eas_line shown[] = { EAS_IN(AIRSYNCBASE_ATTACHMENTS),
		                                 FILE_LINES("g", "Zw==", "1"), EAS_OUT, EAS_OUT };
	_cleanup_(arena_freep) struct arena *a = arena_create(64 << 20);
	struct eas_layout layouts[3];
	struct eas_message m, changed;

	assert_placed(a, first, NULL, &layouts[0], &m);
	assert_int_equal(layouts[0].attachments_n, 4);
	assert_placed(a, more, &m, &layouts[1], &changed);
	assert_int_equal(layouts[1].attachments_n, 6);
	assert_placed(a, shown, NULL, &layouts[2], &m);
}

static void what_a_client_types_gets_into_no_other_field(void **state)
{
	static const struct eas_line lines[] = { { EMAIL_SUBJECT, "a\r\nBcc: evil@example.org" },
		                                 { EMAIL_TO,
		                                   "\"x\r\nBcc: evil@example.org\" <a@example.org>" },
		                                 EAS_OUT };
	_cleanup_(arena_freep) struct arena *a = arena_create(64 << 20);
	struct span message = compose(a, lines, NULL, 0);

	assert_field(a, message, "Bcc", NULL);
}

static void bad_drafts_are_refused(void **state)
{
	static const struct eas_line cases[][8] = {
		{ { EMAIL_TO, "a" }, { EMAIL_TO, "b" }, EAS_OUT },
		{ EAS_IN(AIRSYNCBASE_BODY),
		  { AIRSYNCBASE_TYPE, "4" },
		  { AIRSYNCBASE_DATA, "x" },
		  EAS_OUT,
		  EAS_OUT },
		{ EAS_IN(AIRSYNCBASE_BODY), { AIRSYNCBASE_DATA, "x" }, EAS_OUT, EAS_OUT },
		{ EAS_IN(AIRSYNCBASE_ATTACHMENTS),
		  EAS_IN(AIRSYNCBASE_ADD),
		  { AIRSYNCBASE_CONTENT, "!" },
		  EAS_OUT,
		  EAS_OUT,
		  EAS_OUT },
		{ EAS_IN(AIRSYNCBASE_ATTACHMENTS),
		  EAS_IN(AIRSYNCBASE_DELETE),
		  { AIRSYNCBASE_CLIENTID, "!" },
		  EAS_OUT,
		  EAS_OUT,
		  EAS_OUT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(64 << 20);

		(void) compose(a, cases[i], NULL, -POD_E_SYNTAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_draft_becomes_a_message),
		cmocka_unit_test(a_changed_draft_keeps_what_was_not_said),
		cmocka_unit_test(files_are_taken_out_of_a_draft),
		cmocka_unit_test(what_a_changed_draft_hides_in_a_field_stays_there),
		cmocka_unit_test(files_are_where_the_client_is_told_they_are),
		cmocka_unit_test(what_a_client_types_gets_into_no_other_field),
		cmocka_unit_test(bad_drafts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
