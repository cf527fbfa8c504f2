/* Section podd. */
#ifndef POD_CONF_PODD_H
#define POD_CONF_PODD_H

#include <stdbool.h>
#include <stdint.h>

struct podd_conf {
	const char *admin_socket;
	const char *admin, *metrics; /* as written: ask conf_listen() */
	uint64_t restart_min_ms, restart_max_ms;
	uint64_t drain_timeout_ms;
};

#endif
