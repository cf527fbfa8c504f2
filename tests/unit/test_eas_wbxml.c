#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "imapd/eas/wbxml/wbxml.h"

#define DOCUMENT(...)                                                       \
	span_make((const uint8_t[]){ 0x03, 0x01, 0x6a, 0x00, __VA_ARGS__ }, \
	          4 + sizeof((uint8_t[]){ __VA_ARGS__ }))

static char *print(struct arena *a, struct span document, int *ret_r)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct wbxml_node *root = NULL;
	struct err err = { 0 };

	*ret_r = wbxml_decode(a, document, &root, &err);
	if (*ret_r < 0) {
		assert_true(err.text[0] != '\0');
		return NULL;
	}
	wbxml_print(root, 40, &out);
	return arena_str(a, buf_span(&out));
}

/* ---- the table ---- */

static void tags_have_their_names(void **state)
{
	assert_int_equal(AIRSYNC_SYNC, 0x0005);
	assert_int_equal(FOLDERHIERARCHY_FOLDERSYNC, 0x0716);
	assert_int_equal(COMPOSEMAIL_SENDMAIL, 0x1505);
	assert_int_equal(COMPOSEMAIL_MIME, 0x1510);
	assert_int_equal(FIND_PICTURE, 0x1922);
	assert_string_equal(wbxml_name(EMAIL_SUBJECT), "Email:Subject");
	assert_null(wbxml_name(0x00ff));
	assert_null(wbxml_name(0x1a05));
}

static void the_table_is_in_order(void **state)
{
	static const unsigned int tags[] = {
#define X(constant, page, token, name) constant,
		WBXML_TAGS(X)
#undef X
	};

	for (size_t i = 1; i < sizeof(tags) / sizeof(tags[0]); i++)
		assert_true(tags[i - 1] < tags[i]);
}

/* ---- reading ---- */

/* What clients really send. */
static void reads_a_folder_sync(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	int r;

	assert_string_equal(print(a, DOCUMENT(0x00, 0x07, 0x56, 0x52, 0x03, '0', 0x00, 0x01, 0x01), &r),
	                    "FolderHierarchy:FolderSync\n FolderHierarchy:SyncKey 0\n");
}

static void a_page_holds_until_the_next_whatever_the_level(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	int r;

	/* Sync { Collections { (page 17) Preview, (page 0) Collection }, Wait } */
	assert_string_equal(
		print(a, DOCUMENT(0x45, 0x5c, 0x00, 0x11, 0x18, 0x00, 0x00, 0x0f, 0x01, 0x24, 0x01), &r),
		"AirSync:Sync\n AirSync:Collections\n  AirSyncBase:Preview\n  AirSync:Collection\n"
		" AirSync:Wait\n");
}

static void runs_of_text_are_joined(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct wbxml_node *root;

	assert_int_equal(
		wbxml_decode(a,
	                     DOCUMENT(0x4b, 0x03, 'a', 'b', 0, 0x03, 0, 0xc3, 2, 0, 'c', 0x03, 'd', 0, 0x01),
	                     &root, NULL),
		0);
	assert_true(span_eq(root->text, SPAN_LIT("ab\0cd")));
	assert_true(root->opaque);
}

static void numbers_and_flags_of_children(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	struct wbxml_node *root;
	uint64_t n = 7;
	bool flag;

	/* Collection { WindowSize 100, GetChanges, DeletesAsMoves 0, Partial x } */
	assert_int_equal(wbxml_decode(a,
	                              DOCUMENT(0x4f, 0x55, 0x03, '1', '0', '0', 0, 0x01, 0x13, 0x5e, 0x03,
	                                       '0', 0, 0x01, 0x66, 0x03, 'x', 0, 0x01, 0x01),
	                              &root, NULL),
	                 0);
	assert_int_equal(wbxml_child_uint(root, AIRSYNC_WINDOWSIZE, 512, &n), 1);
	assert_int_equal(n, 100);
	assert_int_equal(wbxml_child_uint(root, AIRSYNC_WINDOWSIZE, 99, &n), -POD_E_LIMIT);
	assert_int_equal(wbxml_child_uint(root, AIRSYNC_PARTIAL, 99, &n), -POD_E_SYNTAX);
	assert_int_equal(wbxml_child_uint(root, AIRSYNC_LIMIT, 99, &n), 0);
	assert_int_equal(wbxml_child_bool(root, AIRSYNC_GETCHANGES, false, &flag), 0);
	assert_true(flag);
	assert_int_equal(wbxml_child_bool(root, AIRSYNC_DELETESASMOVES, true, &flag), 0);
	assert_false(flag);
	assert_int_equal(wbxml_child_bool(root, AIRSYNC_CONFLICT, true, &flag), 0);
	assert_true(flag);
	assert_int_equal(wbxml_child_bool(root, AIRSYNC_PARTIAL, true, &flag), -POD_E_SYNTAX);
	assert_null(wbxml_child(wbxml_child(root, AIRSYNC_LIMIT), AIRSYNC_SYNC));
}

static void what_is_no_document_is_refused(void **state)
{
	static const struct {
		const char *what, *bytes;
		size_t len;
	} cases[] = {
#define BAD(what, bytes) { what, bytes, sizeof(bytes) - 1 }
		BAD("nothing", ""),
		BAD("half a header", "\x03\x01\x6a"),
		BAD("another version", "\x04\x01\x6a\x00\x45\x01"),
		BAD("a public identifier by name", "\x03\x00\x00\x6a\x00\x45\x01"),
		BAD("ISO 8859-1", "\x03\x01\x04\x00\x45\x01"),
		BAD("a string table", "\x03\x01\x6a\x01x\x45\x01"),
		BAD("no root", "\x03\x01\x6a\x00"),
		BAD("an open root", "\x03\x01\x6a\x00\x45"),
		BAD("an end first", "\x03\x01\x6a\x00\x01"),
		BAD("two roots", "\x03\x01\x6a\x00\x05\x05"),
		BAD("an end too much", "\x03\x01\x6a\x00\x45\x01\x01"),
		BAD("text outside", "\x03\x01\x6a\x00\x03x\x00\x05"),
		BAD("bytes outside", "\x03\x01\x6a\x00\xc3\x00\x05"),
		BAD("text without an end", "\x03\x01\x6a\x00\x45\x03xxx"),
		BAD("fewer bytes than announced", "\x03\x01\x6a\x00\x45\xc3\x05xxxx"),
		BAD("a length of 33 bits", "\x03\x01\x6a\x00\x45\xc3\x9f\xff\xff\xff\x7f"),
		BAD("a length without an end", "\x03\x01\x6a\x00\x45\xc3\xff\xff\xff\xff\xff\xff"),
		BAD("attributes", "\x03\x01\x6a\x00\xc5\x01\x01"),
		BAD("an entity", "\x03\x01\x6a\x00\x45\x02\x20\x01"),
		BAD("a literal", "\x03\x01\x6a\x00\x45\x04\x00\x01"),
		BAD("an extension", "\x03\x01\x6a\x00\x45\x40x\x00\x01"),
		BAD("a processing instruction", "\x03\x01\x6a\x00\x43\x05\x01\x45\x01"),
		BAD("text of the string table", "\x03\x01\x6a\x00\x45\x83\x00\x01"),
		BAD("an unknown tag", "\x03\x01\x6a\x00\x7f\x01"),
		BAD("an unknown page", "\x03\x01\x6a\x00\x00\x63\x45\x01"),
		BAD("half a page switch", "\x03\x01\x6a\x00\x45\x00"),
#undef BAD
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(65536);
		struct wbxml_node *root = NULL;
		int r = wbxml_decode(a, span_make(cases[i].bytes, cases[i].len), &root, NULL);

		if (r != -POD_E_SYNTAX || root)
			fail_msg("%s: %d", cases[i].what, r);
	}
}

static void depth_and_number_of_elements_are_bounded(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1u << 20);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct wbxml_node *root;

	buf_add(&b, SPAN_LIT("\x03\x01\x6a\x00"));
	for (unsigned int i = 0; i < WBXML_DEPTH_MAX; i++)
		buf_add_byte(&b, 0x45);
	for (unsigned int i = 0; i < WBXML_DEPTH_MAX; i++)
		buf_add_byte(&b, 0x01);
	assert_int_equal(wbxml_decode(a, buf_span(&b), &root, NULL), 0);
	buf_clear(&b);
	buf_add(&b, SPAN_LIT("\x03\x01\x6a\x00"));
	for (unsigned int i = 0; i < 100000; i++)
		buf_add_byte(&b, 0x45);
	assert_int_equal(wbxml_decode(a, buf_span(&b), &root, NULL), -POD_E_LIMIT);
	buf_clear(&b);
	buf_add(&b, SPAN_LIT("\x03\x01\x6a\x00\x45"));
	for (unsigned int i = 0; i < 100000; i++)
		buf_add_byte(&b, 0x05);
	buf_add_byte(&b, 0x01);
	assert_int_equal(wbxml_decode(a, buf_span(&b), &root, NULL), -POD_E_NOMEM); /* of the arena */
}

/* A client that sends a byte at a time costs no more than what it sends. */
static void text_in_many_runs_is_cheap(void **state)
{
	enum { RUNS = 200000 };
	_cleanup_(arena_freep) struct arena *a = arena_create(8 * RUNS);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct wbxml_node *root;

	buf_add(&b, SPAN_LIT("\x03\x01\x6a\x00\x45"));
	for (int i = 0; i < RUNS; i++)
		buf_add(&b, SPAN_LIT("\x03x\x00"));
	buf_add_byte(&b, 0x01);
	assert_int_equal(wbxml_decode(a, buf_span(&b), &root, NULL), 0);
	assert_int_equal(root->text.len, RUNS);
}

/* ---- writing ---- */

static void writes_what_reading_gives_back(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(65536);
	_cleanup_buf_ struct buf b = BUF_INIT;
	struct wbxml_writer w;
	int r;

	wbxml_begin(&w, &b);
	wbxml_open(&w, AIRSYNC_SYNC);
	wbxml_uint(&w, AIRSYNC_STATUS, 1);
	wbxml_text(&w, EMAIL_SUBJECT, SPAN_LIT("Gr\xc3\xbc\xc3\x9f\x65 an\0 alle"));
	wbxml_opaque(&w, EMAIL2_CONVERSATIONID, SPAN_LIT("\0\1\2"));
	wbxml_empty(&w, AIRSYNC_MOREAVAILABLE);
	wbxml_str(&w, AIRSYNC_CLASS, "");
	wbxml_close(&w);
	assert_int_equal(w.depth, 0);
	assert_string_equal(
		print(a, buf_span(&b), &r),
		"AirSync:Sync\n AirSync:Status 1\n Email:Subject Gr\xc3\xbc\xc3\x9f\x65 an alle\n"
		" Email2:ConversationId \\x00\\x01\\x02\n AirSync:MoreAvailable\n AirSync:Class\n");
}

static void lengths_take_as_many_bytes_as_they_need(void **state)
{
	static const struct {
		size_t n;
		const char *bytes;
		size_t len;
	} cases[] = {
		{ 0, "\x00", 1 },         { 127, "\x7f", 1 },           { 128, "\x81\x00", 2 },
		{ 16383, "\xff\x7f", 2 }, { 16384, "\x81\x80\x00", 3 },
	};
	static const uint8_t zeros[16384];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		struct wbxml_writer w = { .out = &b };

		wbxml_add_opaque(&w, span_make(zeros, cases[i].n));
		assert_int_equal(b.len, 1 + cases[i].len + cases[i].n);
		assert_memory_equal(b.p + 1, cases[i].bytes, cases[i].len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_have_their_names),
		cmocka_unit_test(the_table_is_in_order),
		cmocka_unit_test(reads_a_folder_sync),
		cmocka_unit_test(a_page_holds_until_the_next_whatever_the_level),
		cmocka_unit_test(runs_of_text_are_joined),
		cmocka_unit_test(numbers_and_flags_of_children),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(depth_and_number_of_elements_are_bounded),
		cmocka_unit_test(text_in_many_runs_is_cheap),
		cmocka_unit_test(writes_what_reading_gives_back),
		cmocka_unit_test(lengths_take_as_many_bytes_as_they_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
