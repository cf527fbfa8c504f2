#include "store/service/metrics.h"

const struct metric_item store_metrics[STORE_METRIC_COUNT] = {
#define X(name, type, text, help) { METRIC_##type, "podmail_stored_" text, help },
	STORE_METRICS(X)
#undef X
};
