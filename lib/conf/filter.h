/* Section filter: podfilter's frame, and its reputation side. */
#ifndef POD_CONF_FILTER_H
#define POD_CONF_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"

enum greylist_whom { GREYLIST_NOBODY, GREYLIST_SUSPICIOUS, GREYLIST_ALL };
/* What is done with a message for what it holds: as enum verdict of the filter. */
enum filter_action {
	FILTER_ACTION_NONE,
	FILTER_ACTION_JUNK,
	FILTER_ACTION_QUARANTINE,
	FILTER_ACTION_TEMPFAIL,
	FILTER_ACTION_REJECT
};

struct filter_conf {
	bool enabled;
	const char *dir;
	const char *trusted; /* as net_set_parse takes it */
	uint64_t idle_timeout_ms;
	/* the sum */
	const char *weights;                                     /* filter_weight_parse */
	unsigned int junk_score, quarantine_score, reject_score; /* whole points; 0: never */
	/* who sends */
	uint64_t reputation_half_life_ms;
	unsigned int reputation_entries;
	unsigned int connections_per_client, connection_rate, max_unknown_recipients;
	const char *dns_lists; /* filter_dns_list_parse */
	uint64_t dns_lists_timeout_ms;
	unsigned int greylist; /* enum greylist_whom */
	uint64_t greylist_delay_ms, greylist_window_ms, greylist_lifetime_ms;
	/* what is sent */
	const char *banned_extensions; /* "exe, scr" */
	unsigned int banned_action;    /* enum filter_action */
	unsigned int max_parts, max_nesting, max_archive_nesting;
	const char *clamd; /* "unix:/path" or "host:port", "": none */
	uint64_t clamd_timeout_ms, clamd_max_size;
	unsigned int clamd_failure; /* enum filter_action */
	bool junk_headers_of_rspamd;
	/* what users say */
	bool training;
	uint64_t training_interval_ms;
	unsigned int training_per_day; /* moves of one user; 0: any number */
	const char *rspamd_url;        /* "http://127.0.0.1:11334", "": none */
	const char *rspamd_password;   /* "": none is sent */
	uint64_t rspamd_patience_ms;
};

/* "SYMBOL POINTS", such as "CLAMD_DOWN 0.5" or "SPF_PASS -1". -POD_E_SYNTAX with words. */
struct filter_weight {
	struct span symbol;
	int hundredths;
};
int filter_weight_parse(struct span text, struct filter_weight *ret_weight, struct err *err);

/*
 * "ZONE POINTS [CODES]": a DNSBL, or with points below 0 a DNSWL (RFC 5782). CODES say which answers count:
 * "127.0.0.2", "127.0.0.2-11" (the last number in that range), "127.0.0.0/8" or, of lists that answer with
 * bits, "127.0.0.0&6" (the last number has one of those bits). Default 127.0.0.0/8.
 */
struct filter_dns_list {
	struct span zone;
	int hundredths;
	uint32_t addr, mask; /* the answer under mask is addr; host byte order */
	uint8_t first, last; /* and its last byte is in this range ... */
	uint8_t bits;        /* ... and has one of these, where it is not 0 */
};
int filter_dns_list_parse(struct span text, struct filter_dns_list *ret_list, struct err *err);

#endif
