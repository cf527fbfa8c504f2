/* Section dns. */
#ifndef POD_CONF_DNS_H
#define POD_CONF_DNS_H

#include <stdint.h>

struct dns_conf {
	const char *servers;        /* "192.0.2.1, [2001:db8::1]:5353"; "": our own recursion */
	const char *stubs;          /* "example.test=127.0.0.1:5300, .=[::1]:5300" */
	const char *unsigned_zones; /* "corp.example, 10.in-addr.arpa" */
	const char *trust_anchor;   /* NULL: nothing is validated */
	const char *root_hints;     /* NULL: the ones libunbound was built with */
	uint64_t cache_size;
	uint64_t timeout_ms;
};

#endif
