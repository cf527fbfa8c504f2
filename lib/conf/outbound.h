/* Section outbound. */
#ifndef POD_CONF_OUTBOUND_H
#define POD_CONF_OUTBOUND_H

#include <stdbool.h>
#include <stdint.h>

struct outbound_conf {
	unsigned int workers, port;
	const char *source_ipv4, *source_ipv6; /* "*": the kernel's choice */
	bool ipv4, ipv6;
	const char *routes; /* NULL: none */
	const char *dir;         /* what is remembered of other servers */
	unsigned int tls;        /* enum tls_wish of mta/tlspolicy/demand.h */
	const char *tls_domains; /* "example.org=verify, .example.net=encrypt" */
	const char *ca;          /* NULL: the system's */
	unsigned int sts_port;
	unsigned int hosts_max, reuse_messages;
	uint64_t connect_timeout_ms, next_address_ms, greeting_timeout_ms, command_timeout_ms, data_timeout_ms, block_timeout_ms,
		done_timeout_ms;
	uint64_t idle_time_ms, reuse_time_ms, silent_host_time_ms;
	uint64_t one_go_size;
	bool tls_reports;
};

#endif
