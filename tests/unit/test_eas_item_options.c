#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "imapd/eas/item/options.h"
#include "imapd/eas/item/reference.h"

struct preference {
	enum wbxml_tag element;
	const char *type, *truncation, *all_or_none, *preview;
};

static void put(struct wbxml_writer *w, enum wbxml_tag tag, const char *text)
{
	if (text)
		wbxml_str(w, tag, text);
}

static const struct wbxml_node *options_of(struct arena *a, const struct preference *p, size_t n,
                                           const char *mime_support, const char *truncation)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct wbxml_node *root = NULL;
	struct wbxml_writer w;

	wbxml_begin(&w, &out);
	wbxml_open(&w, AIRSYNC_OPTIONS);
	put(&w, AIRSYNC_MIMESUPPORT, mime_support);
	put(&w, AIRSYNC_MIMETRUNCATION, truncation);
	put(&w, AIRSYNC_TRUNCATION, truncation);
	for (size_t i = 0; i < n; i++) {
		wbxml_open(&w, p[i].element);
		put(&w, AIRSYNCBASE_TYPE, p[i].type);
		put(&w, AIRSYNCBASE_TRUNCATIONSIZE, p[i].truncation);
		put(&w, AIRSYNCBASE_ALLORNONE, p[i].all_or_none);
		put(&w, AIRSYNCBASE_PREVIEW, p[i].preview);
		wbxml_close(&w);
	}
	wbxml_close(&w);
	assert_int_equal(wbxml_decode(a, arena_dup(a, buf_span(&out)), &root, NULL), 0);
	return root;
}

#define BODY AIRSYNCBASE_BODYPREFERENCE
#define PART AIRSYNCBASE_BODYPARTPREFERENCE

static void what_was_said_of_bodies_is_read(void **state)
{
	static const struct preference p[] = { { BODY, "1", "512", NULL, "255" },
		                               { BODY, "2", NULL, "1", NULL },
		                               { PART, "2", "0", "", NULL } };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct eas_item_options o, again;
	_cleanup_buf_ struct buf kept = BUF_INIT, repacked = BUF_INIT;
	struct span in;

	eas_item_options_init(&o, 141);
	assert_false(eas_item_options_want_body(&o));
	assert_int_equal(eas_item_options_read(options_of(a, p, ARRAY_SIZE(p), "1", "3"), &o), 0);
	assert_true(eas_item_options_want_body(&o));
	assert_true(o.body[1].wanted && o.body[2].wanted && !o.body[4].wanted && o.part.wanted);
	assert_int_equal(o.body[1].truncation, 512);
	assert_int_equal(o.body[1].preview, 255);
	assert_true(o.body[2].all_or_none && !o.body[1].all_or_none && o.part.all_or_none);
	assert_true(o.body[2].truncation == EAS_UNLIMITED);
	assert_int_equal(o.part.truncation, 0);
	assert_int_equal(o.mime_support, EAS_MIME_SIGNED);
	assert_int_equal(o.mime_truncation, 7168);
	assert_int_equal(o.truncation, 2048);

	eas_item_options_pack(&o, &kept);
	assert_true(kept.len <= EAS_ITEM_OPTIONS_PACKED_MAX);
	buf_add_str(&kept, "more");
	in = buf_span(&kept);
	assert_int_equal(eas_item_options_unpack(&in, 141, &again), 0);
	assert_int_equal(in.len, 4);
	eas_item_options_pack(&again, &repacked);
	assert_true(span_eq(buf_span(&repacked), span_head(buf_span(&kept), kept.len - 4)));
	in = span_head(buf_span(&kept), 20);
	assert_int_equal(eas_item_options_unpack(&in, 141, &again), -POD_E_CORRUPT);
}

static void bad_options_are_refused(void **state)
{
	static const struct {
		struct preference p[2];
		size_t n;
		const char *mime_support, *truncation;
		int r;
	} cases[] = {
		{ { { BODY, NULL, NULL, NULL, NULL } }, 1, NULL, NULL, -POD_E_SYNTAX },
		{ { { BODY, "0", NULL, NULL, NULL } }, 1, NULL, NULL, -POD_E_SYNTAX },
		{ { { BODY, "5", NULL, NULL, NULL } }, 1, NULL, NULL, -POD_E_SYNTAX },
		{ { { BODY, "1", "-1", NULL, NULL } }, 1, NULL, NULL, -POD_E_SYNTAX },
		{ { { BODY, "1", "99999999999", NULL, NULL } }, 1, NULL, NULL, -POD_E_SYNTAX },
		{ { { BODY, "1", NULL, "2", NULL } }, 1, NULL, NULL, -POD_E_SYNTAX },
		{ { { BODY, "1", NULL, NULL, "256" } }, 1, NULL, NULL, -POD_E_SYNTAX },
		{ { { BODY, "1", NULL, NULL, NULL }, { BODY, "1", NULL, NULL, NULL } },
		  2,
		  NULL,
		  NULL,
		  -POD_E_SYNTAX },
		{ { { PART, "2", NULL, NULL, NULL }, { PART, "2", NULL, NULL, NULL } },
		  2,
		  NULL,
		  NULL,
		  -POD_E_SYNTAX },
		{ { { PART, "1", NULL, NULL, NULL } }, 1, NULL, NULL, -POD_E_UNSUPPORTED },
		{ { { 0 } }, 0, "3", NULL, -POD_E_SYNTAX },
		{ { { 0 } }, 0, NULL, "11", -POD_E_SYNTAX },
		{ { { 0 } }, 0, "2", "8", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
		struct eas_item_options o;

		eas_item_options_init(&o, 141);
		assert_int_equal(eas_item_options_read(options_of(a, cases[i].p, cases[i].n,
		                                                  cases[i].mime_support, cases[i].truncation),
		                                       &o),
		                 cases[i].r);
	}
}

static void names_of_messages_and_files_are_read_as_they_are_written(void **state)
{
	static const char *const bad[] = { "",        "5",      "5:",     ":1",    "5:0",  "5:1:",
		                           "5:1:0.1", "5:1:1.", "5:1:.1", "5:1:a", "5:x:1" };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct eas_reference r;
	struct span folder;
	uint32_t uid;

	assert_string_equal(eas_item_server_id(a, "ab1", 77), "ab1:77");
	assert_int_equal(eas_item_parse_server_id(SPAN_LIT("ab1:77"), &folder, &uid), 0);
	assert_true(span_eq(folder, SPAN_LIT("ab1")) && uid == 77);
	assert_int_equal(eas_item_parse_server_id(SPAN_LIT("ab1:77:1"), &folder, &uid), -POD_E_SYNTAX);
	assert_int_equal(eas_item_parse_server_id(SPAN_LIT("ab1:4294967296"), &folder, &uid), -POD_E_SYNTAX);

	assert_string_equal(eas_file_reference(a, "ab1", 77, SPAN_LIT("2.13")), "ab1:77:2.13");
	assert_int_equal(eas_file_reference_parse(SPAN_LIT("ab1:77:2.13"), &r), 0);
	assert_true(r.uid == 77 && r.path_n == 2 && r.path[0] == 2 && r.path[1] == 13);
	assert_int_equal(eas_file_reference_parse(span_of(eas_file_reference(a, "ab1", 77, SPAN_NONE)), &r),
	                 0);
	assert_int_equal(r.path_n, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(eas_file_reference_parse(span_of(bad[i]), &r), -POD_E_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_said_of_bodies_is_read),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(names_of_messages_and_files_are_read_as_they_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
