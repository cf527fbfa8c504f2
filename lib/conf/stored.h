/* Section stored: for each volume's process. */
#ifndef POD_CONF_STORED_H
#define POD_CONF_STORED_H

#include <stdbool.h>
#include <stdint.h>

struct stored_conf {
	unsigned int readers; /* threads */
	uint64_t map_size;
	unsigned int commit_max_messages;
	uint64_t commit_window_ms;
	uint64_t auth_cache_ms;
	uint64_t quota_default; /* 0: unlimited */
	unsigned int users_max;
	uint64_t write_behind_ms, delivery_settle_ms, delivery_memory_ms, oof_repeat_ms;
	const char *tls_listen;                     /* as net_addr_parse takes it; "": off */
	const char *tls_mta, *tls_gateway, *tls_admin, *tls_filter; /* names of certificates */
};

#endif
