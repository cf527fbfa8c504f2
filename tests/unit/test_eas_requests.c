/* What Sync and Ping ask for, and what is no request (MS-ASCMD 2.2.1.21, 2.2.1.13). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "imapd/eas/sync/last.h"
#include "imapd/eas/sync/ping.h"
#include "imapd/eas/sync/request.h"
#include "tests/support/eas_fixture.h"
#include "tests/support/test_arena.h"

#define COLLECTION(key)                                                                    \
	EAS_IN(AIRSYNC_COLLECTIONS), EAS_IN(AIRSYNC_COLLECTION), { AIRSYNC_SYNCKEY, key }, \
	{                                                                                  \
		AIRSYNC_COLLECTIONID, "f1"                                                 \
	}
#define END EAS_OUT, EAS_OUT, EAS_OUT

/* A Sync, how it is refused (0: it is not), and what of it was read. */
struct sync_case {
	const char *what;
	struct eas_line lines[24];
	unsigned int status, limit;
	unsigned int window, wait_s;
	bool get_changes;
};

static const struct sync_case syncs[] = {
	{ "the first of a folder", { COLLECTION("0"), END }, 0, 0, 100, 0, false },
	{ "another", { COLLECTION("1.1"), END }, 0, 0, 100, 0, true },
	{ "a window of 0 is the largest",
	  { COLLECTION("1.1"), { AIRSYNC_WINDOWSIZE, "0" }, END },
	  0,
	  0,
	  512,
	  0,
	  true },
	{ "a window that is too large, too",
	  { COLLECTION("1.1"), { AIRSYNC_WINDOWSIZE, "99999999999" }, END },
	  0,
	  0,
	  512,
	  0,
	  true },
	{ "a window of words", { COLLECTION("1.1"), { AIRSYNC_WINDOWSIZE, "ten" }, END }, EAS_SYNC_PROTOCOL },
	{ "no changes are wanted",
	  { COLLECTION("1.1"), { AIRSYNC_GETCHANGES, "0" }, END },
	  0,
	  0,
	  100,
	  0,
	  false },
	{ "minutes to wait",
	  { COLLECTION("1.1"), EAS_OUT, EAS_OUT, { AIRSYNC_WAIT, "8" }, EAS_OUT },
	  0,
	  0,
	  100,
	  480,
	  true },
	{ "too long a wait",
	  { COLLECTION("1.1"), EAS_OUT, EAS_OUT, { AIRSYNC_WAIT, "60" }, EAS_OUT },
	  EAS_SYNC_WAIT,
	  59 },
	{ "a wait of 0",
	  { COLLECTION("1.1"), EAS_OUT, EAS_OUT, { AIRSYNC_WAIT, "0" }, EAS_OUT },
	  EAS_SYNC_WAIT,
	  1 },
	{ "too short a heartbeat",
	  { COLLECTION("1.1"), EAS_OUT, EAS_OUT, { AIRSYNC_HEARTBEATINTERVAL, "59" }, EAS_OUT },
	  EAS_SYNC_WAIT,
	  60 },
	{ "both ways to wait",
	  { COLLECTION("1.1"),
	    EAS_OUT,
	    EAS_OUT,
	    { AIRSYNC_WAIT, "8" },
	    { AIRSYNC_HEARTBEATINTERVAL, "480" },
	    EAS_OUT },
	  EAS_SYNC_PROTOCOL },
	{ "no key",
	  { EAS_IN(AIRSYNC_COLLECTIONS), EAS_IN(AIRSYNC_COLLECTION), { AIRSYNC_COLLECTIONID, "f1" }, END },
	  EAS_SYNC_PROTOCOL },
	{ "no folder",
	  { EAS_IN(AIRSYNC_COLLECTIONS), EAS_IN(AIRSYNC_COLLECTION), { AIRSYNC_SYNCKEY, "0" }, END },
	  EAS_SYNC_PROTOCOL },
	{ "no collection", { EAS_IN(AIRSYNC_COLLECTIONS), EAS_OUT, EAS_OUT }, EAS_SYNC_PROTOCOL },
	{ "nothing at all", { EAS_OUT }, EAS_SYNC_PROTOCOL },
	{ "a Partial alone", { { AIRSYNC_PARTIAL, "" }, EAS_OUT }, EAS_SYNC_PROTOCOL },
	{ "two keys", { COLLECTION("1.1"), { AIRSYNC_SYNCKEY, "1.2" }, END }, EAS_SYNC_PROTOCOL },
	{ "a folder twice",
	  { COLLECTION("1.1"),
	    EAS_OUT,
	    EAS_IN(AIRSYNC_COLLECTION),
	    { AIRSYNC_SYNCKEY, "1.1" },
	    { AIRSYNC_COLLECTIONID, "f1" },
	    END },
	  EAS_SYNC_PROTOCOL },
	{ "another class", { COLLECTION("1.1"), { AIRSYNC_CLASS, "Calendar" }, END }, EAS_SYNC_PROTOCOL },
	{ "commands with key 0",
	  { COLLECTION("0"), EAS_IN(AIRSYNC_COMMANDS), EAS_IN(AIRSYNC_DELETE), EAS_OUT, EAS_OUT, END },
	  EAS_SYNC_PROTOCOL },
	{ "no commands in Commands",
	  { COLLECTION("1.1"), EAS_IN(AIRSYNC_COMMANDS), EAS_OUT, END },
	  EAS_SYNC_PROTOCOL },
	{ "Supported with a key", { COLLECTION("1.1"), { AIRSYNC_SUPPORTED, "" }, END }, EAS_SYNC_PROTOCOL },
	{ "a filter that there is not",
	  { COLLECTION("1.1"), EAS_IN(AIRSYNC_OPTIONS), { AIRSYNC_FILTERTYPE, "9" }, EAS_OUT, END },
	  EAS_SYNC_PROTOCOL },
	{ "options of one class twice",
	  { COLLECTION("1.1"),
	    EAS_IN(AIRSYNC_OPTIONS),
	    { AIRSYNC_FILTERTYPE, "1" },
	    EAS_OUT,
	    EAS_IN(AIRSYNC_OPTIONS),
	    { AIRSYNC_FILTERTYPE, "2" },
	    EAS_OUT,
	    END },
	  EAS_SYNC_PROTOCOL },
	{ "options of mail and of SMS",
	  { COLLECTION("1.1"),
	    EAS_IN(AIRSYNC_OPTIONS),
	    { AIRSYNC_FILTERTYPE, "1" },
	    EAS_OUT,
	    EAS_IN(AIRSYNC_OPTIONS),
	    { AIRSYNC_CLASS, "SMS" },
	    EAS_OUT,
	    END },
	  0,
	  0,
	  100,
	  0,
	  true },
	{ "an element of another place",
	  { COLLECTION("1.1"), { AIRSYNC_MOREAVAILABLE, "" }, END },
	  EAS_SYNC_PROTOCOL },
	{ "a body preference out of order",
	  { COLLECTION("1.1"),
	    EAS_IN(AIRSYNC_OPTIONS),
	    EAS_IN(AIRSYNCBASE_BODYPREFERENCE),
	    { AIRSYNCBASE_TRUNCATIONSIZE, "5" },
	    { AIRSYNCBASE_TYPE, "1" },
	    EAS_OUT,
	    EAS_OUT,
	    END },
	  EAS_SYNC_PROTOCOL },
};

static void syncs_are_read_or_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(syncs); i++) {
		const struct sync_case *c = &syncs[i];
		struct eas_sync_request rq = { .n = 0 };
		struct eas_sync_refusal refusal = { 0, 0 };
		int r = eas_sync_request_read(eas_document(test_arena, AIRSYNC_SYNC, c->lines), test_arena,
		                              &rq, &refusal);

		if ((r < 0) != (c->status != 0) ||
		    (r < 0 && (refusal.status != c->status || refusal.limit != c->limit)))
			fail_msg("%s: %d, status %u, limit %u", c->what, r, refusal.status, refusal.limit);
		if (r < 0)
			continue;
		if (rq.n != 1 || rq.wait_s != c->wait_s || rq.collections[0].window != c->window ||
		    rq.collections[0].get_changes != c->get_changes || !rq.collections[0].listed)
			fail_msg("%s: wait %u, window %u", c->what, rq.wait_s, rq.collections[0].window);
	}
}

/* So many folders that they do not fit in a table. */
static const struct wbxml_node *of_many(enum wbxml_tag root, size_t n)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	bool sync = root == AIRSYNC_SYNC;
	struct wbxml_node *tree = NULL;
	struct wbxml_writer w;
	char id[24];

	wbxml_begin(&w, &out);
	wbxml_open(&w, root);
	wbxml_open(&w, sync ? AIRSYNC_COLLECTIONS : PING_FOLDERS);
	for (size_t i = 0; i < n; i++) {
		(void) snprintf(id, sizeof(id), "%zu", i);
		wbxml_open(&w, sync ? AIRSYNC_COLLECTION : PING_FOLDER);
		if (sync)
			wbxml_str(&w, AIRSYNC_SYNCKEY, "0");
		wbxml_str(&w, sync ? AIRSYNC_COLLECTIONID : PING_ID, id);
		if (!sync)
			wbxml_str(&w, PING_CLASS, "Email");
		wbxml_close(&w);
	}
	wbxml_close(&w);
	wbxml_close(&w);
	assert_int_equal(wbxml_decode(test_arena, arena_dup(test_arena, buf_span(&out)), &tree, NULL), 0);
	return tree;
}

static void so_many_folders_and_not_one_more(void **state)
{
	struct eas_sync_refusal refusal;
	struct eas_sync_request rq;

	assert_int_equal(
		eas_sync_request_read(of_many(AIRSYNC_SYNC, EAS_COLLECTIONS_MAX), test_arena, &rq, &refusal),
		0);
	assert_int_equal(rq.n, EAS_COLLECTIONS_MAX);
	assert_int_equal(eas_sync_request_read(of_many(AIRSYNC_SYNC, EAS_COLLECTIONS_MAX + 1), test_arena,
	                                       &rq, &refusal),
	                 -POD_E_SYNTAX);
	assert_int_equal(refusal.status, EAS_SYNC_TOO_MANY);
	assert_int_equal(refusal.limit, EAS_COLLECTIONS_MAX);
}

static void a_partial_request_is_completed_by_the_last_one(void **state)
{
	static const struct eas_line last_lines[] = {
		COLLECTION("1.1"), { AIRSYNC_WINDOWSIZE, "7" }, EAS_OUT,
		EAS_OUT,           { AIRSYNC_WAIT, "9" },       EAS_OUT
	};
	static const struct eas_line partial[] = { { AIRSYNC_PARTIAL, "" },
		                                   { AIRSYNC_WAIT, "5" },
		                                   EAS_IN(AIRSYNC_COLLECTIONS),
		                                   EAS_IN(AIRSYNC_COLLECTION),
		                                   { AIRSYNC_SYNCKEY, "2.2" },
		                                   { AIRSYNC_COLLECTIONID, "f2" },
		                                   END };
	_cleanup_buf_ struct buf kept = BUF_INIT;
	struct eas_sync_refusal refusal;
	struct eas_sync_request last, rq;

	assert_int_equal(eas_sync_request_read(eas_document(test_arena, AIRSYNC_SYNC, last_lines), test_arena,
	                                       &last, &refusal),
	                 0);
	eas_sync_last_encode(&last, &kept);
	assert_int_equal(eas_sync_last_decode(buf_span(&kept), test_arena, &last), 0);
	assert_int_equal(eas_sync_request_read(eas_document(test_arena, AIRSYNC_SYNC, partial), test_arena,
	                                       &rq, &refusal),
	                 0);
	assert_true(rq.partial);
	assert_int_equal(eas_sync_last_complete(&rq, &last, test_arena), 0);
	assert_int_equal(rq.n, 2);
	assert_string_equal(rq.collections[0].id, "f2");
	assert_string_equal(rq.collections[1].id, "f1");
	assert_string_equal(rq.collections[1].key, "1.1");
	assert_int_equal(rq.collections[1].window, 7);
	assert_int_equal(rq.wait_s, 300);
}

/* ---- Ping ---- */

#define FOLDER(id) EAS_IN(PING_FOLDER), { PING_ID, id }, { PING_CLASS, "Email" }, EAS_OUT

static void pings_are_read_or_refused(void **state)
{
	static const struct {
		const char *what;
		struct eas_line lines[16];
		int r;
		unsigned int interval_s;
		size_t n;
	} cases[] = {
		{ "all",
		  { { PING_HEARTBEATINTERVAL, "480" },
		    EAS_IN(PING_FOLDERS),
		    FOLDER("a"),
		    FOLDER("b"),
		    EAS_OUT,
		    EAS_OUT },
		  0,
		  480,
		  2 },
		{ "a folder twice is one",
		  { EAS_IN(PING_FOLDERS), FOLDER("a"), FOLDER("a"), EAS_OUT, EAS_OUT },
		  0,
		  0,
		  1 },
		{ "an interval alone", { { PING_HEARTBEATINTERVAL, "60" }, EAS_OUT }, 0, 60, 0 },
		{ "0 is said, and too short", { { PING_HEARTBEATINTERVAL, "0" }, EAS_OUT }, 0, 1, 0 },
		{ "any length", { { PING_HEARTBEATINTERVAL, "99999999999" }, EAS_OUT }, 0, UINT32_MAX, 0 },
		{ "words", { { PING_HEARTBEATINTERVAL, "soon" }, EAS_OUT }, -POD_E_SYNTAX, 0, 0 },
		{ "no folder in Folders", { EAS_IN(PING_FOLDERS), EAS_OUT, EAS_OUT }, -POD_E_SYNTAX, 0, 0 },
		{ "a folder without an id",
		  { EAS_IN(PING_FOLDERS),
		    EAS_IN(PING_FOLDER),
		    { PING_CLASS, "Email" },
		    EAS_OUT,
		    EAS_OUT,
		    EAS_OUT },
		  -POD_E_SYNTAX,
		  0,
		  0 },
		{ "an element of its answer", { { PING_STATUS, "1" }, EAS_OUT }, -POD_E_SYNTAX, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct eas_ping p = { 0 };
		int r = eas_ping_read(eas_document(test_arena, PING_PING, cases[i].lines), test_arena, &p);

		if (r != cases[i].r || p.interval_s != cases[i].interval_s || p.n != cases[i].n)
			fail_msg("%s: %d, %u s, %zu folders", cases[i].what, r, p.interval_s, p.n);
	}
}

static void what_a_ping_leaves_out_is_that_of_the_last(void **state)
{
	static const char *ids[] = { "a", "b" };
	const struct eas_ping last = { 480, ids, 2 }, none = { 0 };
	struct eas_ping p = { 0 };
	unsigned int limit = 0;

	assert_int_equal(eas_ping_complete(&p, &last, &limit), 0);
	assert_int_equal(p.interval_s, 480);
	assert_int_equal(p.n, 2);
	p = (struct eas_ping){ .interval_s = 480 };
	assert_int_equal(eas_ping_complete(&p, &none, &limit), EAS_PING_MISSING);
	p = (struct eas_ping){ .interval_s = 59 };
	assert_int_equal(eas_ping_complete(&p, &last, &limit), EAS_PING_INTERVAL);
	assert_int_equal(limit, EAS_PING_MIN);
	p = (struct eas_ping){ .interval_s = 3541 };
	assert_int_equal(eas_ping_complete(&p, &last, &limit), EAS_PING_INTERVAL);
	assert_int_equal(limit, EAS_PING_MAX);
}

/* 300,000 fit into a request, and comparing each with each would hold up the worker for minutes. */
static void a_ping_of_too_many_folders_is_not_read_to_its_end(void **state)
{
	_cleanup_(arena_freep) struct arena *small = arena_create(64u << 10);
	struct eas_ping p, none = { 480, NULL, 0 };
	unsigned int limit = 0;

	assert_int_equal(eas_ping_read(of_many(PING_PING, EAS_PING_FOLDERS_MAX), test_arena, &p), 0);
	assert_int_equal(eas_ping_complete(&p, &none, &limit), 0);
	assert_int_equal(eas_ping_read(of_many(PING_PING, 20000), small, &p), 0);
	assert_int_equal(eas_ping_complete(&p, &none, &limit), EAS_PING_TOO_MANY);
	assert_int_equal(limit, EAS_PING_FOLDERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(syncs_are_read_or_refused, test_arena_make, test_arena_free),
		cmocka_unit_test_setup_teardown(so_many_folders_and_not_one_more, test_arena_make,
		                                test_arena_free),
		cmocka_unit_test_setup_teardown(a_partial_request_is_completed_by_the_last_one,
		                                test_arena_make, test_arena_free),
		cmocka_unit_test_setup_teardown(pings_are_read_or_refused, test_arena_make, test_arena_free),
		cmocka_unit_test_setup_teardown(what_a_ping_leaves_out_is_that_of_the_last, test_arena_make,
		                                test_arena_free),
		cmocka_unit_test_setup_teardown(a_ping_of_too_many_folders_is_not_read_to_its_end,
		                                test_arena_make, test_arena_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
