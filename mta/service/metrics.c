#include "mta/service/metrics.h"

const struct metric_item mta_metrics[MTA_METRICS_N] = {
#define X(name, type, text, help) { METRIC_##type, text, help },
	MTA_METRICS(X)
#undef X
};
