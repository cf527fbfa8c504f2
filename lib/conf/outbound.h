/* Section outbound. */
#ifndef POD_CONF_OUTBOUND_H
#define POD_CONF_OUTBOUND_H

#include <stdbool.h>
#include <stdint.h>

struct outbound_conf {
	unsigned int workers;
};

#endif
