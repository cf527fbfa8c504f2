/* What podfilter sees in a message's files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "mta/podfilter/content/clamd.h"
#include "mta/podfilter/content/inspect.h"
#include "mta/podfilter/content/magic.h"
#include "mta/podfilter/content/names.h"
#include "mta/podfilter/content/zip.h"

static const struct inspect_limits limits = { SPAN_LIT("exe, scr, js"), 50, 10, 2, 4u << 20, 100 };

static void names_are_read_as_a_reader_and_as_his_system_would(void **state)
{
	static const struct {
		const char *name;
		unsigned int traits;
	} cases[] = {
		{ "report.pdf", 0 },
		{ "exe", 0 },
		{ "a.exe.txt", 0 },
		{ "a.exe", NAME_BANNED },
		{ "A.ScR", NAME_BANNED },
		{ "folder.txt/a.exe", NAME_BANNED },
		{ "a.exe . .", NAME_BANNED },
		{ "invoice.pdf.exe", NAME_BANNED | NAME_DOUBLE },
		{ "invoice.pdf .js", NAME_BANNED | NAME_DOUBLE },
		{ "invoice.pdf                .exe", NAME_BANNED | NAME_DOUBLE | NAME_TRICK },
		{ "cod\xe2\x80\xae"
		  "fdp.exe",
		  NAME_BANNED | NAME_TRICK },
		{ "\xe2\x81\xa6"
		  "a.txt",
		  NAME_TRICK },
		{ "", 0 },
		{ "...", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(name_traits(span_of(cases[i].name), limits.banned), cases[i].traits);
}

/* ---- archives made here, as a sender could ---- */

static void le(struct buf *b, uint32_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buf_add_byte(b, (uint8_t) (v >> (8 * i)));
}

struct member {
	const char *name;
	struct span bytes;
	bool encrypted;
};

static void deflated(struct span in, struct buf *out)
{
	uLongf len = compressBound(in.len);
	uint8_t *to = malloc(len);
	z_stream s = { .next_in = (Bytef *) (uintptr_t) in.p,
		       .avail_in = (uInt) in.len,
		       .next_out = to,
		       .avail_out = (uInt) len };

	assert_non_null(to);
	assert_int_equal(deflateInit2(&s, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
	buf_add(out, span_make(to, s.total_out));
	(void) deflateEnd(&s);
	free(to);
}

static void zip_of(const struct member *members, size_t n, bool directory, struct buf *out)
{
	_cleanup_buf_ struct buf central = BUF_INIT;
	size_t at;

	for (size_t i = 0; i < n; i++) {
		_cleanup_buf_ struct buf data = BUF_INIT;

		deflated(members[i].bytes, &data);
		buf_add_str(&central, "PK\1\2");
		le(&central, 0, 4);
		le(&central, members[i].encrypted, 2);
		le(&central, 8, 2);
		le(&central, 0, 8);
		le(&central, (uint32_t) data.len, 4);
		le(&central, (uint32_t) members[i].bytes.len, 4);
		le(&central, (uint32_t) strlen(members[i].name), 2);
		le(&central, 0, 12);
		le(&central, (uint32_t) out->len, 4);
		buf_add_str(&central, members[i].name);
		buf_add_str(out, "PK\3\4");
		le(out, 0, 2);
		le(out, members[i].encrypted, 2);
		le(out, 8, 2);
		le(out, 0, 8);
		le(out, (uint32_t) data.len, 4);
		le(out, (uint32_t) members[i].bytes.len, 4);
		le(out, (uint32_t) strlen(members[i].name), 2);
		le(out, 0, 2);
		buf_add_str(out, members[i].name);
		buf_add(out, buf_span(&data));
	}
	if (!directory)
		return;
	at = out->len;
	buf_add(out, buf_span(&central));
	buf_add_str(out, "PK\5\6");
	le(out, 0, 4);
	le(out, (uint32_t) n, 2);
	le(out, (uint32_t) n, 2);
	le(out, (uint32_t) central.len, 4);
	le(out, (uint32_t) at, 4);
	le(out, 0, 2);
}

static struct span program(void)
{
	static uint8_t pe[0x100] = { 'M', 'Z', [0x3c] = 0x80, [0x80] = 'P', 'E' };

	return span_make(pe, sizeof(pe));
}

static void base64(struct span in, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < in.len; i += 3) {
		uint32_t v = (uint32_t) in.p[i] << 16 | (i + 1 < in.len ? (uint32_t) in.p[i + 1] << 8 : 0) |
		             (i + 2 < in.len ? in.p[i + 2] : 0);

		for (size_t k = 0; k < 4; k++)
			buf_add_byte(out, i + k > in.len ? '=' : (uint8_t) digits[v >> (18 - 6 * k) & 63]);
		if (i % 57 == 54)
			buf_add_str(out, "\r\n");
	}
}

static struct inspection inspected(const char *name, struct span file)
{
	_cleanup_buf_ struct buf m = BUF_INIT;
	struct inspection seen;

	buf_printf(&m,
	           "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
	           "Content-Type: application/octet-stream; name=\"%s\"\r\nContent-Transfer-Encoding: "
	           "base64\r\n\r\n",
	           name);
	base64(file, &m);
	buf_add_str(&m, "\r\n--b--\r\n");
	assert_int_equal(inspect_message(buf_span(&m), &limits, &seen), 0);
	return seen;
}

static void a_program_is_known_by_its_bytes_in_and_out_of_archives(void **state)
{
	const struct member m = { "holiday.jpg", program(), false },
			    hidden = { "a.EXE", SPAN_LIT("text"), false };
	_cleanup_buf_ struct buf zip = BUF_INIT, named = BUF_INIT, outer = BUF_INIT, undirected = BUF_INIT;
	struct member nested;
	struct inspection seen = inspected("x.txt", program());

	assert_int_equal(seen.flags, INSPECT_PROGRAM);
	assert_string_equal(seen.what, "x.txt");
	assert_int_equal(seen.parts, 3);
	assert_int_equal(
		inspected("x.txt", SPAN_LIT("MZ is how this text begins, and it goes on for a while, "
	                                    "longer than a header of DOS is, so that it is looked at"))
			.flags,
		0);
	zip_of(&m, 1, true, &zip);
	assert_int_equal(inspected("x.zip", buf_span(&zip)).flags, INSPECT_PROGRAM);
	zip_of(&m, 1, false, &undirected);
	assert_int_equal(inspected("x.zip", buf_span(&undirected)).flags, INSPECT_PROGRAM);
	zip_of(&hidden, 1, true, &named);
	seen = inspected("x.zip", buf_span(&named));
	assert_int_equal(seen.flags, INSPECT_BANNED);
	assert_string_equal(seen.what, "a.EXE");
	nested = (struct member){ "inner.dat", buf_span(&zip), false };
	zip_of(&nested, 1, true, &outer);
	seen = inspected("x.zip", buf_span(&outer));
	assert_int_equal(seen.flags, INSPECT_PROGRAM);
	assert_int_equal(seen.archive_nesting, 1);
}

static void archives_nest_so_deep_and_no_deeper(void **state)
{
	_cleanup_buf_ struct buf a = BUF_INIT, b = BUF_INIT;
	struct member m = { "a.txt", SPAN_LIT("text"), false };
	struct buf *in = &a, *out = &b;

	zip_of(&m, 1, true, in);
	for (int depth = 1; depth <= 5; depth++) {
		unsigned int flags = inspected("x.zip", buf_span(in)).flags;
		struct buf *swap = in;

		assert_int_equal(flags, depth <= 3 ? 0 : INSPECT_ARCHIVE_TOO_DEEP);
		m = (struct member){ "in.zip", buf_span(in), false };
		buf_clear(out);
		zip_of(&m, 1, true, out);
		in = out;
		out = swap;
	}
}

static void a_bomb_is_known_before_it_goes_off(void **state)
{
	_cleanup_buf_ struct buf zip = BUF_INIT, outer = BUF_INIT, many = BUF_INIT;
	uint8_t *zeros = calloc(1, 40u << 20);
	struct member m = { "z.zip", span_make(zeros, 40u << 20), false }, a = { "a", SPAN_LIT("a"), false };
	struct member crowd[200];

	memcpy(zeros, "PK\3\4", 4); /* so that it is unpacked to be looked into */
	zip_of(&m, 1, true, &zip);
	assert_true(zip.len < 100000);
	assert_true(inspected("x.zip", buf_span(&zip)).flags & INSPECT_BOMB);
	for (size_t i = 0; i < ARRAY_SIZE(crowd); i++)
		crowd[i] = a;
	zip_of(crowd, ARRAY_SIZE(crowd), true, &many);
	assert_true(inspected("x.zip", buf_span(&many)).flags & INSPECT_BOMB);
	free(zeros);
}

static void archives_that_cannot_be_looked_into_are_told(void **state)
{
	const struct member m = { "secret.doc", SPAN_LIT("xxxx"), true };
	_cleanup_buf_ struct buf zip = BUF_INIT;

	zip_of(&m, 1, true, &zip);
	assert_int_equal(inspected("x.zip", buf_span(&zip)).flags, INSPECT_ENCRYPTED);
	assert_int_equal(inspected("x.rar", SPAN_LIT("Rar!\x1a\7\1\0 and so on")).flags, INSPECT_OPAQUE);
}

static void every_name_of_a_part_counts(void **state)
{
	static const char *const fields[] = {
		"Content-Disposition: attachment; filename=\"a.exe\"\r\n",
		"Content-Disposition: attachment; filename=a.txt\r\nContent-Type: x/y; name=a.exe\r\n",
		"Content-Disposition: attachment; filename=a.txt; filename*=utf-8''a%2Eexe\r\n",
		"Content-Disposition: attachment; filename*0=a.e; filename*1=xe\r\n",
		"Content-Disposition: attachment; filename=\"=?utf-8?B?YS5leGU=?=\"\r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		_cleanup_buf_ struct buf m = BUF_INIT;
		struct inspection seen;

		buf_printf(&m, "%s\r\ntext\r\n", fields[i]);
		assert_int_equal(inspect_message(buf_span(&m), &limits, &seen), 0);
		assert_int_equal(seen.flags, INSPECT_BANNED);
	}
}

static void parts_are_counted_and_measured(void **state)
{
	_cleanup_buf_ struct buf wide = BUF_INIT, deep = BUF_INIT;
	struct inspection seen;

	buf_add_str(&wide, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
	for (int i = 0; i < 60; i++)
		buf_add_str(&wide, "--b\r\n\r\nx\r\n");
	buf_add_str(&wide, "--b--\r\n");
	assert_int_equal(inspect_message(buf_span(&wide), &limits, &seen), 0);
	assert_int_equal(seen.flags, INSPECT_TOO_MANY_PARTS);
	for (int i = 0; i < 20; i++)
		buf_printf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	assert_int_equal(inspect_message(buf_span(&deep), &limits, &seen), 0);
	assert_int_equal(seen.flags, INSPECT_TOO_DEEP);
}

static void clamd_is_understood(void **state)
{
	static const struct {
		const char *line;
		int r;
		const char *found;
	} cases[] = {
		{ "stream: OK", 0, "" },
		{ "stream: Eicar-Test-Signature FOUND", 1, "Eicar-Test-Signature" },
		{ "INSTREAM size limit exceeded. ERROR", -POD_E_LIMIT, "" },
		{ "UNKNOWN COMMAND", -POD_E_PROTOCOL, "" },
		{ "stream: Can't allocate memory ERROR", -POD_E_PROTOCOL, "" },
		{ "stream: nonsense", -POD_E_PROTOCOL, "" },
		{ "", -POD_E_PROTOCOL, "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char found[64] = "";

		assert_int_equal(clamd_answer_parse(span_of(cases[i].line), found, sizeof(found), NULL),
		                 cases[i].r);
		assert_string_equal(found, cases[i].found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_as_a_reader_and_as_his_system_would),
		cmocka_unit_test(a_program_is_known_by_its_bytes_in_and_out_of_archives),
		cmocka_unit_test(archives_nest_so_deep_and_no_deeper),
		cmocka_unit_test(a_bomb_is_known_before_it_goes_off),
		cmocka_unit_test(archives_that_cannot_be_looked_into_are_told),
		cmocka_unit_test(every_name_of_a_part_counts),
		cmocka_unit_test(parts_are_counted_and_measured),
		cmocka_unit_test(clamd_is_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
