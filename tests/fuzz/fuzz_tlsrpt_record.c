/* Where TLS reports go: TXT records, NUL between them. What is read can be written into a mail's header and a
 * URL. */
#include "base/cleanup.h"
#include "mta/tlsrpt/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_line(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f)
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1u << 20);
	struct tlsrpt_rua rua[TLSRPT_RUA_MAX];
	struct span txt[4], rest = span_make(data, len);
	size_t n = 0, found = 0;

	if (!a)
		return 0;
	while (rest.p && n < 4)
		txt[n++] = span_split(rest, '\0', &rest);
	if (tlsrpt_record_parse(txt, n, a, rua, &found) < 0)
		return 0;
	if (found == 0 || found > TLSRPT_RUA_MAX)
		__builtin_trap();
	for (size_t i = 0; i < found; i++) {
		check_line(rua[i].mail ? rua[i].to : rua[i].host);
		if (!rua[i].mail && (rua[i].path[0] != '/' || rua[i].port == 0))
			__builtin_trap();
	}
	return 0;
}
