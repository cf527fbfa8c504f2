#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <time.h>

#include "base/cleanup.h"
#include "imapd/eas/item/html.h"
#include "imapd/eas/item/text.h"
#include "tests/support/eas_fixture.h"

static void text_is_cleaned_of_what_xml_has_not(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "" },
		{ "a\tb\r\n\xc3\xa4", "a\tb\r\n\xc3\xa4" },
		{ "a\x01\x0b"
		  "b\x7f",
		  "ab" },
		{ "\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "x\xed\xa0\x80y", "x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy" },
		{ "\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);

		assert_span(eas_text_clean(a, span_of(cases[i].in)), cases[i].out);
	}
}

static void text_is_cut_between_characters(void **state)
{
	static const struct span text = SPAN_LIT("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z");
	static const size_t kept[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11 };

	for (size_t max = 0; max < ARRAY_SIZE(kept); max++)
		assert_int_equal(eas_text_cut(text, max).len, kept[max]);
	assert_int_equal(eas_text_cut(text, UINT64_MAX).len, text.len);
}

static void a_preview_counts_characters_and_joins_white_space(void **state)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);

	assert_span(eas_text_preview(a, SPAN_LIT("\r\n  one\t two\r\n\r\nthree\xc2\xa0 "), 255),
	            "one two three");
	assert_span(eas_text_preview(a, SPAN_LIT("\xc3\xa4\xc3\xa4\xc3\xa4 b"), 2), "\xc3\xa4\xc3\xa4");
	assert_span(eas_text_preview(a, SPAN_LIT("ab cd"), 3), "ab ");
	assert_span(eas_text_preview(a, SPAN_LIT("ab"), 0), "");
}

static void html_reads_as_a_person_would(void **state)
{
	static const struct {
		const char *html, *text;
	} cases[] = {
		{ "", "" },
		{ "plain", "plain\r\n" },
		{ "<html><head><title>no</title><style>p{}</style></head><body><p>One\n  "
		  "two</p><p>three</p></body></html>",
		  "One two\r\n\r\nthree\r\n" },
		{ "a<br>b<br><br>c", "a\r\nb\r\n\r\nc\r\n" },
		{ "<div>a<div>b</div>c</div>", "a\r\nb\r\nc\r\n" },
		{ "<ul><li>one<li>two</ul>after", "* one\r\n* two\r\nafter\r\n" },
		{ "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\r\nc\r\n" },
		{ "x &lt;&amp;&gt; &auml;&#8364;", "x <&> \xc3\xa4\xe2\x82\xac\r\n" },
		{ "<a href='https://x.example/a?b=1&amp;c=2'>here</a> and",
		  "here <https://x.example/a?b=1&c=2> and\r\n" },
		{ "<a href='https://x.example/'>https://x.example/</a>", "https://x.example/\r\n" },
		{ "<a href='https://x.example/'>x.example</a><a href='javascript:1'>no</a>",
		  "x.exampleno\r\n" },
		{ "see <img src=a alt='a cat'> there<img src=b>", "see [a cat] there\r\n" },
		{ "<pre>a  b\n c</pre>", "a  b\r\n c\r\n" },
		{ "said:<blockquote>old<br>older</blockquote>new", "said:\r\n> old\r\n> older\r\nnew\r\n" },
		{ "a<script>alert('<p>no')</script>b", "ab\r\n" },
		{ "<b>bold</b> and<i> it</i>", "bold and it\r\n" },
		{ "a<hr>b", "a\r\n\r\n----------------------------------------\r\nb\r\n" },
		{ "<meta charset=iso-8859-1>\xc3\xa4", "\xc3\xa4\r\n" },
		{ "<p>never <b>closed", "never closed\r\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;

		eas_html_to_text(span_of(cases[i].html), &out);
		assert_string_equal(buf_str(&out), cases[i].text);
	}
}

static void text_becomes_html_that_looks_the_same(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	eas_text_to_html(SPAN_LIT("a < b & \"c\"\r\n  indented  twice\n\tx\r\n"), &out);
	assert_string_equal(buf_str(&out),
	                    "a &lt; b &amp; &quot;c&quot;<br>\r\n&nbsp;&nbsp;indented &nbsp;twice<br>\r\n"
	                    "&nbsp;&nbsp;&nbsp; x<br>\r\n");
}

static void html_claims_the_charset_that_it_has(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "<p>charset=x", "<p>charset=x" },
		{ "<META http-equiv=Content-Type content=\"text/html; charset=ISO-8859-1\"><p>",
		  "<META http-equiv=Content-Type content=\"text/html; charset=utf-8\"><p>" },
		{ "<meta charset='windows-1252'><meta name=x><meta charset=koi8-r>",
		  "<meta charset='utf-8'><meta name=x><meta charset=utf-8>" },
		{ "<meta charset=\"UTF-8\">", "<meta charset=\"UTF-8\">" },
		{ "<meta charset=", "<meta charset=" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);

		assert_span(eas_html_claim_utf8(a, span_of(cases[i].in)), cases[i].out);
	}
}

static void what_is_quoted_is_left_out_of_a_part(void **state)
{
	assert_span(eas_html_unquoted(SPAN_LIT("new<div class=\"gmail_quote\">old")), "new");
	assert_span(eas_html_unquoted(SPAN_LIT("new<BLOCKQUOTE type=\"cite\">old<div id=\"divRplyFwdMsg\">")),
	            "new");
	assert_span(eas_html_unquoted(SPAN_LIT("<blockquote>mine</blockquote>")),
	            "<blockquote>mine</blockquote>");
}

static void add_often(struct buf *html, const char *text, size_t n)
{
	while (n-- > 0)
		buf_add_str(html, text);
}

/* More elements than anybody means: all text is there, in a time like its size. */
static void html_that_is_nested_too_deep_is_read_to_its_end(void **state)
{
	_cleanup_buf_ struct buf html = BUF_INIT, out = BUF_INIT, hostile = BUF_INIT, rest = BUF_INIT;
	clock_t began = clock();
	size_t as = 0, bs = 0;

	add_often(&html, "<font size='1' >a ", 999);
	add_often(&html, "</font>b ", 999);
	eas_html_to_text(buf_span(&html), &out);
	for (size_t i = 0; i < out.len; i++) {
		as += out.p[i] == 'a';
		bs += out.p[i] == 'b';
	}
	assert_int_equal(as, 999);
	assert_int_equal(bs, 999);
	assert_true(out.len <
	            2 * (as + bs) + 20); /* lines begin where it began anew, and nothing else is said */
	add_often(&hostile, "<table><td>", 150000);
	add_often(&hostile, "</tr>", 150000);
	buf_add_str(&hostile, "<pre>end</pre>");
	eas_html_to_text(buf_span(&hostile), &rest);
	assert_string_equal(buf_str(&rest), "end\r\n");
	assert_true(clock() - began < 20 * CLOCKS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(html_that_is_nested_too_deep_is_read_to_its_end),
		cmocka_unit_test(text_is_cleaned_of_what_xml_has_not),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(a_preview_counts_characters_and_joins_white_space),
		cmocka_unit_test(html_reads_as_a_person_would),
		cmocka_unit_test(text_becomes_html_that_looks_the_same),
		cmocka_unit_test(html_claims_the_charset_that_it_has),
		cmocka_unit_test(what_is_quoted_is_left_out_of_a_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
