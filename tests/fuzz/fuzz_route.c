/* Paths of the admin API, as anybody who reaches its port can send them. */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "podctl/podd/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void handler(struct api_call *call)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct route routes[] = {
		{ "GET", "/users/:address", handler },
		{ "GET", "/groups/:address/members/:member", handler },
	};
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 16);
	struct route_match m;

	(void) route_find(routes, ARRAY_SIZE(routes), "GET", span_make(data, len), a, &m, NULL);
	return 0;
}
