#include "mime/charset.h"

#include <errno.h>
#include <iconv.h>

#include "base/cleanup.h"
#include "mime/utf8.h"

#define NAME_MAX_LEN 40
#define REPLACEMENT  SPAN_LIT("\xef\xbf\xbd")

/*
 * What the label in a message means to iconv. Only charsets of this table are converted: the label comes from
 * a stranger, and iconv loads a module for it. As browsers do (WHATWG Encoding), a charset is read as the
 * superset that its senders really use.
 */
/* clang-format off */
static const struct {
	const char *label, *iconv_name;
} charsets[] = {
	{ "iso-8859-1", "CP1252" },     { "latin1", "CP1252" },         { "windows-1252", "CP1252" },
	{ "cp1252", "CP1252" },         { "us-ascii", "CP1252" },       { "ascii", "CP1252" },
	{ "ansi_x3.4-1968", "CP1252" }, { "iso-8859-2", "ISO-8859-2" }, { "latin2", "ISO-8859-2" },
	{ "iso-8859-3", "ISO-8859-3" }, { "iso-8859-4", "ISO-8859-4" }, { "iso-8859-5", "ISO-8859-5" },
	{ "iso-8859-6", "ISO-8859-6" }, { "iso-8859-7", "ISO-8859-7" }, { "iso-8859-8", "ISO-8859-8" },
	{ "iso-8859-8-i", "ISO-8859-8" }, { "iso-8859-9", "CP1254" },   { "iso-8859-10", "ISO-8859-10" },
	{ "iso-8859-11", "CP874" },     { "iso-8859-13", "ISO-8859-13" }, { "iso-8859-14", "ISO-8859-14" },
	{ "iso-8859-15", "ISO-8859-15" }, { "iso-8859-16", "ISO-8859-16" }, { "windows-1250", "CP1250" },
	{ "windows-1251", "CP1251" },   { "windows-1253", "CP1253" },   { "windows-1254", "CP1254" },
	{ "windows-1255", "CP1255" },   { "windows-1256", "CP1256" },   { "windows-1257", "CP1257" },
	{ "windows-1258", "CP1258" },   { "windows-874", "CP874" },     { "tis-620", "CP874" },
	{ "cp1250", "CP1250" },         { "cp1251", "CP1251" },         { "cp437", "CP437" },
	{ "cp850", "CP850" },           { "cp866", "CP866" },           { "ibm866", "CP866" },
	{ "koi8-r", "KOI8-R" },         { "koi8-u", "KOI8-U" },         { "macintosh", "MACINTOSH" },
	{ "gb2312", "GB18030" },        { "gbk", "GB18030" },           { "gb18030", "GB18030" },
	{ "x-gbk", "GB18030" },         { "cp936", "GB18030" },         { "hz-gb-2312", "HZ" },
	{ "big5", "BIG5-HKSCS" },       { "big5-hkscs", "BIG5-HKSCS" }, { "cn-big5", "BIG5-HKSCS" },
	{ "euc-tw", "EUC-TW" },         { "iso-2022-jp", "ISO-2022-JP-2" }, { "iso-2022-jp-2", "ISO-2022-JP-2" },
	{ "shift_jis", "CP932" },       { "shift-jis", "CP932" },       { "x-sjis", "CP932" },
	{ "sjis", "CP932" },            { "windows-31j", "CP932" },     { "cp932", "CP932" },
	{ "euc-jp", "EUC-JP" },         { "x-euc-jp", "EUC-JP" },       { "euc-kr", "CP949" },
	{ "ks_c_5601-1987", "CP949" },  { "ks_c_5601-1989", "CP949" },  { "cp949", "CP949" },
	{ "iso-2022-kr", "ISO-2022-KR" }, { "utf-7", "UTF-7" },         { "unicode-1-1-utf-7", "UTF-7" },
	{ "utf-16", "UTF-16" },         { "utf-16le", "UTF-16LE" },     { "utf-16be", "UTF-16BE" },
	{ "utf-8", "UTF-8" },           { "utf8", "UTF-8" },            { "unicode-1-1-utf-8", "UTF-8" },
};
/* clang-format on */

static void iconv_closep(iconv_t *cd)
{
	if (*cd != (iconv_t) -1)
		(void) iconv_close(*cd);
}

static const char *iconv_name_of(struct span label)
{
	label = span_trim(label);
	if (label.len > NAME_MAX_LEN)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(charsets); i++)
		if (span_eq_nocase(label, span_of(charsets[i].label)))
			return charsets[i].iconv_name;
	return NULL;
}

/* Stateful seven-bit charsets are ASCII bytes that mean something else. */
static bool bytes_are_ascii_text(const char *iconv_name, struct span text)
{
	if (strncmp(iconv_name, "ISO-2022", 8) == 0 || strncmp(iconv_name, "UTF-", 4) == 0 ||
	    strcmp(iconv_name, "HZ") == 0)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] >= 0x80)
			return false;
	return true;
}

/* One output buffer in the arena that doubles; what iconv cannot read is replaced a byte at a time. */
static struct span convert(struct arena *a, iconv_t cd, struct span text)
{
	size_t cap = 2 * text.len + 16, used = 0, left = text.len;
	char *in = (char *) (uintptr_t) text.p; /* iconv() does not write there, whatever its type says */
	uint8_t *out = arena_alloc(a, cap);

	while (out) {
		char *to = (char *) out + used;
		size_t room = cap - used;
		size_t r = left ? iconv(cd, &in, &left, &to, &room) : iconv(cd, NULL, NULL, &to, &room);

		used = cap - room;
		if (r != (size_t) -1 && left == 0)
			return span_make(out, used);
		if (r == (size_t) -1 && errno != E2BIG && room >= REPLACEMENT.len) {
			memcpy(out + used, REPLACEMENT.p, REPLACEMENT.len);
			used += REPLACEMENT.len;
			in++;
			left--;
		} else {
			out = arena_grow(a, out, used, 2 * cap, 1);
			cap *= 2;
		}
		if (out && left == 0)
			return span_make(out, used);
	}
	return SPAN_NONE;
}

struct span charset_to_utf8(struct arena *a, struct span charset, struct span text)
{
	const char *name = iconv_name_of(charset);
	_cleanup_(iconv_closep) iconv_t cd = (iconv_t) -1;

	if (!name || text.len == 0 || bytes_are_ascii_text(name, text))
		return text;
	/* US-ASCII with eight-bit bytes is most often UTF-8 that nobody labelled. */
	if ((strcmp(name, "UTF-8") == 0 || span_eq_nocase(span_trim(charset), SPAN_LIT("us-ascii"))) &&
	    utf8_is_valid(text))
		return text;
	cd = iconv_open("UTF-8", name);
	return cd == (iconv_t) -1 ? text : convert(a, cd, text);
}

static bool is_latin1(struct span charset)
{
	const char *name = iconv_name_of(charset);

	return name && strcmp(name, "CP1252") == 0;
}

struct span charset_to_utf8_sandboxed(struct arena *a, struct span charset, struct span text)
{
	bool latin1 = is_latin1(charset);
	uint8_t *out;
	size_t n = 0;

	if (utf8_is_valid(text))
		return text;
	out = arena_array(a, text.len, REPLACEMENT.len);
	if (!out)
		return SPAN_NONE;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.p[i];

		if (c < 0x80) {
			out[n++] = c;
		} else if (latin1 && c >= 0xa0) {
			out[n++] = 0xc0 | c >> 6;
			out[n++] = 0x80 | (c & 0x3f);
		} else {
			memcpy(out + n, REPLACEMENT.p, REPLACEMENT.len);
			n += REPLACEMENT.len;
		}
	}
	return span_make(out, n);
}
