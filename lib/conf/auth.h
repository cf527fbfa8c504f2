/* Section auth: who sent a message, as podfilter finds out, and who our own domains say they are. */
#ifndef POD_CONF_AUTH_H
#define POD_CONF_AUTH_H

#include <stdbool.h>
#include <stdint.h>

/* Where podfilter signs for the mta, in pod.run_dir. */
#define AUTH_SIGNING_SOCKET_NAME "podfilter-sign.sock"

enum auth_dmarc { AUTH_DMARC_OBSERVE, AUTH_DMARC_JUNK, AUTH_DMARC_ENFORCE };
enum auth_arc { AUTH_ARC_OFF, AUTH_ARC_FORWARDED, AUTH_ARC_ALL };

struct auth_conf {
	const char *authserv_id; /* "": the mta's name */
	uint64_t spf_timeout_ms;
	unsigned int dmarc; /* enum auth_dmarc */
	bool dmarc_reports;
	const char *dmarc_report_from, *dmarc_report_org; /* "": postmaster@ the pod's domain, and that domain */
	unsigned int arc;                                 /* enum auth_arc */
	const char *arc_trusted;                          /* "example.org, example.net" */
	bool sign;
	uint64_t dkim_grace_ms;
};

#endif
