/* Section guard: what front ends do against those who ask for too much. */
#ifndef POD_CONF_GUARD_H
#define POD_CONF_GUARD_H

#include <stdint.h>

struct guard_conf {
	const char *exempt; /* as net_set_parse takes it */
	unsigned int connections_per_address, connections_per_network, connections_per_minute;
	uint64_t greet_delay_ms;
	uint64_t data_least, data_window_ms;
	uint64_t memory_max;
	uint64_t latency_max_ms;
	unsigned int login_failures;
	uint64_t login_delay_max_ms;
};

#endif
