/* What podfilter looks for in a message: parts, names, archives; and a zip archive alone. */
#include <stdlib.h>

#include "mta/podfilter/content/clamd.h"
#include "mta/podfilter/content/inspect.h"
#include "mta/podfilter/content/magic.h"
#include "mta/podfilter/content/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_zip(struct span bytes)
{
	uint8_t to[256];
	struct zip_entry e;
	struct zip z;

	zip_open(bytes, &z);
	for (size_t n = 0; zip_next(&z, &e); n++) {
		if (zip_unpack(&e, to, sizeof(to)) > sizeof(to) || n > bytes.len)
			abort();
	}
	if (gzip_unpack(bytes, to, sizeof(to)) > sizeof(to))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct inspect_limits limits = { SPAN_LIT("exe, scr"), 100, 10, 2, 1u << 20, 100 };
	struct span bytes = span_make(data, len);
	struct inspection seen;
	char found[64];

	fuzz_zip(bytes);
	(void) file_kind_of(bytes);
	(void) clamd_answer_parse(bytes, found, sizeof(found), NULL);
	if (inspect_message(bytes, &limits, &seen) == 0 &&
	    (seen.entries > limits.entries + 1 || seen.what[sizeof(seen.what) - 1]))
		abort();
	return 0;
}
