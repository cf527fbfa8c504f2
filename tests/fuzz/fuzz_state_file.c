/* A state's file, and a name in staging/, as any disk or backup may give them. */
#include <stdlib.h>

#include "store/maildir/state_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct arena *a = arena_create(1 << 20);
	struct span bytes = span_make(data, len), user;
	struct scanned_state s;
	struct state_file f;
	const char *name = arena_str(a, bytes);

	if (state_file_decode(bytes, &f, NULL) == 0 && f.name.len + f.value.len > len)
		abort();
	if (name && state_staged_parse(name, a, &user, &s) == 1 &&
	    (!layout_user_is_valid(user) || !state_name_is_valid(s.name)))
		abort();
	(void) arena_free(a);
	return 0;
}
