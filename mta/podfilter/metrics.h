/* What podfilter counts: one table (metrics.c), an index for each row. */
#ifndef POD_FILTER_METRICS_H
#define POD_FILTER_METRICS_H

#include "base/metric.h"

/* clang-format off */
/* The verdicts in the order of enum verdict. */
#define FILTER_METRICS(X) \
	X(SESSIONS,            COUNTER, "podmail_filter_sessions_total", "Connections asked about") \
	X(SESSIONS_OPEN,       GAUGE,   "podmail_filter_sessions", "Connections open now") \
	X(STEPS_REJECTED,      COUNTER, "podmail_filter_steps_refused_total{result=\"reject\"}", "Commands refused before a message's content") \
	X(STEPS_DEFERRED,      COUNTER, "podmail_filter_steps_refused_total{result=\"tempfail\"}", "Commands refused before a message's content") \
	X(LESSONS_SPAM,        COUNTER, "podmail_filter_lessons_total{as=\"spam\"}", "Moves of users into Junk and out of it that were learnt from") \
	X(LESSONS_HAM,         COUNTER, "podmail_filter_lessons_total{as=\"ham\"}", "Moves of users into Junk and out of it that were learnt from") \
	X(LESSONS_LIMITED,     COUNTER, "podmail_filter_lessons_limited_total", "Such moves passed over, for their users had made too many") \
	X(MESSAGES_CLEAN,      COUNTER, "podmail_filter_messages_total{verdict=\"clean\"}", "Messages judged") \
	X(MESSAGES_JUNK,       COUNTER, "podmail_filter_messages_total{verdict=\"junk\"}", "Messages judged") \
	X(MESSAGES_QUARANTINE, COUNTER, "podmail_filter_messages_total{verdict=\"quarantine\"}", "Messages judged") \
	X(MESSAGES_TEMPFAIL,   COUNTER, "podmail_filter_messages_total{verdict=\"tempfail\"}", "Messages judged") \
	X(MESSAGES_REJECT,     COUNTER, "podmail_filter_messages_total{verdict=\"reject\"}", "Messages judged")
/* clang-format on */

enum filter_metric {
#define X(name, type, text, help) FM_##name,
	FILTER_METRICS(X)
#undef X
		FILTER_METRICS_N
};

extern const struct metric_item filter_metrics[FILTER_METRICS_N];

#endif
