#include "mta/podfilter/metrics.h"

const struct metric_item filter_metrics[FILTER_METRICS_N] = {
#define X(name, type, text, help) { METRIC_##type, text, help },
	FILTER_METRICS(X)
#undef X
};
