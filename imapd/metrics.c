#include "imapd/metrics.h"

static const struct metric_item items[IMAPD_METRICS] = {
	[IMAPD_CONNECTIONS] = { METRIC_COUNTER, "podmail_imapd_connections_total", "Connections accepted." },
	[IMAPD_CONNECTIONS_OPEN] = { METRIC_GAUGE, "podmail_imapd_connections", "Connections open now." },
	[IMAPD_CONNECTIONS_REFUSED] = { METRIC_COUNTER, "podmail_imapd_connections_refused_total",
	                                "Connections turned away because there were too many." },
	[IMAPD_LOGINS] = { METRIC_COUNTER, "podmail_imapd_logins_total", "Successful logins." },
	[IMAPD_LOGINS_DELAYED] = { METRIC_COUNTER, "podmail_imapd_logins_delayed_total",
	                           "Logins put off because of failures before." },
	[IMAPD_LOGINS_FAILED] = { METRIC_COUNTER, "podmail_imapd_logins_failed_total", "Logins refused." },
	[IMAPD_TLS_FAILED] = { METRIC_COUNTER, "podmail_imapd_tls_failed_total",
	                       "TLS handshakes and connections that failed." },
	[IMAPD_STORE_REQUESTS] = { METRIC_COUNTER, "podmail_imapd_store_requests_total",
	                           "Requests sent to stores." },
	[IMAPD_TIMEOUTS] = { METRIC_COUNTER, "podmail_imapd_autologouts_total",
	                     "Clients logged out because they were silent." },
};

int imapd_metrics_open(const char *path, struct err *err)
{
	return metric_open(path, items, IMAPD_METRICS, err);
}
