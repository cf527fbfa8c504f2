/* A program that podd runs to its end, once: `stored --create`. Its lines go to the log. One thread. */
#ifndef PODCTL_PODD_JOB_H
#define PODCTL_PODD_JOB_H

#include <event2/event.h>

#include "base/err.h"
#include "podctl/podd/process.h"

/* status as of waitpid; said: the last line that the program wrote, "" where none. */
typedef void job_done_fn(void *arg, int status, const char *said);

/* Calls done exactly once, later, unless this fails. */
int job_start(struct event_base *base, const struct process_spec *spec, struct logbook *log,
              job_done_fn *done, void *arg, struct err *err);

#endif
