#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "imapd/eas/fetch/attachment.h"
#include "imapd/eas/search/request.h"
#include "imapd/eas/search/texts.h"
#include "imapd/imap/search_text.h"

static const char header[] =
	"From: \"Ann Lee\" <ann@example.org>\r\nTo: bob@example.org\r\nCc: J=?utf-8?q?=C3=B6?= <j@x>\r\n"
	"Subject: The =?utf-8?q?gr=C3=9Cne?= Report\r\n";

static enum search_answer match(const char *query, const char *body, bool attachments)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct search_texts t;
	struct search_query q;

	assert_int_equal(search_query_read(a, span_of(query), &q), 0);
	assert_int_equal(search_texts_of(a, span_of(header), SPAN_NONE, &t), 0);
	t.has_attachments = attachments;
	if (body) {
		t.has_body = true;
		t.body = search_text_fold(a, span_of(body));
	}
	return search_query_match(&q, &t);
}

static void queries_mean_what_people_type(void **state)
{
	static const struct {
		const char *query;
		enum search_answer by_header, by_body; /* of "Dear Bob, see the budget." */
	} cases[] = {
		{ "", SEARCH_YES, SEARCH_YES },
		{ "report", SEARCH_YES, SEARCH_YES },
		{ "REPORT gr\xc3\xbcne", SEARCH_YES, SEARCH_YES },
		{ "\"gr\xc3\xbcne report\"", SEARCH_YES, SEARCH_YES },
		{ "\"report gr\xc3\xbcne\"", SEARCH_UNKNOWN, SEARCH_NO },
		{ "budget", SEARCH_UNKNOWN, SEARCH_YES },
		{ "budg*", SEARCH_UNKNOWN, SEARCH_YES },
		{ "report budget", SEARCH_UNKNOWN, SEARCH_YES },
		{ "report AND money", SEARCH_UNKNOWN, SEARCH_NO },
		{ "from:ann", SEARCH_YES, SEARCH_YES },
		{ "From:\"ann lee\"", SEARCH_YES, SEARCH_YES },
		{ "from:bob", SEARCH_NO, SEARCH_NO },
		{ "to:bob subject:report", SEARCH_YES, SEARCH_YES },
		{ "cc:\"j@x\"", SEARCH_YES, SEARCH_YES },
		{ "participants:bob", SEARCH_YES, SEARCH_YES },
		{ "subject:budget", SEARCH_NO, SEARCH_NO },
		{ "body:report", SEARCH_UNKNOWN, SEARCH_NO },
		{ "from:bob OR from:ann", SEARCH_YES, SEARCH_YES },
		{ "from:bob OR budget", SEARCH_UNKNOWN, SEARCH_YES },
		{ "from:bob OR from:carl budget", SEARCH_NO, SEARCH_NO },
		{ "-from:bob", SEARCH_YES, SEARCH_YES },
		{ "NOT from:ann", SEARCH_NO, SEARCH_NO },
		{ "report -budget", SEARCH_UNKNOWN, SEARCH_NO },
		{ "report NOT money", SEARCH_UNKNOWN, SEARCH_YES },
		{ "hasattachment:true", SEARCH_NO, SEARCH_NO },
		{ "hasattachment:false report", SEARCH_YES, SEARCH_YES },
		{ "(report)", SEARCH_YES, SEARCH_YES },
		{ "\"open", SEARCH_UNKNOWN, SEARCH_NO },
		{ "OR AND NOT -", SEARCH_UNKNOWN, SEARCH_YES },
		{ "from:", SEARCH_YES, SEARCH_YES },
		{ "http://x", SEARCH_UNKNOWN, SEARCH_NO },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(match(cases[i].query, NULL, false), cases[i].by_header);
		assert_int_equal(match(cases[i].query, "Dear Bob, see the budget.", false), cases[i].by_body);
	}
	assert_int_equal(match("hasattachment:true", NULL, true), SEARCH_YES);
}

static void queries_have_limits(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct buf text = BUF_INIT;
	struct search_query q;

	for (size_t i = 0; i <= SEARCH_TERMS_MAX; i++)
		buf_add_str(&text, "a ");
	assert_int_equal(search_query_read(a, buf_span(&text), &q), -POD_E_LIMIT);
	for (size_t i = 0; i < SEARCH_TEXT_MAX; i++)
		buf_add_byte(&text, 'x');
	assert_int_equal(search_query_read(a, buf_span(&text), &q), -POD_E_LIMIT);
	buf_done(&text);
}

/* ---- documents: tags opened by a tag, closed by 0 ---- */

struct line {
	unsigned int tag; /* 0: the end of the element that is open */
	const char *text; /* NULL: an element with others in it */
};

static const struct wbxml_node *document(struct arena *a, const struct line *lines, size_t n)
{
	_cleanup_buf_ struct buf out = BUF_INIT;
	struct wbxml_node *root;
	struct wbxml_writer w;

	wbxml_begin(&w, &out);
	for (size_t i = 0; i < n && (lines[i].tag || w.depth > 0); i++) {
		if (!lines[i].tag)
			wbxml_close(&w);
		else if (lines[i].text)
			wbxml_str(&w, (enum wbxml_tag) lines[i].tag, lines[i].text);
		else
			wbxml_open(&w, (enum wbxml_tag) lines[i].tag);
	}
	assert_int_equal(w.depth, 0);
	assert_int_equal(wbxml_decode(a, arena_dup(a, buf_span(&out)), &root, NULL), 0);
	return root;
}

#define IN(tag)           \
	{                 \
		tag, NULL \
	}
#define OUT             \
	{               \
		0, NULL \
	}
#define MAIL                           \
	{                              \
		SEARCH_NAME, "Mailbox" \
	}
#define QUERY(...)      IN(SEARCH_QUERY), IN(SEARCH_AND), __VA_ARGS__, OUT, OUT
#define OPTIONS(...)    IN(SEARCH_OPTIONS), __VA_ARGS__, OUT
#define STORE(...)      IN(SEARCH_STORE), __VA_ARGS__, OUT
#define TIME(tag, text) IN(tag), { EMAIL_DATERECEIVED, "" }, { SEARCH_VALUE, text }, OUT
#define TEXT                         \
	{                            \
		SEARCH_FREETEXT, "x" \
	}
#define NOON "2026-11-26T12:00:00.000Z"

static void searches_are_read_or_refused_with_their_status(void **state)
{
	static const struct {
		struct line lines[24];
		unsigned int status;
	} cases[] = {
		{ { STORE(MAIL, QUERY({ AIRSYNC_CLASS, "Email" }, { AIRSYNC_COLLECTIONID, "f" }, TEXT)) },
		  0 },
		{ { STORE(MAIL, QUERY(TIME(SEARCH_GREATERTHAN, NOON), TIME(SEARCH_LESSTHAN, NOON))) }, 0 },
		{ { STORE(MAIL, QUERY(TEXT),
		          OPTIONS({ SEARCH_RANGE, "0-9" }, { SEARCH_DEEPTRAVERSAL, "" })) },
		  0 },
		{ { STORE({ SEARCH_NAME, "GAL" }, { SEARCH_QUERY, "ann" }) }, 0 },
		{ { STORE({ SEARCH_NAME, "gal" }, { SEARCH_QUERY, "" }) }, SEARCH_STATUS_BAD_REQUEST },
		{ { STORE({ SEARCH_NAME, "Other" }, { SEARCH_QUERY, "ann" }) }, SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL) }, SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY({ AIRSYNC_CLASS, "Email" })) }, SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY(TEXT, TEXT)) }, SEARCH_STATUS_TOO_COMPLEX },
		{ { STORE(MAIL, QUERY(TIME(SEARCH_LESSTHAN, NOON), TIME(SEARCH_LESSTHAN, NOON))) },
		  SEARCH_STATUS_TOO_COMPLEX },
		{ { STORE(MAIL, QUERY(TIME(SEARCH_LESSTHAN, "noon"))) }, SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY(IN(SEARCH_OR), TEXT, OUT)) }, SEARCH_STATUS_TOO_COMPLEX },
		{ { STORE(MAIL, IN(SEARCH_QUERY), IN(SEARCH_OR), TEXT, OUT, OUT) },
		  SEARCH_STATUS_TOO_COMPLEX },
		{ { STORE(MAIL, IN(SEARCH_QUERY), IN(SEARCH_AND), TEXT, OUT, IN(SEARCH_AND), TEXT, OUT,
		          OUT) },
		  SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY(TEXT), OPTIONS({ SEARCH_RANGE, "9-0" })) }, SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY(TEXT), OPTIONS({ SEARCH_RANGE, "0-1" }, { SEARCH_RANGE, "0-1" })) },
		  SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY(TEXT),
		          OPTIONS({ AIRSYNC_MIMESUPPORT, "1" }, { AIRSYNC_MIMESUPPORT, "1" })) },
		  SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY(TEXT),
		          OPTIONS({ SEARCH_REBUILDRESULTS, "" }, { SEARCH_REBUILDRESULTS, "" })) },
		  SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY({ SEARCH_CONVERSATIONID, "short" })) }, SEARCH_STATUS_BAD_REQUEST },
		{ { STORE(MAIL, QUERY(TEXT),
		          OPTIONS(IN(AIRSYNCBASE_BODYPARTPREFERENCE), { AIRSYNCBASE_TYPE, "1" }, OUT)) },
		  EAS_STATUS_BODY_PART_TYPE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		struct search_request q;

		assert_int_equal(
			search_request_read(document(a, cases[i].lines, ARRAY_SIZE(cases[i].lines)), 141, &q),
			cases[i].status);
	}
}

static void a_search_says_where_when_and_how_many(void **state)
{
	static const struct line lines[] = { STORE(
		MAIL,
		QUERY({ AIRSYNC_CLASS, "Email" }, { AIRSYNC_COLLECTIONID, "f1" },
		      { AIRSYNC_COLLECTIONID, "f2" }, TEXT, TIME(SEARCH_GREATERTHAN, NOON)),
		OPTIONS({ SEARCH_RANGE, "10-19" }, { SEARCH_DEEPTRAVERSAL, "" })) };
	static const struct line others[] = { STORE(MAIL, QUERY({ AIRSYNC_CLASS, "Calendar" }, TEXT)) };
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct search_request q;

	assert_int_equal(search_request_read(document(a, lines, ARRAY_SIZE(lines)), 141, &q), 0);
	assert_true(q.mail_class && q.deep && q.folders_n == 2 && span_eq(q.folders[1], SPAN_LIT("f2")));
	assert_true(q.first == 10 && q.last == 19 && q.before_s == INT64_MAX);
	assert_int_equal(q.after_s, 1795694400);
	assert_int_equal(search_request_read(document(a, others, ARRAY_SIZE(others)), 141, &q), 0);
	assert_true(!q.mail_class && q.first == 0 && q.last == 99);
}

#define EXECUTE(...)   IN(FIND_EXECUTESEARCH), __VA_ARGS__, OUT
#define FIND_MAIL(...) IN(FIND_MAILBOXSEARCHCRITERION), __VA_ARGS__, OUT

static void finds_are_read_or_refused(void **state)
{
	static const struct {
		struct line lines[20];
		unsigned int status;
	} cases[] = {
		{ { EXECUTE(FIND_MAIL(IN(FIND_QUERY), { AIRSYNC_CLASS, "Email" }, { FIND_FREETEXT, "x" }, OUT,
		                      IN(FIND_OPTIONS), { FIND_RANGE, "0-5" }, { FIND_DEEPTRAVERSAL, "" },
		                      OUT)) },
		  0 },
		{ { EXECUTE(IN(FIND_GALSEARCHCRITERION), { FIND_QUERY, "ann" }, OUT) }, 0 },
		{ { EXECUTE(IN(FIND_GALSEARCHCRITERION), { FIND_QUERY, "" }, OUT) },
		  FIND_STATUS_BAD_REQUEST },
		{ { EXECUTE(FIND_MAIL(IN(FIND_QUERY), { AIRSYNC_CLASS, "Email" }, OUT)) },
		  FIND_STATUS_BAD_REQUEST },
		{ { EXECUTE(FIND_MAIL({ FIND_RANGE, "0-1" })) }, FIND_STATUS_BAD_REQUEST },
		{ { EXECUTE(FIND_MAIL(IN(FIND_QUERY), { FIND_FREETEXT, "x" }, { FIND_FREETEXT, "x" }, OUT)) },
		  FIND_STATUS_BAD_REQUEST },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
		struct search_request q;

		assert_int_equal(
			find_request_read(document(a, cases[i].lines, ARRAY_SIZE(cases[i].lines)), 161, &q),
			cases[i].status);
	}
}

static void ranges_of_attachments_are_cut(void **state)
{
	static const struct {
		const char *range, *part;
		int r;
	} cases[] = {
		{ "0-0", "0", 0 },
		{ "2-4", "234", 0 },
		{ "0-9", "0123456789", 0 },
		{ "8-100", "89", 0 },
		{ "10-11", "", -POD_E_LIMIT },
		{ "4-2", "", -POD_E_SYNTAX },
		{ "-3", "", -POD_E_SYNTAX },
		{ "3-", "", -POD_E_SYNTAX },
		{ "", "", -POD_E_SYNTAX },
		{ "a-b", "", -POD_E_SYNTAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span part = SPAN_LIT("");
		uint64_t first;

		assert_int_equal(
			attachment_cut(SPAN_LIT("0123456789"), span_of(cases[i].range), &part, &first),
			cases[i].r);
		assert_true(span_eq(part, span_of(cases[i].part)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_mean_what_people_type),
		cmocka_unit_test(queries_have_limits),
		cmocka_unit_test(searches_are_read_or_refused_with_their_status),
		cmocka_unit_test(a_search_says_where_when_and_how_many),
		cmocka_unit_test(finds_are_read_or_refused),
		cmocka_unit_test(ranges_of_attachments_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
