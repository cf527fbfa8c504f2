/* Names of message files and of folders: one spelling each way, and everything else refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "store/maildir/folder.h"
#include "store/maildir/layout.h"
#include "store/maildir/name.h"
#include "storeproto/storeproto.h"

#define GUID "0123456789abcdef0123456789abcdef"

static void a_name_says_all_a_rebuild_needs(void **state)
{
	static const struct {
		const char *text;
		int64_t time;
		uint32_t uid, flags;
	} cases[] = {
		{ "1700000000." GUID ".vol01,S=12,W=12,U=7", 1700000000, 7, 0 },
		{ "0." GUID ".a,S=12,W=12,U=4294967295:2,DFRST", 0, UINT32_MAX, 31 },
		{ "-1." GUID ".a_B-9,S=12,W=12,U=1:2,Saz", -1, 1, 1 | 1 << 5 | 1 << 30 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct maildir_name n;
		char out[MAILDIR_NAME_SIZE];

		assert_int_equal(maildir_name_parse(span_of(cases[i].text), &n), 0);
		assert_int_equal(n.time, cases[i].time);
		assert_int_equal(n.uid, cases[i].uid);
		assert_int_equal(n.flags, cases[i].flags);
		assert_int_equal(n.size, 12);
		assert_int_equal(maildir_name_format(&n, out), strlen(cases[i].text));
		assert_string_equal(out, cases[i].text);
	}
}

static void the_longest_name_fits(void **state)
{
	char host[MAILDIR_HOST_MAX + 1], out[STAGED_NAME_SIZE];
	struct maildir_name n = { .time = INT64_MIN + 1, .size = INT64_MAX, .uid = UINT32_MAX, .flags = 0x7fffffff }, again;
	uint32_t mailbox = 0;

	maildir_host_make(span_of("a host with a name that is so very long that it does not fit into a file's name"), host);
	assert_int_equal(strlen(host), MAILDIR_HOST_MAX);
	n.host = span_of(host);
	assert_true(staged_name_format(UINT32_MAX, &n, out) < 255);
	assert_int_equal(staged_name_parse(span_of(out), &mailbox, &again), 0);
	assert_int_equal(mailbox, UINT32_MAX);
	assert_int_equal(again.flags, n.flags);
	assert_int_equal(again.time, n.time);
}

static void other_tools_names_are_told_apart(void **state)
{
	static const char *const cases[] = {
		"",
		"1700000000.M1P2.host",
		"1700000000." GUID ".vol01,S=12,W=12",
		"1700000000." GUID ".vol01,S=12,W=12,U=0",
		"1700000000." GUID ".vol01,S=12,W=12,U=4294967296",
		"1700000000." GUID ".vol01,S=12,W=13,U=7",
		"1700000000." GUID ".vol01,S=012,W=12,U=7",
		"1700000000." GUID ".vol01,S=12,W=12,U=7,X=1",
		"1700000000." GUID ".vol01,W=12,S=12,U=7",
		"1700000000." GUID ".,S=12,W=12,U=7",
		"1700000000." GUID ".vol.01,S=12,W=12,U=7",
		"01700000000." GUID ".vol01,S=12,W=12,U=7",
		"-0." GUID ".vol01,S=12,W=12,U=7",
		"1700000000.0123456789abcdef.vol01,S=12,W=12,U=7",
		"1700000000." GUID ".vol01,S=12,W=12,U=7:2,SF",
		"1700000000." GUID ".vol01,S=12,W=12,U=7:1,S",
		"1700000000." GUID ".vol01,S=12,W=12,U=7:2,SX",
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct maildir_name n;

		assert_int_equal(maildir_name_parse(span_of(cases[i]), &n), -POD_E_SYNTAX);
	}
	assert_int_equal(maildir_flags_parse(SPAN_LIT("1.x.y:2,SXzP")), STORE_FLAG_SEEN | 1u << 30);
	assert_int_equal(maildir_flags_parse(SPAN_LIT("1.x.y")), 0);
}

static void mailbox_names_and_folders_are_one_to_one(void **state)
{
	static const struct {
		const char *name, *folder;
	} cases[] = {
		{ "INBOX", "." },
		{ "Sent", ".Sent" },
		{ "INBOX/Sub", ".INBOX.Sub" },
		{ "Work/v1.2", ".Work.v1&AC4-2" },
		{ "Entw\xc3\xbcrfe/A & B", ".Entw&APw-rfe.A &- B" },
		{ "..", ".&AC4ALg-" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf name = BUF_INIT;
		char folder[FOLDER_SIZE];

		assert_int_equal(maildir_folder_format(span_of(cases[i].name), folder), 0);
		assert_string_equal(folder, cases[i].folder);
		assert_int_equal(maildir_folder_parse(span_of(folder), &name), 0);
		assert_string_equal(buf_str(&name), cases[i].name);
	}
}

static void folders_that_no_name_has_are_refused(void **state)
{
	static const char *const cases[] = { "", "x", "..", ".a..b", ".a.", ".INBOX", ".inbox", ".inbox.x", ".a&AGE-", ".&", ".a&AC8-b",
		                             ".\xc3\xbc", ".a&AAo-" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf name = BUF_INIT;

		assert_int_equal(maildir_folder_parse(span_of(cases[i]), &name), -POD_E_SYNTAX);
	}
}

static void clients_spellings_become_one(void **state)
{
	static const struct {
		const char *in, *out;
		int r;
	} cases[] = {
		{ "inbox", "INBOX", 0 },
		{ "Inbox/x", "INBOX/x", 0 },
		{ "Foo/", "Foo", 0 },
		{ "inboxes", "inboxes", 0 },
		{ "", NULL, -POD_E_SYNTAX },
		{ "/", NULL, -POD_E_SYNTAX },
		{ "/a", NULL, -POD_E_SYNTAX },
		{ "a//b", NULL, -POD_E_SYNTAX },
		{ "a\nb", NULL, -POD_E_SYNTAX },
		{ "a\xff", NULL, -POD_E_SYNTAX },
		{ "1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7/8/9/0/1/2/3", NULL, -POD_E_LIMIT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *a = arena_create(1 << 16);
		struct span out = SPAN_NONE;

		assert_int_equal(mailbox_name_canonical(a, span_of(cases[i].in), &out, NULL), cases[i].r);
		if (cases[i].out)
			assert_true(span_eq(out, span_of(cases[i].out)));
		(void) arena_free(a);
	}
}

/* Long in the folder's spelling, not in the client's. */
static void a_name_whose_folder_is_too_long_is_refused(void **state)
{
	struct arena *a = arena_create(1 << 16);
	struct span out;
	char name[161];

	for (size_t i = 0; i < 160; i += 2)
		memcpy(name + i, "\xc3\xbc", 2);
	assert_int_equal(mailbox_name_canonical(a, span_make(name, 160), &out, NULL), 0);
	for (size_t i = 0; i < 160; i += 2)
		memcpy(name + i, i % 4 ? "a." : "\xc3\xbc", 2);
	assert_int_equal(mailbox_name_canonical(a, span_make(name, 160), &out, NULL), -POD_E_LIMIT);
	(void) arena_free(a);
}

static void a_user_has_one_folder(void **state)
{
	struct layout_path p;

	layout_user(&p, SPAN_LIT("alice"));
	assert_string_equal(p.s, "users/51/alice"); /* the spread is part of the format: it must never change */
	layout_mailbox(&p, SPAN_LIT("alice"), SPAN_LIT("INBOX"));
	assert_string_equal(p.s, "users/51/alice/Maildir");
	layout_mailbox(&p, SPAN_LIT("alice"), SPAN_LIT("A/B"));
	assert_string_equal(p.s, "users/51/alice/Maildir/.A.B");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_says_all_a_rebuild_needs),
		cmocka_unit_test(the_longest_name_fits),
		cmocka_unit_test(other_tools_names_are_told_apart),
		cmocka_unit_test(mailbox_names_and_folders_are_one_to_one),
		cmocka_unit_test(folders_that_no_name_has_are_refused),
		cmocka_unit_test(clients_spellings_become_one),
		cmocka_unit_test(a_name_whose_folder_is_too_long_is_refused),
		cmocka_unit_test(a_user_has_one_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
