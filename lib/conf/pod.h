/* Section pod: what all programs of the pod share. */
#ifndef POD_CONF_POD_H
#define POD_CONF_POD_H

#include <stdbool.h>
#include <stdint.h>

struct pod_conf {
	const char *name, *site, *host;
	const char *domain; /* lower case */
	const char *dir, *run_dir, *directory_dir, *volumes_dir;
	const char *listen_address;
	unsigned int base_port;
	const char *user_mta, *user_imap, *user_store, *user_repl, *user_filter; /* "" stays the caller */
	const char *proxy_protocol_from;               /* as net_set_parse takes it, "" for nobody */
};

#endif
