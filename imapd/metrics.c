#include "imapd/metrics.h"

#define EAS_COMMAND(code, name)                                                                     \
	[IMAPD_EAS_COMMANDS + (code)] = { METRIC_COUNTER,                                           \
		                          "podmail_imapd_eas_commands_total{command=\"" name "\"}", \
		                          "Commands of ActiveSync that devices asked for." }

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
	[IMAPD_HTTP_CONNECTIONS_OPEN] = { METRIC_GAUGE, "podmail_imapd_http_connections",
	                                  "HTTPS connections open now." },
	[IMAPD_HTTP_REQUESTS] = { METRIC_COUNTER, "podmail_imapd_http_requests_total",
	                          "Requests over HTTPS." },
	[IMAPD_HTTP_TOO_SLOW] = { METRIC_COUNTER, "podmail_imapd_http_too_slow_total",
	                          "HTTPS connections ended as a request took too long to come in." },
	[IMAPD_EAS_FAILED] = { METRIC_COUNTER, "podmail_imapd_eas_failed_total",
	                       "Requests of ActiveSync answered with an HTTP code of 500 and more." },
	[IMAPD_EAS_LIMITED] = { METRIC_COUNTER, "podmail_imapd_eas_limited_total",
	                        "Requests put off because the device asked too often." },
	[IMAPD_EAS_LOOPS] = { METRIC_COUNTER, "podmail_imapd_eas_loops_total",
	                      "Requests put off because the device repeated the same one again and again." },
	[IMAPD_EAS_WAITING] = { METRIC_GAUGE, "podmail_imapd_eas_waiting",
	                        "Devices that wait for a change now." },
	[IMAPD_EAS_WOKEN] = { METRIC_COUNTER, "podmail_imapd_eas_woken_total",
	                      "How often a waiting device was looked at because something had changed." },
	EAS_COMMAND(0, "Sync"),
	EAS_COMMAND(1, "SendMail"),
	EAS_COMMAND(2, "SmartForward"),
	EAS_COMMAND(3, "SmartReply"),
	EAS_COMMAND(4, "GetAttachment"),
	EAS_COMMAND(5, "GetHierarchy"),
	EAS_COMMAND(6, "CreateCollection"),
	EAS_COMMAND(7, "DeleteCollection"),
	EAS_COMMAND(8, "MoveCollection"),
	EAS_COMMAND(9, "FolderSync"),
	EAS_COMMAND(10, "FolderCreate"),
	EAS_COMMAND(11, "FolderDelete"),
	EAS_COMMAND(12, "FolderUpdate"),
	EAS_COMMAND(13, "MoveItems"),
	EAS_COMMAND(14, "GetItemEstimate"),
	EAS_COMMAND(15, "MeetingResponse"),
	EAS_COMMAND(16, "Search"),
	EAS_COMMAND(17, "Settings"),
	EAS_COMMAND(18, "Ping"),
	EAS_COMMAND(19, "ItemOperations"),
	EAS_COMMAND(20, "Provision"),
	EAS_COMMAND(21, "ResolveRecipients"),
	EAS_COMMAND(22, "ValidateCert"),
	EAS_COMMAND(23, "Find"),
};

int imapd_metrics_open(const char *path, struct err *err)
{
	return metric_open(path, items, IMAPD_METRICS, err);
}
