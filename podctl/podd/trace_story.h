/* What became of a message, told from the lines about it. Pure but for the trace book. */
#ifndef PODCTL_PODD_TRACE_STORY_H
#define PODCTL_PODD_TRACE_STORY_H

#include <jansson.h>

#include "podctl/podd/tracebook.h"

/*
 * {"trace", "first", "last", "sender", "state", "recipients": [{"address", "state", "time", "text"}], "reports": [trace],
 *  "report_on": trace where it is a report about another message, "events": [...]}
 *
 * A state is delivered, sent (to another server), waiting, held, failed, expired, refused, put-off (its sender keeps it
 * and tries again), removed, or, of a message, mixed. At most STORY_EVENTS_MAX events, the first ones.
 * -POD_E_NOTFOUND: the book has nothing about it.
 */
#define STORY_EVENTS_MAX 1000
int trace_story(struct tracebook *book, const char *trace, json_t **ret_story, struct err *err);

/* The same of events that are there already (trace_line_json); they stay the caller's. NULL: memory is out. */
json_t *trace_story_of(const char *trace, json_t *events);

#endif
