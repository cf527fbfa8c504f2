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
	IMAPD_METRICS
};

/* path: of this worker's file, or NULL. */
int imapd_metrics_open(const char *path, struct err *err);

#endif
