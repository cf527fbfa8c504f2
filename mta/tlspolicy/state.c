#include "mta/tlspolicy/state.h"

#define MAP_BYTES (1ull << 30)

int tls_state_open(const struct conf *conf, struct kv **ret_kv, struct err *err)
{
	static const struct kv_options o = { .map_bytes = MAP_BYTES, .tables_max = 8, .flags = KV_CREATE };

	return kv_open(conf->outbound.dir, &o, ret_kv, err);
}
