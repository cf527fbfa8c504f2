/* What is shown of a replicated volume: for the API, the metrics and podctl. One thread. */
#ifndef PODCTL_PODD_REPLICATION_JSON_H
#define PODCTL_PODD_REPLICATION_JSON_H

#include <jansson.h>

#include "podctl/podd/stack.h"

/* The volume with its replicas, as they said a moment ago; a new reference, NULL where memory is out. */
json_t *replication_json(const struct stack *s, const Directory__Volume *v);
/* {"kind", "from", "to", "state", "step", ...}; null where there was none since podd started. */
json_t *operation_json(const struct stack *s);

#endif
