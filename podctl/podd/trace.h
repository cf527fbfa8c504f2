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
/*
 * The value of a line's field, found as a field and not as text somewhere: false where there is none. It is as written,
 * without its quotes; what was escaped in it still is.
 */
bool trace_line_field(struct span line, const char *name, struct span *ret_value);
/* When it was written, wall-clock milliseconds; 0 where it does not say. */
int64_t trace_line_time_ms(struct span line);
/*
 * A line as {"time", "level", "program", "pid", "event", "fields": {...}}, or {"line": "..."} where it is not
 * one of ours. NULL: memory is out.
 */
json_t *trace_line_json(struct span line);

#endif
