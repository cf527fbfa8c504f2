/* Section filter: podfilter's frame, and its reputation side. */
#ifndef POD_CONF_FILTER_H
#define POD_CONF_FILTER_H

#include <stdbool.h>
#include <stdint.h>

struct filter_conf {
	bool enabled;
	const char *dir;
	const char *trusted; /* as net_set_parse takes it */
	uint64_t idle_timeout_ms;
};

#endif
