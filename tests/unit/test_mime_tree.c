#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "mime/mime.h"

/*
 * What a tree is compared by: of each part the kind and parent, the header's length, the body if it is a
 * leaf, lines.
 */
static void describe(const char *message, const struct mime_tree *tree, struct buf *out)
{
	static const char kinds[] = { [MIME_LEAF] = 'L', [MIME_MULTIPART] = 'P', [MIME_MESSAGE] = 'M' };

	for (uint32_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i];

		buf_printf(out, "%c%d h%d ", kinds[p->kind], (int) p->parent, (int) p->header_len);
		if (p->kind == MIME_LEAF)
			buf_printf(out, "'%.*s' ", (int) p->body_len, message + p->body_off);
		buf_printf(out, "%u;", p->lines);
	}
}

static void assert_tree(const char *message, const char *want)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	_cleanup_buf_ struct buf got = BUF_INIT, again = BUF_INIT;
	struct mime_tree tree, unpacked;
	struct span packed;

	assert_int_equal(mime_parse(a, span_of(message), &tree), 0);
	describe(message, &tree, &got);
	assert_string_equal(buf_str(&got), want);
	assert_int_equal(tree.parts[0].header_len + tree.parts[0].body_len, strlen(message));
	assert_int_equal(mime_tree_pack(a, &tree, &packed), 0);
	assert_int_equal(mime_tree_unpack(a, packed, &unpacked), 0);
	describe(message, &unpacked, &again);
	assert_string_equal(buf_str(&again), want);
}

#define MULTI(b) "Content-Type: multipart/mixed; boundary=" b "\r\n\r\n" /* 44 bytes and the boundary */

static void a_message_that_is_no_multipart_is_one_leaf(void **state)
{
	assert_tree("", "L-1 h0 '' 0;");
	assert_tree("A: b\r\n", "L-1 h6 '' 0;");
	assert_tree("A: b\r\n\r\n", "L-1 h8 '' 0;");
	assert_tree("A: b\r\n\r\nx\r\ny", "L-1 h8 'x\r\ny' 1;");
	assert_tree("A: b\n\nx\ny\n", "L-1 h6 'x\ny\n' 2;");
	assert_tree("\r\nbody\r\n", "L-1 h2 'body\r\n' 1;");
}

static void the_line_end_before_a_delimiter_belongs_to_it(void **state)
{
	assert_tree(MULTI("b") "--b\r\n\r\nx\r\n--b--\r\n", "P-1 h45 4;L0 h2 'x' 0;");
	assert_tree(MULTI("b") "--b\r\n\r\nx\r\n\r\n--b--\r\n", "P-1 h45 5;L0 h2 'x\r\n' 1;");
	assert_tree("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n",
	            "P-1 h43 4;L0 h1 'x' 0;");
	assert_tree(MULTI("b") "--b\r\n\r\n--b--\r\n", "P-1 h45 3;L0 h2 '' 0;");
}

static void preamble_and_epilogue_are_in_no_part(void **state)
{
	assert_tree(MULTI("b") "pre\r\n--b\r\n\r\nx\r\n--b--\r\npost\r\n--b\r\n", "P-1 h45 7;L0 h2 'x' 0;");
}

static void a_missing_end_boundary_leaves_the_last_part_open(void **state)
{
	assert_tree(MULTI("b") "--b\r\n\r\nx\r\n", "P-1 h45 3;L0 h2 'x\r\n' 1;");
	assert_tree(MULTI("b") "--b", "P-1 h45 0;L0 h0 '' 0;");
}

static void a_multipart_without_parts_is_a_leaf(void **state)
{
	assert_tree(MULTI("b") "text\r\n", "L-1 h45 'text\r\n' 1;");
	assert_tree(MULTI("b") "--b--\r\n", "L-1 h45 '--b--\r\n' 1;");
	assert_tree("Content-Type: multipart/mixed\r\n\r\n--b\r\n", "L-1 h33 '--b\r\n' 1;");
	assert_tree("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n", "L-1 h46 '--\r\n' 1;");
}

static void the_same_boundary_twice_ends_the_inner_multipart_first(void **state)
{
	assert_tree(MULTI("b") "--b\r\n" MULTI("b") "--b\r\n\r\nx\r\n--b--\r\n--b\r\n\r\ny\r\n--b--",
	            "P-1 h45 10;P0 h45 3;L1 h2 'x' 0;L0 h2 'y' 0;");
}

static void an_outer_delimiter_cuts_off_what_is_open_inside(void **state)
{
	assert_tree(MULTI("o") "--o\r\n" MULTI("i") "--i\r\n\r\nx\r\n--o--\r\n",
	            "P-1 h45 7;P0 h45 2;L1 h2 'x' 0;");
	/* even in the middle of a header */
	assert_tree(MULTI("o") "--o\r\nContent-Type: text/plain\r\n--o--\r\n", "P-1 h45 3;L0 h26 '' 0;");
	/* and no part reaches beyond the one it is in */
	assert_tree(MULTI("o") "--o\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\n--o--\r\n",
	            "P-1 h45 6;M0 h32 1;L1 h6 '' 0;");
	assert_tree(MULTI("o") "--o\r\nContent-Type: message/rfc822\r\n\r\n--o--\r\n",
	            "P-1 h45 4;M0 h32 0;L1 h0 '' 0;");
}

static void a_boundary_may_begin_with_another(void **state)
{
	assert_tree(MULTI("a") "--a\r\n" MULTI("ab") "--ab\r\n\r\nx\r\n--ab--\r\n--a--\r\n",
	            "P-1 h45 8;P0 h46 3;L1 h2 'x' 0;");
	/* RFC 2046 5.1.1: the beginning of the line is enough, and space behind it is padding */
	assert_tree(MULTI("a") "--a  \r\n\r\nx\r\n--a-- \r\n", "P-1 h45 4;L0 h2 'x' 0;");
	assert_tree(MULTI("a") "--axyz\r\n\r\nx\r\n--a--\r\n", "P-1 h45 4;L0 h2 'x' 0;");
}

static void messages_nest_and_base64_ones_are_opaque(void **state)
{
	assert_tree("Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx\r\n", "M-1 h32 3;L0 h8 'x\r\n' 1;");
	assert_tree("Content-Type: message/global\r\n\r\n", "M-1 h32 0;L0 h0 '' 0;");
	assert_tree("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQQ==",
	            "L-1 h67 'QQ==' 0;");
}

static void a_digest_holds_messages_where_nothing_else_is_said(void **state)
{
	assert_tree("Content-Type: multipart/digest; boundary=b\r\n\r\n"
	            "--b\r\n\r\nA: b\r\n\r\nx\r\n"
	            "--b\r\nContent-Type: text/plain\r\n\r\ny\r\n--b--",
	            "P-1 h46 9;M0 h2 2;L1 h8 'x' 0;L0 h28 'y' 0;");
}

static void body_parts_that_forgot_their_empty_line_keep_their_text(void **state)
{
	assert_tree(MULTI("b") "--b\r\njust text\r\n--b--", "P-1 h45 2;L0 h0 'just text' 0;");
	assert_tree(MULTI("b") "--b\r\n>From mbox\r\nA: b\r\n\r\nx\r\n--b--", "P-1 h45 5;L0 h20 'x' 0;");
}

static void boundaries_in_pieces_are_put_together(void **state)
{
	assert_tree("Content-Type: multipart/mixed; boundary*0*=us-ascii''%3D; boundary*1=x\r\n\r\n"
	            "--=x\r\n\r\ny\r\n--=x--",
	            "P-1 h74 3;L0 h2 'y' 0;");
	assert_tree("Content-Type: multipart/mixed; boundary=\"foo\r\n bar\"\r\n\r\n--foo bar\r\n\r\ny",
	            "P-1 h55 2;L0 h2 'y' 0;");
}

static void depth_and_parts_are_bounded(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16 << 20);
	_cleanup_buf_ struct buf deep = BUF_INIT, wide = BUF_INIT;
	struct mime_summary s;
	struct mime_tree tree;

	for (int i = 0; i < 20000; i++)
		buf_add(&deep, SPAN_LIT("Content-Type: message/rfc822\r\n\r\n"));
	assert_int_equal(mime_parse(a, buf_span(&deep), &tree), 0);
	assert_int_equal(tree.n, MIME_DEPTH_MAX + 1);
	assert_int_equal(tree.parts[tree.n - 1].kind, MIME_LEAF);
	assert_int_equal(mime_summarize(a, buf_span(&deep), &s), 0);

	arena_reset(a);
	buf_add_str(&wide, MULTI("b"));
	for (int i = 0; i < 2 * MIME_PARTS_MAX; i++)
		buf_add(&wide, SPAN_LIT("--b\r\n\r\nx\r\n"));
	assert_int_equal(mime_summarize(a, buf_span(&wide), &s), 0);
	assert_int_equal(mime_tree_unpack(a, s.parts, &tree), 0);
	assert_int_equal(tree.n, MIME_PARTS_MAX);
	assert_int_equal(tree.parts[tree.n - 1].body_off + tree.parts[tree.n - 1].body_len, wide.len);
}

static void fields_beyond_the_bound_of_a_header_are_not_looked_at(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16 << 20);
	_cleanup_buf_ struct buf m = BUF_INIT;
	struct mime_summary s;
	struct mime_tree tree;

	buf_add_str(&m, "Subject: early\r\n");
	while (m.len <= MIME_HEADER_MAX)
		buf_add_str(&m, "X-Filler: 0123456789012345678901234567890123456789\r\n");
	buf_add_str(&m, "To: late@example.test\r\n\r\nbody");
	assert_int_equal(mime_summarize(a, buf_span(&m), &s), 0);
	assert_true(span_eq(s.headers, SPAN_LIT("Subject: early\r\n")));
	assert_int_equal(span_find(s.envelope, SPAN_LIT("late")), SIZE_MAX);
	assert_int_equal(mime_tree_unpack(a, s.parts, &tree), 0);
	assert_int_equal(tree.parts[0].body_len, 4);
}

static void a_damaged_packed_tree_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "", 0 },
		{ "\2\1\0\0\0\0\0", 7 },            /* another version */
		{ "\1\0", 2 },                      /* no part */
		{ "\1\1\0\0\0\0", 6 },              /* cut off */
		{ "\1\1\0\0\0\0\0x", 8 },           /* too long */
		{ "\1\1\1\0\0\0\0", 7 },            /* a multipart without a child */
		{ "\1\1\3\0\0\0\0", 7 },            /* no such kind */
		{ "\1\1\4\0\0\0\0", 7 },            /* the message has a parent */
		{ "\1\2\1\0\0\5\0\4\0\0\6\0", 12 }, /* a child longer than its parent */
		{ "\1\2\0\0\0\5\0\4\0\0\5\0", 12 }, /* a leaf with a child */
		{ "\1\1\0\377\377\377\377\377\377\377\377\377\177\0\0\0", 16 }, /* a number beyond 64 bits */
	};
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct mime_tree tree;

	assert_int_equal(mime_tree_unpack(a, SPAN_LIT("\1\1\0\0\0\0\0"), &tree), 0);
	assert_int_equal(mime_tree_unpack(a, SPAN_LIT("\1\2\1\0\0\5\0\4\0\0\5\0"), &tree), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(mime_tree_unpack(a, span_make(cases[i].bytes, cases[i].len), &tree),
		                 -POD_E_CORRUPT);
}

/* The example of RFC 3501 6.4.5, with a body in each part that is its own number. */
static const char sections[] = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
			       "--b\r\nContent-Type: text/plain\r\n\r\n1\r\n"
			       "--b\r\nContent-Type: message/rfc822\r\n\r\n"
			       "Subject: two\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
			       "--c\r\n\r\n2.1\r\n"
			       "--c\r\nContent-Type: message/rfc822\r\n\r\nSubject: two-two\r\n\r\n2.2.1\r\n"
			       "--c--\r\n"
			       "--b--\r\n";

static void sections_are_numbered_as_rfc3501_says(void **state)
{
	static const struct {
		uint32_t path[4];
		size_t n;
		enum mime_section section;
		int r;
		const char *text; /* how it starts */
	} cases[] = {
		{ { 0 }, 0, MIME_SECTION_BODY, 0, "Content-Type: multipart/mixed; boundary=b" },
		{ { 0 }, 0, MIME_SECTION_TEXT, 0, "--b\r\n" },
		{ { 0 }, 0, MIME_SECTION_MIME, -POD_E_NOTFOUND, "" },
		{ { 1 }, 1, MIME_SECTION_BODY, 0, "1\r\n--b" },
		{ { 1 }, 1, MIME_SECTION_MIME, 0, "Content-Type: text/plain\r\n\r\n1" },
		{ { 1 }, 1, MIME_SECTION_HEADER, -POD_E_NOTFOUND, "" },
		{ { 1, 1 }, 2, MIME_SECTION_BODY, -POD_E_NOTFOUND, "" },
		{ { 2 }, 1, MIME_SECTION_BODY, 0, "Subject: two\r\n" },
		{ { 2 }, 1, MIME_SECTION_HEADER, 0, "Subject: two\r\n" },
		{ { 2 }, 1, MIME_SECTION_TEXT, 0, "--c\r\n" },
		{ { 2 }, 1, MIME_SECTION_MIME, 0, "Content-Type: message/rfc822\r\n\r\nSubject: two\r\n" },
		{ { 2, 1 }, 2, MIME_SECTION_BODY, 0, "2.1\r\n" },
		{ { 2, 2 }, 2, MIME_SECTION_HEADER, 0, "Subject: two-two\r\n" },
		{ { 2, 2 }, 2, MIME_SECTION_TEXT, 0, "2.2.1" },
		{ { 2, 2, 1 }, 3, MIME_SECTION_BODY, 0, "2.2.1" },
		{ { 2, 2, 1 }, 3, MIME_SECTION_MIME, 0, "Subject: two-two\r\n" },
		{ { 2, 2, 2 }, 3, MIME_SECTION_BODY, -POD_E_NOTFOUND, "" },
		{ { 2, 2, 1, 1 }, 4, MIME_SECTION_BODY, -POD_E_NOTFOUND, "" },
		{ { 3 }, 1, MIME_SECTION_BODY, -POD_E_NOTFOUND, "" },
		{ { 0 }, 1, MIME_SECTION_BODY, -POD_E_NOTFOUND, "" },
	};
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct span message = span_of(sections);
	struct mime_tree tree;

	assert_int_equal(mime_parse(a, message, &tree), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mime_range range = { 0, 0 };

		assert_int_equal(
			mime_section_find(&tree, cases[i].path, cases[i].n, cases[i].section, &range),
			cases[i].r);
		if (cases[i].r == 0)
			assert_memory_equal(message.p + range.off, cases[i].text, strlen(cases[i].text));
	}
}

static void a_message_without_parts_is_its_own_part_1(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	static const uint32_t one[] = { 1, 1, 1 };
	struct mime_range range;
	struct mime_tree tree;

	assert_int_equal(mime_parse(a, SPAN_LIT("A: b\r\n\r\nbody"), &tree), 0);
	assert_int_equal(mime_section_find(&tree, one, 1, MIME_SECTION_BODY, &range), 0);
	assert_int_equal(range.off, 8);
	assert_int_equal(range.len, 4);
	assert_int_equal(mime_section_find(&tree, one, 2, MIME_SECTION_BODY, &range), -POD_E_NOTFOUND);

	/* a message that is nothing but another one: part 1 is that one, 1.1 its body */
	assert_int_equal(
		mime_parse(a, SPAN_LIT("Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nbody"), &tree), 0);
	assert_int_equal(mime_section_find(&tree, one, 1, MIME_SECTION_BODY, &range), 0);
	assert_int_equal(range.off, 32);
	assert_int_equal(mime_section_find(&tree, one, 1, MIME_SECTION_TEXT, &range), 0);
	assert_int_equal(range.off, 40);
	assert_int_equal(mime_section_find(&tree, one, 2, MIME_SECTION_BODY, &range), 0);
	assert_int_equal(range.off, 40);
	assert_int_equal(mime_section_find(&tree, one, 3, MIME_SECTION_BODY, &range), -POD_E_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_that_is_no_multipart_is_one_leaf),
		cmocka_unit_test(the_line_end_before_a_delimiter_belongs_to_it),
		cmocka_unit_test(preamble_and_epilogue_are_in_no_part),
		cmocka_unit_test(a_missing_end_boundary_leaves_the_last_part_open),
		cmocka_unit_test(a_multipart_without_parts_is_a_leaf),
		cmocka_unit_test(the_same_boundary_twice_ends_the_inner_multipart_first),
		cmocka_unit_test(an_outer_delimiter_cuts_off_what_is_open_inside),
		cmocka_unit_test(a_boundary_may_begin_with_another),
		cmocka_unit_test(messages_nest_and_base64_ones_are_opaque),
		cmocka_unit_test(a_digest_holds_messages_where_nothing_else_is_said),
		cmocka_unit_test(body_parts_that_forgot_their_empty_line_keep_their_text),
		cmocka_unit_test(boundaries_in_pieces_are_put_together),
		cmocka_unit_test(depth_and_parts_are_bounded),
		cmocka_unit_test(fields_beyond_the_bound_of_a_header_are_not_looked_at),
		cmocka_unit_test(a_damaged_packed_tree_is_refused),
		cmocka_unit_test(sections_are_numbered_as_rfc3501_says),
		cmocka_unit_test(a_message_without_parts_is_its_own_part_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
