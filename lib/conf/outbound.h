/* Section outbound. */
#ifndef POD_CONF_OUTBOUND_H
#define POD_CONF_OUTBOUND_H

#include <stdbool.h>
#include <stdint.h>

struct outbound_conf {
	unsigned int workers;
	const char *dir;         /* what is remembered of other servers */
	unsigned int tls;        /* enum tls_wish of mta/tlspolicy/demand.h */
	const char *tls_domains; /* "example.org=verify, .example.net=encrypt" */
	const char *ca;          /* NULL: the system's */
	unsigned int sts_port;
};

#endif
