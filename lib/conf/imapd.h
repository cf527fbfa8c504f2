/* Section imapd. */
#ifndef POD_CONF_IMAPD_H
#define POD_CONF_IMAPD_H

#include <stdbool.h>
#include <stdint.h>

struct imapd_conf {
	unsigned int workers;
	const char *client_host;
	const char *imap, *imaps, *https; /* as written: ask conf_listen() */
	unsigned int max_connections, max_user_connections, max_https_connections, max_devices;
	unsigned int device_requests, device_repeats;
	uint64_t idle_timeout_ms, https_idle_timeout_ms, https_request_timeout_ms, preauth_timeout_ms, store_timeout_ms;
	uint64_t max_literal, max_line;
	bool allow_cleartext_auth;
	unsigned int mta_sts;   /* off, none, testing, enforce: ask conf_sts_policy() */
	const char *mta_sts_mx; /* "": mta.hostname */
	uint64_t mta_sts_max_age_ms;
};

#endif
