/* Section mta. */
#ifndef POD_CONF_MTA_H
#define POD_CONF_MTA_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/record.h"

/* Languages of what the mta writes to users: "en", ... NULL behind the last. */
const char *conf_language_name(unsigned int language);

/* What becomes of a message whose milter cannot be asked, or does not answer. */
enum conf_milter_failure {
	CONF_MILTER_TEMPFAIL,
	CONF_MILTER_ACCEPT,
	CONF_MILTER_REJECT,
	CONF_MILTER_QUARANTINE,
};

/* "tempfail", as in the configuration. */
const char *conf_milter_failure_name(unsigned int on_failure);

struct conf_milter {
	const char *name;   /* in logs and metrics */
	const char *socket; /* "inet:PORT@HOST", "inet6:PORT@HOST", "unix:/PATH", "local:/PATH" */
	uint64_t connect_timeout_ms, send_timeout_ms, timeout_ms, end_timeout_ms;
	unsigned int protocol;   /* the highest version offered */
	unsigned int on_failure; /* enum conf_milter_failure */
};

struct mta_conf {
	unsigned int workers;
	const char *smtp, *lmtp, *submission, *submissions; /* as written: ask conf_listen() */
	const char *hostname;                               /* "mx." and pod.domain where not given */
	uint64_t max_message_size, max_header_size, memory_per_message;
	unsigned int max_recipients, max_hops, max_connections, max_errors, max_messages;
	uint64_t command_timeout_ms, data_timeout_ms, store_timeout_ms;
	const char *queue_dir;
	uint64_t queue_retry_min_ms, queue_retry_max_ms, queue_lifetime_ms, quarantine_lifetime_ms, queue_warn_after_ms;
	bool client_names;
	uint64_t client_names_timeout_ms;
	unsigned int dsn_language; /* conf_language_name() */
	bool double_bounces, srs;
	const char *srs_secret;
	unsigned int queue_concurrency, destination_concurrency;
	bool allow_cleartext_auth, safetynet;
	uint64_t safetynet_size, safetynet_keep_ms;
	struct conf_records milters, submission_milters, lmtp_milters; /* of struct conf_milter */
};

#endif
