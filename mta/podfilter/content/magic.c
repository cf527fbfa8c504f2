#include "mta/podfilter/content/magic.h"

static const struct {
	struct span bytes;
	enum file_kind kind;
} magics[] = {
	{ SPAN_LIT("PK\3\4"), FILE_ZIP },
	{ SPAN_LIT("PK\5\6"), FILE_ZIP },
	{ SPAN_LIT("\x1f\x8b\x08"), FILE_GZIP },
	{ SPAN_LIT("\x7f"
	           "ELF"),
	  FILE_PROGRAM },
	{ SPAN_LIT("\xca\xfe\xba\xbe"), FILE_PROGRAM },
	{ SPAN_LIT("\xfe\xed\xfa\xce"), FILE_PROGRAM },
	{ SPAN_LIT("\xfe\xed\xfa\xcf"), FILE_PROGRAM },
	{ SPAN_LIT("\xce\xfa\xed\xfe"), FILE_PROGRAM },
	{ SPAN_LIT("\xcf\xfa\xed\xfe"), FILE_PROGRAM },
	{ SPAN_LIT("L\0\0\0\1\x14\2\0"), FILE_PROGRAM }, /* a shortcut, which may run anything */
	{ SPAN_LIT("Rar!\x1a\7"), FILE_ARCHIVE },
	{ SPAN_LIT("7z\xbc\xaf\x27\x1c"), FILE_ARCHIVE },
	{ SPAN_LIT("MSCF\0\0\0\0"), FILE_ARCHIVE },
	{ SPAN_LIT("\xfd"
	           "7zXZ\0"),
	  FILE_ARCHIVE },
	{ SPAN_LIT("BZh"), FILE_ARCHIVE },
	{ SPAN_LIT("\x60\xea"), FILE_ARCHIVE },
};

static bool starts(struct span s, struct span with)
{
	return s.len >= with.len && memcmp(s.p, with.p, with.len) == 0;
}

/* A DOS header whose e_lfanew, at 0x3c, leads to a PE header; "MZ" alone begins ordinary text, too. */
static bool is_windows_program(struct span s)
{
	uint32_t at;

	if (!starts(s, SPAN_LIT("MZ")) || s.len < 0x40)
		return false;
	at = s.p[0x3c] | (uint32_t) s.p[0x3d] << 8 | (uint32_t) s.p[0x3e] << 16 | (uint32_t) s.p[0x3f] << 24;
	return at < s.len && starts(span_skip(s, at), SPAN_LIT("PE\0\0"));
}

enum file_kind file_kind_of(struct span bytes)
{
	if (is_windows_program(bytes))
		return FILE_PROGRAM;
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++)
		if (starts(bytes, magics[i].bytes))
			return magics[i].kind;
	return FILE_OTHER;
}

const char *file_kind_name(enum file_kind kind)
{
	static const char *const names[] = { "file", "program", "zip", "gzip", "archive" };

	return names[kind];
}
