/* Messages with 8-bit bytes for servers that take seven: what is decoded again is what it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/cleanup.h"
#include "mime/mime.h"
#include "mta/outbound/mail_name.h"
#include "mta/outbound/seven_bit.h"

#define CT "Content-Type: "
#define CTE "Content-Transfer-Encoding: "
#define TOP "MIME-Version: 1.0\r\n"

static struct span part_span(struct span message, uint64_t off, uint64_t len)
{
	return span_make(message.p + off, (size_t) len);
}

/* All lines but those of the header as they came are short, all bytes below 128. */
static void expect_seven_bits(struct span s)
{
	assert_true(mail_name_is_ascii(s));
	while (s.p) {
		struct span line = span_split(s, '\n', &s);

		assert_true(line.len <= 77);
	}
}

/* The same parts with the same bytes, once decoded. */
static void expect_same(struct span before, struct span after)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(16 << 20);
	struct mime_tree x, y;

	assert_int_equal(mime_parse(a, before, &x), 0);
	assert_int_equal(mime_parse(a, after, &y), 0);
	assert_int_equal(x.n, y.n);
	for (uint32_t i = 0; i < x.n; i++) {
		const struct mime_part *p = &x.parts[i], *q = &y.parts[i];
		struct span was, is;

		assert_int_equal(p->kind, q->kind);
		if (p->kind != MIME_LEAF)
			continue;
		assert_int_equal(mime_decode_transfer(a, part_span(before, p->header_off, p->header_len),
		                                      part_span(before, p->body_off, p->body_len), &was),
		                 0);
		assert_int_equal(mime_decode_transfer(a, part_span(after, q->header_off, q->header_len),
		                                      part_span(after, q->body_off, q->body_len), &is),
		                 0);
		if (!span_eq(was, is))
			fail_msg("part %u: \"" SPAN_FMT "\" is now \"" SPAN_FMT "\"", i, SPAN_ARG(was), SPAN_ARG(is));
	}
}

static void what_is_encoded_is_decoded_to_what_it_was(void **state)
{
	static const char *const messages[] = {
		/* text: line ends, white space before them, "=", long lines, a last line without an end */
		TOP CT "text/plain; charset=utf-8\r\n" CTE "8bit\r\n\r\n\xc3\xa4 \r\n\t\r\n=3D\r\n\r\nend\xc3\xbc",
		TOP CT "text/html\r\nSubject: x\r\n\r\n"
		       "\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4"
		       "\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\r\n",
		/* no MIME at all */
		"Subject: x\r\n\r\nGr\xfc\xdf\x65\r\n",
		/* parts: only those that need it, the whole says 7bit then, nested */
		TOP CTE "8bit\r\n" CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n--b\r\n" CT
		"text/plain\r\n" CTE "8bit\r\n\r\n\xc3\xa4\r\n\r\n--b\r\n" CT "multipart/related; boundary=c\r\n" CTE
		"8bit\r\n\r\n--c\r\n" CT "text/css\r\n\r\n\xc3\xb6\r\n--c--\r\n--b--\r\n",
		TOP CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n" CT "message/rfc822\r\n" CTE
		"8bit\r\n\r\nSubject: inner\r\n\r\n\xc3\xa4\r\n--b--\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;
		struct err err = { 0 };

		if (seven_bit_encode(span_of(messages[i]), &out, &err) < 0)
			fail_msg("message %zu: %s", i, err.text);
		expect_seven_bits(buf_span(&out));
		expect_same(span_of(messages[i]), buf_span(&out));
		assert_null(strstr(buf_str(&out), CTE "8bit"));
	}
}

/* Wherever a long line is broken. */
static void no_line_becomes_a_delimiter(void **state)
{
	for (int before = 60; before < 90; before++) {
		_cleanup_buf_ struct buf message = BUF_INIT, out = BUF_INIT;

		buf_add_str(&message, TOP CT "multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xc3\xa4\r\n");
		buf_printf(&message, "%0*d--b--b\r\n--b--\r\n", before, 0);
		assert_int_equal(seven_bit_encode(buf_span(&message), &out, NULL), 0);
		expect_seven_bits(buf_span(&out));
		expect_same(buf_span(&message), buf_span(&out));
	}
}

static void what_is_no_text_becomes_base64(void **state)
{
	_cleanup_buf_ struct buf message = BUF_INIT, out = BUF_INIT;

	buf_add_str(&message, TOP CT "image/gif\r\n" CTE "binary\r\n\r\n");
	for (size_t i = 0; i < 1001; i++)
		buf_add_byte(&message, (uint8_t) (i * 7));
	assert_int_equal(seven_bit_encode(buf_span(&message), &out, NULL), 0);
	expect_seven_bits(buf_span(&out));
	expect_same(buf_span(&message), buf_span(&out));
	assert_non_null(strstr(buf_str(&out), CTE "base64\r\n"));
}

static void what_says_nothing_of_itself_says_so(void **state)
{
	_cleanup_buf_ struct buf out = BUF_INIT;

	assert_int_equal(seven_bit_encode(SPAN_LIT("Subject: x\r\n\r\n\xe4.\r\n"), &out, NULL), 0);
	assert_string_equal(buf_str(&out), "Subject: x\r\n" CTE "quoted-printable\r\n" TOP CT
	                                   "text/plain; charset=unknown-8bit\r\n\r\n=E4.\r\n");
}

static void what_must_not_be_changed_is_not(void **state)
{
	static const char *const messages[] = {
		"DKIM-Signature: v=1\r\n\r\n\xe4\r\n",
		"ARC-Message-Signature: i=1\r\n\r\n\xe4\r\n",
		TOP CT "multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
		TOP CT "multipart/mixed; boundary=a\r\n\r\n--a\r\n" CT "multipart/encrypted; boundary=b\r\n\r\n--b\r\n\r\n\xe4"
		       "\r\n--b--\r\n--a--\r\n",
		TOP CTE "base64\r\n\r\n\xe4\r\n",                                              /* it lies */
		TOP CT "multipart/mixed; boundary=b\r\n\r\n\xe4\r\n--b\r\n\r\nx\r\n--b--\r\n",    /* between the parts */
		TOP CT "multipart/mixed; boundary=b\r\n\r\n--b\r\nX: \xe4\r\n\r\nx\xe4\r\n--b--\r\n", /* a part's header */
		TOP CT "message/partial\r\n\r\n\xe4\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		_cleanup_buf_ struct buf out = BUF_INIT;
		struct err err = { 0 };

		assert_int_equal(seven_bit_encode(span_of(messages[i]), &out, &err), -POD_E_UNSUPPORTED);
		assert_true(*err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded_to_what_it_was),
		cmocka_unit_test(no_line_becomes_a_delimiter),
		cmocka_unit_test(what_is_no_text_becomes_base64),
		cmocka_unit_test(what_says_nothing_of_itself_says_so),
		cmocka_unit_test(what_must_not_be_changed_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
