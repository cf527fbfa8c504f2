/* What imapd counts; the table is in metrics.c. */
#ifndef POD_IMAPD_METRICS_H
#define POD_IMAPD_METRICS_H

#include "base/metric.h"

enum imapd_metric {
	IMAPD_CONNECTIONS,
	IMAPD_CONNECTIONS_OPEN,
	IMAPD_CONNECTIONS_REFUSED,
	IMAPD_LOGINS,
	IMAPD_LOGINS_FAILED,
	IMAPD_LOGINS_DELAYED,
	IMAPD_TLS_FAILED,
	IMAPD_STORE_REQUESTS,
	IMAPD_TIMEOUTS,
	IMAPD_HTTP_CONNECTIONS_OPEN,
	IMAPD_HTTP_REQUESTS,
	IMAPD_EAS_FAILED,
	IMAPD_EAS_LIMITED,
	IMAPD_EAS_LOOPS,
	IMAPD_EAS_WAITING,
	IMAPD_EAS_WOKEN,
	IMAPD_EAS_COMMANDS, /* and the code of the command */
	IMAPD_EAS_COMMANDS_LAST = IMAPD_EAS_COMMANDS + 23,
	IMAPD_METRICS
};

/* path: of this worker's file, or NULL. */
int imapd_metrics_open(const char *path, struct err *err);

#endif
