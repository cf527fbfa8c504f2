/* The pure parts of the IMAP core: grammar, sequence sets, views, patterns, FETCH items and SEARCH keys. */
#include "imapd/imap/fetch_items.h"
#include "imapd/imap/list_match.h"
#include "imapd/imap/search_keys.h"
#include "imapd/imap/search_match.h"
#include "imapd/imap/search_text.h"
#include "imapd/imap/seqset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/cleanup.h"

#define ARENA _cleanup_(arena_freep) struct arena *
#define EACH(c, cases) for (size_t i_ = 0; i_ < ARRAY_SIZE(cases) && ((c) = &(cases)[i_]); i_++)

static void strings_are_taken_as_rfc3501_writes_them(void **state)
{
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} cases[] = {
		{ "atom", "atom" },
		{ "a]b", "a]b" },
		{ "\"quo\\\"ted\\\\\"", "quo\"ted\\" },
		{ "\"\"", "" },
		{ "{3}\r\nabc", "abc" },
		{ "{3+}\r\nabc", "abc" },
		{ "{0}\r\n", "" },
		{ "{4}\r\nabc", NULL },
		{ "{99999999999}\r\nabc", NULL },
		{ "{3}\nabc", NULL },
		{ "\"open", NULL },
		{ "\"bad\\escape\"", NULL },
		{ "\"line\r\nend\"", NULL },
		{ "\"\\", NULL },
		{ "(", NULL },
		{ "", NULL },
	}, *c;

	EACH(c, cases) {
		ARENA a = arena_create(4096);
		struct imap_parser p = IMAP_PARSER(span_of(c->in), a);
		struct span s = SPAN_NONE;
		int r = imap_parse_astring(&p, &s);

		assert_int_equal(r, c->out ? 0 : -POD_E_SYNTAX);
		if (c->out)
			assert_true(span_eq(s, span_of(c->out)));
		else
			assert_non_null(p.error);
	}
}

static void mailbox_names_become_utf8_and_inbox_upper_case(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "inBox", "INBOX" },
		{ "inbox/Sub", "INBOX/Sub" },
		{ "Inboxes", "Inboxes" },
		{ "\"Entw&APw-rfe\"", "Entw\xc3\xbcrfe" },
		{ "\"a & b\"", NULL },
		{ "\"bad\xc3\xbc\"", NULL },
	}, *c;

	EACH(c, cases) {
		ARENA a = arena_create(4096);
		struct imap_parser p = IMAP_PARSER(span_of(c->in), a);
		struct span s = SPAN_NONE;

		assert_int_equal(imap_parse_mailbox(&p, &s), c->out ? 0 : -POD_E_SYNTAX);
		if (c->out)
			assert_true(span_eq(s, span_of(c->out)));
	}
}

static void literal_headers_are_seen_at_the_end_of_a_line_only(void **state)
{
	uint64_t size = 0;
	bool sync = false;

	assert_true(imap_literal_header(SPAN_LIT("a LOGIN {12}"), &size, &sync));
	assert_int_equal(size, 12);
	assert_true(sync);
	assert_true(imap_literal_header(SPAN_LIT("{0+}"), &size, &sync));
	assert_false(sync);
	assert_false(imap_literal_header(SPAN_LIT("a {12} "), &size, &sync));
	assert_false(imap_literal_header(SPAN_LIT("a {}"), &size, &sync));
	assert_false(imap_literal_header(SPAN_LIT("a {-1}"), &size, &sync));
	assert_false(imap_literal_header(SPAN_LIT("12}"), &size, &sync));
}

static void flags_are_system_bits_and_keywords_once_each(void **state)
{
	ARENA a = arena_create(65536);
	struct imap_parser p = IMAP_PARSER(SPAN_LIT("(\\seen $Junk \\DELETED $junk)"), a);
	struct imap_flags f;

	assert_int_equal(imap_parse_flag_list(&p, &f), 0);
	assert_int_equal(f.system, STORE_FLAG_SEEN | STORE_FLAG_DELETED);
	assert_int_equal(f.keywords_n, 1);
	p = IMAP_PARSER(SPAN_LIT("(\\Recent)"), a);
	assert_int_equal(imap_parse_flag_list(&p, &f), -POD_E_SYNTAX);
	p = IMAP_PARSER(SPAN_LIT("()"), a);
	assert_int_equal(imap_parse_flag_list(&p, &f), 0);
}

/* A view with uids 1-5, 10-12, 20. */
static struct imap_view make_view(void)
{
	struct imap_view v = { 0 };

	assert_int_equal(imap_view_append(&v, 1, 5), 0);
	assert_int_equal(imap_view_append(&v, 10, 11), 0);
	assert_int_equal(imap_view_append(&v, 12, 12), 0);
	assert_int_equal(imap_view_append(&v, 20, 20), 0);
	return v;
}

static void a_view_maps_sequence_numbers_and_uids(void **state)
{
	_cleanup_(imap_view_done) struct imap_view v = make_view();
	struct imap_view_cursor c = { 0 };

	assert_int_equal(v.exists, 9);
	assert_int_equal(v.n, 3);
	assert_int_equal(imap_view_uid(&v, 5), 5);
	assert_int_equal(imap_view_uid(&v, 6), 10);
	assert_int_equal(imap_view_uid(&v, 9), 20);
	assert_int_equal(imap_view_uid(&v, 10), 0);
	assert_int_equal(imap_view_seq(&v, 12), 8);
	assert_int_equal(imap_view_seq(&v, 13), 0);
	assert_int_equal(imap_view_seq_from(&v, 6), 6);
	assert_int_equal(imap_view_seq_from(&v, 21), 10);
	assert_int_equal(imap_view_cursor_seq(&v, &c, 3), 3);
	assert_int_equal(imap_view_cursor_seq(&v, &c, 7), 0);
	assert_int_equal(imap_view_cursor_seq(&v, &c, 11), 7);
	assert_int_equal(imap_view_cursor_seq(&v, &c, 20), 9);
	assert_int_equal(imap_view_cursor_seq(&v, &c, 21), 0);
}

/* Against a plain array, for every range of removals. */
static void a_view_loses_any_range_as_a_list_does(void **state)
{
	static const uint32_t uids[] = { 1, 2, 3, 4, 5, 10, 11, 12, 20 };

	for (uint32_t first = 1; first <= 9; first++)
		for (uint32_t last = first; last <= 9; last++) {
			_cleanup_(imap_view_done) struct imap_view v = make_view();
			uint32_t seq = 0;

			assert_int_equal(imap_view_remove(&v, first, last), 0);
			assert_int_equal(v.exists, 9 - (last - first + 1));
			for (uint32_t i = 1; i <= 9; i++) {
				if (i >= first && i <= last)
					continue;
				assert_int_equal(imap_view_uid(&v, ++seq), uids[i - 1]);
				assert_int_equal(imap_view_seq(&v, uids[i - 1]), seq);
			}
			assert_int_equal(imap_view_append(&v, 21, 22), 0);
			assert_int_equal(imap_view_last_uid(&v), 22);
		}
}

static void a_hundred_thousand_messages_in_order_cost_one_run(void **state)
{
	_cleanup_(imap_view_done) struct imap_view v = { 0 };

	for (uint32_t uid = 1; uid <= 100000; uid++)
		assert_int_equal(imap_view_append(&v, uid, uid), 0);
	assert_int_equal(v.n, 1);
	assert_int_equal(v.exists, 100000);
}

static void sequence_sets_become_ascending_uids(void **state)
{
	static const struct {
		const char *in;
		bool uid;
		int r;
		const char *out;
	} cases[] = {
		{ "1:3,5", false, 0, "1-3 5-5 " },
		{ "5:*", false, 0, "5-20 " },
		{ "*", false, 0, "20-20 " },
		{ "*:7,2", false, 0, "2-2 11-20 " },
		{ "3:1,2:4", false, 0, "1-4 " },
		{ "10", false, -POD_E_SYNTAX, "" },
		{ "8:12", false, -POD_E_SYNTAX, "" },
		{ "8:12", true, 0, "8-12 " },
		{ "559:*", true, 0, "20-20 " },
		{ "30:40", true, 0, "" },
		{ "4294967295", true, 0, "" },
		{ "1,2,3,10", true, 0, "1-3 10-10 " },
	}, *c;
	_cleanup_(imap_view_done) struct imap_view v = make_view();

	EACH(c, cases) {
		ARENA a = arena_create(65536);
		struct imap_parser p = IMAP_PARSER(span_of(c->in), a);
		struct imap_seqset set;
		struct imap_ranges uids = { 0 };
		char text[200] = "";

		assert_int_equal(imap_seqset_parse(&p, &set), 0);
		assert_int_equal(imap_seqset_uids(a, &set, &v, c->uid, &uids), c->r);
		for (size_t i = 0; i < uids.n; i++)
			(void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%u-%u ", uids.r[i].first,
			                uids.r[i].last);
		assert_string_equal(text, c->out);
	}
}

static void sequence_sets_that_are_none_are_refused(void **state)
{
	static const char *const cases[] = { "0", "1,,2", ",1", "1:", ":2", "a", "", "4294967296", "1:0" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		ARENA a = arena_create(4096);
		struct imap_parser p = IMAP_PARSER(span_of(cases[i]), a);
		struct imap_seqset set;

		assert_true(imap_seqset_parse(&p, &set) < 0 || imap_parse_end(&p) < 0);
	}
}

static void patterns_match_as_list_has_it(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} cases[] = {
		{ "*", "a/b/c", true },     { "%", "a", true },           { "%", "a/b", false },
		{ "a/%", "a/b", true },     { "a/%", "a/b/c", false },    { "a*c", "a/b/c", true },
		{ "inbox", "INBOX", true }, { "iNb%", "INBOX/x", false }, { "iNb*", "INBOX/x", true },
		{ "inbox/X", "INBOX/x", false }, { "foo", "FOO", false }, { "*a%b", "xa/b/xaxb", true },
		{ "%a%b", "xa/b", false },  { "", "", true },             { "", "a", false },
		{ "%/%", "a/b", true },     { "%/%", "a/b/c", false },    { "**%%", "a/b", true },
		{ "*x", "a/b/c", false },   { "%", "", true },
	}, *c;

	EACH(c, cases)
		assert_int_equal(imap_list_match(span_of(c->pattern), span_of(c->name)), c->matches);
}

static void patterns_full_of_wildcards_take_no_for_an_answer_quickly(void **state)
{
	char pattern[400], name[1000];

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = "*a%"[i % 3];
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = 'b';
	pattern[sizeof(pattern) - 1] = 'c';
	assert_false(imap_list_match(span_make(pattern, sizeof(pattern)), span_make(name, sizeof(name))));
}

static void fetch_items_are_labelled_as_the_client_wrote_them(void **state)
{
	static const struct {
		const char *in;
		int r;
		const char *label; /* of the last item, where it is a section */
	} cases[] = {
		{ "BODY[]", 0, "BODY[]" },
		{ "BODY.PEEK[1.2.TEXT]<5.10>", 0, "BODY[1.2.TEXT]<5>" },
		{ "(FLAGS BODY[HEADER.FIELDS (From \"To\")])", 0, "BODY[HEADER.FIELDS (From \"To\")]" },
		{ "BODY[HEADER.FIELDS.NOT ({4}\r\nFrom To)]", 0, "BODY[HEADER.FIELDS.NOT (From To)]" },
		{ "body[1.mime]", 0, "BODY[1.mime]" },
		{ "RFC822.HEADER", 0, "RFC822.HEADER" },
		{ "ALL", 0, NULL },
		{ "(FULL)", -POD_E_SYNTAX, NULL },
		{ "BODY[MIME]", -POD_E_SYNTAX, NULL },
		{ "BODY[0]", -POD_E_SYNTAX, NULL },
		{ "BODY[1.]", -POD_E_SYNTAX, NULL },
		{ "BODY[TEXT]<1.0>", -POD_E_SYNTAX, NULL },
		{ "BODY[HEADER.FIELDS ()]", -POD_E_SYNTAX, NULL },
		{ "BODY[HEADER.FIELDS ({6}\r\nFrom\r\n)]", -POD_E_SYNTAX, NULL },
		{ "()", -POD_E_SYNTAX, NULL },
		{ "FLAGSX", -POD_E_SYNTAX, NULL },
	}, *c;

	EACH(c, cases) {
		ARENA a = arena_create(1 << 20);
		struct imap_parser p = IMAP_PARSER(span_of(c->in), a);
		struct imap_fetch_items f = { 0 };

		assert_int_equal(imap_fetch_items_parse(&p, &f), c->r);
		if (c->label)
			assert_true(span_eq(f.items[f.n - 1].section->label, span_of(c->label)));
	}
}

/* One message, uid 10, \Seen, 1000 bytes, held against keys. */
static enum imap_match match(struct arena *a, const char *keys, bool with_bytes)
{
	static const char headers[] = "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
	                              "From: Terry Gray <gray@cac.washington.edu>\r\n";
	static const char bytes[] = "Subject: x\r\nX-Odd: Yes\r\n\r\nHello World\r\n";
	_cleanup_(imap_view_done) struct imap_view v = make_view();
	char junk[] = "$Junk", *keywords[] = { junk };
	struct imap_parser p = IMAP_PARSER(span_of(keys), a);
	struct imap_search s;
	struct imap_search_message m = { .uid = 10, .flags = STORE_FLAG_SEEN, .modseq = 7, .size = 1000,
		                         .internal_date = 760665600 /* 8-Feb-1994 */, .headers = span_of(headers) };

	if (imap_search_parse(&p, &s) < 0 || imap_search_resolve(a, &s, &v, keywords, 1) < 0)
		fail_msg("%s: %s", keys, p.error ? p.error : "not parsed");
	if (with_bytes) {
		m.has_bytes = true;
		m.bytes = span_of(bytes);
		assert_int_equal(mime_parse(a, m.bytes, &m.tree), 0);
	}
	return imap_search_match(a, s.root, &m);
}

static void search_keys_decide_by_the_index_where_they_can(void **state)
{
	static const struct {
		const char *keys;
		enum imap_match index, bytes;
	} cases[] = {
		{ " ALL", MATCH_YES, MATCH_YES },
		{ " SEEN", MATCH_YES, MATCH_YES },
		{ " UNSEEN", MATCH_NO, MATCH_NO },
		{ " NOT SEEN", MATCH_NO, MATCH_NO },
		{ " 6", MATCH_YES, MATCH_YES },
		{ " UID 1:9", MATCH_NO, MATCH_NO },
		{ " OR DELETED 6", MATCH_YES, MATCH_YES },
		{ " (SEEN (NOT DELETED))", MATCH_YES, MATCH_YES },
		{ " KEYWORD $junk", MATCH_NO, MATCH_NO },
		{ " UNKEYWORD other", MATCH_YES, MATCH_YES },
		{ " LARGER 999 SMALLER 1001", MATCH_YES, MATCH_YES },
		{ " LARGER 1000", MATCH_NO, MATCH_NO },
		{ " ON 8-Feb-1994 SINCE 8-Feb-1994 BEFORE \"9-Feb-1994\"", MATCH_YES, MATCH_YES },
		{ " SENTON 7-Feb-1994", MATCH_YES, MATCH_YES },
		{ " MODSEQ 7", MATCH_YES, MATCH_YES },
		{ " MODSEQ \"/flags/\\\\draft\" all 8", MATCH_NO, MATCH_NO },
		{ " FROM gray", MATCH_YES, MATCH_YES },
		{ " SUBJECT {8}\r\ngr\xc3\x9c\xc3\x9f" "E\r", MATCH_NO, MATCH_NO },
		{ " CHARSET utf-8 SUBJECT {7}\r\ngr\xc3\x9c\xc3\x9f" "E", MATCH_YES, MATCH_YES },
		{ " HEADER From \"\"", MATCH_YES, MATCH_YES },
		{ " HEADER Cc \"\"", MATCH_NO, MATCH_NO },
		{ " HEADER X-Odd yes", MATCH_NEEDS_BYTES, MATCH_YES },
		{ " BODY \"hello w\"", MATCH_NEEDS_BYTES, MATCH_YES },
		{ " BODY odd", MATCH_NEEDS_BYTES, MATCH_NO },
		{ " TEXT odd", MATCH_NEEDS_BYTES, MATCH_YES },
		{ " UNSEEN BODY x", MATCH_NO, MATCH_NO },
		{ " OR SEEN BODY x", MATCH_YES, MATCH_YES },
		{ " NOT BODY x", MATCH_NEEDS_BYTES, MATCH_YES },
		{ " RETURN (MIN COUNT) SEEN", MATCH_YES, MATCH_YES },
		{ " RETURN () NEW", MATCH_NO, MATCH_NO },
	}, *c;

	EACH(c, cases) {
		ARENA a = arena_create(1 << 20);

		if (match(a, c->keys, false) != c->index || match(a, c->keys, true) != c->bytes)
			fail_msg("wrong match:%s", c->keys);
	}
}

static void search_keys_that_are_none_are_refused(void **state)
{
	static const struct {
		const char *keys;
		int r;
	} cases[] = {
		{ "", -POD_E_SYNTAX },
		{ " ", -POD_E_SYNTAX },
		{ " SEENX", -POD_E_SYNTAX },
		{ " ()", -POD_E_SYNTAX },
		{ " (SEEN", -POD_E_SYNTAX },
		{ " SEEN)", -POD_E_SYNTAX },
		{ " OR SEEN", -POD_E_SYNTAX },
		{ " BEFORE 31-Foo-1994", -POD_E_SYNTAX },
		{ " CHARSET ISO-8859-1 ALL", -POD_E_UNSUPPORTED },
		{ " RETURN (SAVE) ALL", -POD_E_SYNTAX },
		{ " ((((((((((((((((((((((((((((((((((ALL))))))))))))))))))))))))))))))))))", -POD_E_SYNTAX },
	}, *c;

	EACH(c, cases) {
		ARENA a = arena_create(1 << 20);
		struct imap_parser p = IMAP_PARSER(span_of(c->keys), a);
		struct imap_search s;

		if (imap_search_parse(&p, &s) != c->r)
			fail_msg("taken:%s", c->keys);
	}
}

static void folding_knows_letters_beyond_ascii(void **state)
{
	ARENA a = arena_create(4096);

	assert_true(span_eq(search_text_fold(a, SPAN_LIT("\xc3\x84\xd0\x96\xce\xa3Z")), SPAN_LIT("\xc3\xa4\xd0\xb6\xcf\x83z")));
	assert_true(search_text_has(a, SPAN_LIT("ABC"), SPAN_LIT("bc")));
	assert_false(search_text_has(a, SPAN_LIT("ABC"), SPAN_LIT("bd")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_taken_as_rfc3501_writes_them),
		cmocka_unit_test(mailbox_names_become_utf8_and_inbox_upper_case),
		cmocka_unit_test(literal_headers_are_seen_at_the_end_of_a_line_only),
		cmocka_unit_test(flags_are_system_bits_and_keywords_once_each),
		cmocka_unit_test(a_view_maps_sequence_numbers_and_uids),
		cmocka_unit_test(a_view_loses_any_range_as_a_list_does),
		cmocka_unit_test(a_hundred_thousand_messages_in_order_cost_one_run),
		cmocka_unit_test(sequence_sets_become_ascending_uids),
		cmocka_unit_test(sequence_sets_that_are_none_are_refused),
		cmocka_unit_test(patterns_match_as_list_has_it),
		cmocka_unit_test(patterns_full_of_wildcards_take_no_for_an_answer_quickly),
		cmocka_unit_test(fetch_items_are_labelled_as_the_client_wrote_them),
		cmocka_unit_test(search_keys_decide_by_the_index_where_they_can),
		cmocka_unit_test(search_keys_that_are_none_are_refused),
		cmocka_unit_test(folding_knows_letters_beyond_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
