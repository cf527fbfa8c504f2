/* What the mta counts: one table (metrics.c), an index for each row. */
#ifndef POD_MTA_METRICS_H
#define POD_MTA_METRICS_H

#include "base/metric.h"

/* clang-format off */
#define MTA_METRICS(X) \
	X(SESSIONS_SMTP,       COUNTER, "podmail_mta_sessions_total{service=\"smtp\"}", "Sessions begun") \
	X(SESSIONS_SUBMISSION, COUNTER, "podmail_mta_sessions_total{service=\"submission\"}", "Sessions begun") \
	X(SESSIONS_LMTP,       COUNTER, "podmail_mta_sessions_total{service=\"lmtp\"}", "Sessions begun") \
	X(SESSIONS_REFUSED,    COUNTER, "podmail_mta_sessions_refused_total", "Sessions refused: too many, or talking before the greeting") \
	X(REFUSED_CONNECTIONS, COUNTER, "podmail_mta_refused_total{why=\"connections\"}", "Connections refused") \
	X(REFUSED_MEMORY,      COUNTER, "podmail_mta_refused_total{why=\"memory\"}", "Connections refused") \
	X(REFUSED_LATENCY,     COUNTER, "podmail_mta_refused_total{why=\"latency\"}", "Connections refused") \
	X(REFUSED_ADDRESS,     COUNTER, "podmail_mta_refused_total{why=\"address\"}", "Connections refused") \
	X(REFUSED_NETWORK,     COUNTER, "podmail_mta_refused_total{why=\"network\"}", "Connections refused") \
	X(REFUSED_RATE,        COUNTER, "podmail_mta_refused_total{why=\"rate\"}", "Connections refused") \
	X(REFUSED_EARLY,       COUNTER, "podmail_mta_refused_total{why=\"early_talker\"}", "Connections refused") \
	X(SESSIONS_SLOW,       COUNTER, "podmail_mta_sessions_slow_total", "Sessions ended because the client was too slow") \
	X(MEMORY,              GAUGE,   "podmail_mta_memory_bytes", "Resident memory of the workers") \
	X(AUTH_DELAYED,        COUNTER, "podmail_mta_auth_delayed_total", "Logins put off because of failures before") \
	X(LIMITED_MESSAGES,    COUNTER, "podmail_mta_limited_total{what=\"messages\"}", "Messages and recipients beyond what a user may send") \
	X(LIMITED_RECIPIENTS,  COUNTER, "podmail_mta_limited_total{what=\"recipients\"}", "Messages and recipients beyond what a user may send") \
	X(SENDERS_REFUSED,     COUNTER, "podmail_mta_senders_refused_total", "Addresses that users wanted to send from and may not") \
	X(SESSIONS_OPEN,       GAUGE,   "podmail_mta_sessions", "Sessions open now") \
	X(TLS_FAILED,          COUNTER, "podmail_mta_tls_failed_total", "TLS handshakes that failed") \
	X(AUTH_OK,             COUNTER, "podmail_mta_auth_total{result=\"ok\"}", "Authentications") \
	X(AUTH_FAILED,         COUNTER, "podmail_mta_auth_total{result=\"failed\"}", "Authentications") \
	X(AUTH_ERROR,          COUNTER, "podmail_mta_auth_total{result=\"error\"}", "Authentications") \
	X(MESSAGES_ACCEPTED,   COUNTER, "podmail_mta_messages_total{result=\"accepted\"}", "Messages received whole") \
	X(MESSAGES_REFUSED,    COUNTER, "podmail_mta_messages_total{result=\"refused\"}", "Messages received whole") \
	X(MESSAGES_QUEUED,     COUNTER, "podmail_mta_messages_queued_total", "Accepted messages that went to the queue, in whole or in part") \
	X(BYTES,               COUNTER, "podmail_mta_message_bytes_total", "Bytes of accepted messages") \
	X(DELIVERY_US,         COUNTER, "podmail_mta_delivery_microseconds_total", "Time from the end of a message to its reply, summed over all of them") \
	X(RCPT_ACCEPTED,       COUNTER, "podmail_mta_recipients_total{result=\"accepted\"}", "Recipients asked for with RCPT") \
	X(RCPT_UNKNOWN,        COUNTER, "podmail_mta_recipients_total{result=\"unknown\"}", "Recipients asked for with RCPT") \
	X(RCPT_RELAY,          COUNTER, "podmail_mta_recipients_total{result=\"relay_denied\"}", "Recipients asked for with RCPT") \
	X(RCPT_SUSPENDED,      COUNTER, "podmail_mta_recipients_total{result=\"suspended\"}", "Recipients asked for with RCPT") \
	X(RCPT_ERROR,          COUNTER, "podmail_mta_recipients_total{result=\"error\"}", "Recipients asked for with RCPT") \
	X(SAFETY_MESSAGES,     GAUGE,   "podmail_mta_safetynet_messages", "Messages kept until a standby has them") \
	X(SAFETY_BYTES,        GAUGE,   "podmail_mta_safetynet_bytes", "Bytes of them") \
	X(SAFETY_AGAIN,        COUNTER, "podmail_mta_safetynet_again_total", "Messages delivered again after a failover") \
	X(SAFETY_FLUSHES,      COUNTER, "podmail_mta_safetynet_flushes_total", "Flushes that made what is kept durable") \
	X(SAFETY_LOST,         COUNTER, "podmail_mta_safetynet_dropped_total", "Messages no longer kept before a standby had them") \
	X(QUEUE_MESSAGES,      GAUGE,   "podmail_mta_queue_messages", "Messages in the queue") \
	X(QUEUE_SUBMITTED,     COUNTER, "podmail_mta_queue_submitted_total", "Messages taken over by the queue") \
	X(DSN_SENT,            COUNTER, "podmail_mta_dsn_total{result=\"sent\"}", "Delivery status notifications") \
	X(AUTO_REPLIES,        COUNTER, "podmail_mta_auto_replies_total", "Answers of users who are away, given to the queue") \
	X(DSN_DOUBLE_BOUNCES,  COUNTER, "podmail_mta_dsn_total{result=\"double_bounce\"}", "Delivery status notifications") \
	X(QUEUE_DELIVERED,     COUNTER, "podmail_mta_queue_recipients_total{result=\"delivered\"}", "Outcomes of the queue's attempts") \
	X(QUEUE_DEFERRED,      COUNTER, "podmail_mta_queue_recipients_total{result=\"deferred\"}", "Outcomes of the queue's attempts") \
	X(QUEUE_FAILED,        COUNTER, "podmail_mta_queue_recipients_total{result=\"failed\"}", "Outcomes of the queue's attempts") \
	X(OUTBOUND_JOBS,       COUNTER, "podmail_mta_outbound_attempts_total", "Messages that were tried to be sent to another server") \
	X(OUTBOUND_DELIVERED,  COUNTER, "podmail_mta_outbound_recipients_total{result=\"delivered\"}", "Recipients at other servers, by what came of an attempt") \
	X(OUTBOUND_DEFERRED,   COUNTER, "podmail_mta_outbound_recipients_total{result=\"deferred\"}", "Recipients at other servers, by what came of an attempt") \
	X(OUTBOUND_FAILED,     COUNTER, "podmail_mta_outbound_recipients_total{result=\"failed\"}", "Recipients at other servers, by what came of an attempt") \
	X(OUTBOUND_CONNECTIONS, COUNTER, "podmail_mta_outbound_connections_total", "Connections to other servers that were tried") \
	X(OUTBOUND_REUSED,     COUNTER, "podmail_mta_outbound_reused_total", "Messages that found an open connection") \
	X(OUTBOUND_OPEN,       GAUGE,   "podmail_mta_outbound_connections", "Connections to other servers now") \
	X(OUTBOUND_TLS_NONE,   COUNTER, "podmail_mta_outbound_sessions_total{tls=\"none\"}", "Sessions with other servers, by what their TLS had to show") \
	X(OUTBOUND_TLS_MAY,    COUNTER, "podmail_mta_outbound_sessions_total{tls=\"may\"}", "Sessions with other servers, by what their TLS had to show") \
	X(OUTBOUND_TLS_ENCRYPT, COUNTER, "podmail_mta_outbound_sessions_total{tls=\"encrypt\"}", "Sessions with other servers, by what their TLS had to show") \
	X(OUTBOUND_TLS_VERIFY, COUNTER, "podmail_mta_outbound_sessions_total{tls=\"verify\"}", "Sessions with other servers, by what their TLS had to show") \
	X(OUTBOUND_TLS_DANE,   COUNTER, "podmail_mta_outbound_sessions_total{tls=\"dane\"}", "Sessions with other servers, by what their TLS had to show") \
	X(OUTBOUND_TLS_RESUMED, COUNTER, "podmail_mta_outbound_tls_resumed_total", "TLS sessions with other servers that were resumed") \
	X(OUTBOUND_TLS_FAILED, COUNTER, "podmail_mta_outbound_tls_failed_total", "Connections to other servers that ended because of their TLS") \
	X(OUTBOUND_UNSIGNED,   COUNTER, "podmail_mta_outbound_unsigned_total", "Messages of the pod's own that went out without a signature because podfilter gave none")
/* clang-format on */

enum mta_metric {
#define X(name, type, text, help) M_##name,
	MTA_METRICS(X)
#undef X
	MTA_METRICS_N
};

extern const struct metric_item mta_metrics[MTA_METRICS_N];

#endif
