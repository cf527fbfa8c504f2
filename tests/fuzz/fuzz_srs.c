/* Rewritten addresses that come back: whatever they are, nothing but what we made leads anywhere. */
#include <stdlib.h>

#include "mta/srs/srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct srs *s;
	struct arena *a = arena_create(1 << 20);
	struct span domain, local = span_split(span_make(data, len), '@', &domain);
	struct address address = { local, domain }, there, back;

	if (!s && srs_create(SPAN_LIT("a secret for the fuzzer"), &s, NULL) < 0)
		abort();
	(void) srs_reverse(s, a, &address, 1700000000, &back, NULL);
	if (local.len && domain.len && !srs_is(&address) && !memchr(domain.p, '=', domain.len) &&
	    srs_forward(s, a, &address, SPAN_LIT("ours.test"), 1700000000, &there, NULL) == 0 &&
	    (srs_reverse(s, a, &there, 1700000000, &back, NULL) < 0 || !span_eq(back.local, local) ||
	     !span_eq(back.domain, domain)))
		abort();
	if (srs_is(&address))
		(void) srs_forward(s, a, &address, SPAN_LIT("ours.test"), 1700000000, &there, NULL);
	(void) arena_free(a);
	return 0;
}
