/*
 * What the log says about one message: the lines that carry a trace id, from the oldest old file to the
 * newest, found as a field (not as text somewhere), in both log formats.
 */
#ifndef PODCTL_PODD_TRACE_H
#define PODCTL_PODD_TRACE_H

#include <jansson.h>

#include "base/err.h"
#include "base/span.h"

/* 1 to 64 letters and digits. */
bool trace_id_is_valid(const char *id);
/* Whether a line of the log has the field trace=ID. */
bool trace_line_matches(struct span line, struct span id);
/*
 * A line as {"time", "level", "program", "pid", "event", "fields": {...}}, or {"line": "..."} where it is not
 * one of ours. NULL: memory is out.
 */
json_t *trace_line_json(struct span line);

#endif
