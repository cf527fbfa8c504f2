/* What a store counts; each row is a metric of `podctl stats` and /metrics. */
#ifndef POD_STORE_SERVICE_METRICS_H
#define POD_STORE_SERVICE_METRICS_H

#include "base/metric.h"

/* clang-format off */
#define STORE_METRICS(X) \
	X(REQUESTS,            COUNTER, "requests_total",                  "Requests taken.") \
	X(REQUESTS_FAILED,     COUNTER, "requests_failed_total",           "Requests answered with an error.") \
	X(CONNECTIONS,         GAUGE,   "connections",                     "Connections of front ends.") \
	X(SESSIONS,            GAUGE,   "sessions",                        "Open sessions of users.") \
	X(WATCHES,             GAUGE,   "watches",                         "Sessions waiting for changes.") \
	X(DELIVERIES,          COUNTER, "deliveries_total",                "Messages delivered, each with all its recipients here.") \
	X(DELIVERED,           COUNTER, "delivered_recipients_total",      "Recipients delivered to.") \
	X(DELIVERED_REPEATED,  COUNTER, "delivered_repeated_total",        "Recipients of a repeated delivery, recognised.") \
	X(DELIVERED_FAILED,    COUNTER, "delivered_failed_total",          "Recipients that could not be delivered to.") \
	X(DELIVERY_BYTES,      COUNTER, "delivery_bytes_total",            "Bytes of messages delivered.") \
	X(DELIVERY_US,         COUNTER, "delivery_microseconds_total",     "From request to commit, summed over deliveries.") \
	X(APPENDS,             COUNTER, "appends_total",                   "Messages appended.") \
	X(RESTORED,            COUNTER, "restored_total",                  "Messages brought back out of snapshots and backups.") \
	X(CHANGES,             COUNTER, "changes_total",                   "Changes made durable, deliveries included.") \
	X(COMMITS,             GAUGE,   "commits",                         "Commits since the volume was opened.") \
	X(MESSAGES,            GAUGE,   "messages",                        "Messages on the volume.") \
	X(USERS,               GAUGE,   "users",                           "Users on the volume.") \
	X(BYTES,               GAUGE,   "bytes",                           "Bytes of messages on the volume.") \
	X(LOGINS,              COUNTER, "logins_total",                    "Successful authentications.") \
	X(LOGINS_FAILED,       COUNTER, "logins_failed_total",             "Failed authentications.") \
	X(LOGINS_REMEMBERED,   COUNTER, "logins_remembered_total",         "Password checks answered from memory.") \
	X(EVENTS,              COUNTER, "watch_events_total",              "Change events sent to watching sessions.")
/* clang-format on */

enum store_metric {
#define X(name, type, text, help) STORE_METRIC_##name,
	STORE_METRICS(X)
#undef X
	STORE_METRIC_COUNT
};

extern const struct metric_item store_metrics[STORE_METRIC_COUNT];

#endif
