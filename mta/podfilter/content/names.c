#include "mta/podfilter/content/names.h"

/* What a reader takes for harmless, so that what stands behind it is hidden. */
static const char *const harmless[] = { "pdf", "doc",  "docx", "xls", "xlsx", "ppt", "pptx", "txt",
	                                "rtf", "odt",  "ods",  "jpg", "jpeg", "png", "gif",  "bmp",
	                                "tif", "tiff", "mp3",  "mp4", "avi",  "csv", "htm",  "html" };

/* U+202A to U+202E, U+2066 to U+2069: what turns the direction of text. */
static bool has_direction_mark(struct span s)
{
	for (size_t i = 0; i + 2 < s.len; i++) {
		uint8_t c = s.p[i + 2];

		if (s.p[i] == 0xe2 && ((s.p[i + 1] == 0x80 && c >= 0xaa && c <= 0xae) ||
		                       (s.p[i + 1] == 0x81 && c >= 0xa6 && c <= 0xa9)))
			return true;
	}
	return false;
}

static bool is_dropped(uint8_t c)
{
	return c == '.' || c == ' ' || c == '\t' || c == '\0' || c == '"';
}

/* Windows drops dots and spaces at the end, so "a.exe ." is a program there. */
static struct span without_tail(struct span s)
{
	while (s.len && is_dropped(s.p[s.len - 1]))
		s.len--;
	return s;
}

/* The last extension; what stands before it is left in *ret_before. Empty where there is none. */
static struct span extension_of(struct span s, struct span *ret_before)
{
	size_t dot = s.len;

	while (dot > 0 && s.p[dot - 1] != '.' && s.p[dot - 1] != '/' && s.p[dot - 1] != '\\')
		dot--;
	if (dot == 0 || s.p[dot - 1] != '.') {
		*ret_before = s;
		return SPAN_NONE;
	}
	*ret_before = span_head(s, dot - 1);
	return span_skip(s, dot);
}

static bool is_banned(struct span extension, struct span banned)
{
	while (extension.len && banned.p)
		if (span_eq_nocase(span_trim(span_split(banned, ',', &banned)), extension))
			return true;
	return false;
}

static bool is_harmless(struct span extension)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (span_eq_nocase(extension, span_of(harmless[i])))
			return true;
	return false;
}

unsigned int name_traits(struct span name, struct span banned)
{
	struct span before, rest, extension = extension_of(without_tail(name), &before);
	struct span shown = extension_of(without_tail(before), &rest);
	unsigned int traits = has_direction_mark(name) ? NAME_TRICK : 0;

	if (!is_banned(span_trim(extension), banned))
		return traits;
	traits |= NAME_BANNED;
	if (is_harmless(span_trim(shown)))
		traits |= NAME_DOUBLE;
	/* "invoice.pdf                    .exe": the end is out of sight. */
	if (before.len >= 4 && span_find(span_skip(before, before.len - 4), SPAN_LIT("    ")) == 0)
		traits |= NAME_TRICK;
	return traits;
}
