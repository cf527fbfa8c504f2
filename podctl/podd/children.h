/*
 * The room around the supervisor: carries out its actions with real processes, tells it what happened, and
 * logs it. The lines that children write go to the logbook. One thread.
 */
#ifndef PODCTL_PODD_CHILDREN_H
#define PODCTL_PODD_CHILDREN_H

#include <event2/event.h>

#include "base/err.h"
#include "podctl/podd/logbook.h"
#include "podctl/podd/process.h"
#include "podctl/podd/supervise.h"

struct children;

struct children_options {
	struct event_base *base;
	struct logbook *log; /* must outlive the children */
	struct supervise_times times;
	void (*on_ready)(void *arg, const struct child *child); /* may be NULL */
	/* Ended, asked to or not; its state says what follows. status as of waitpid. May be NULL. */
	void (*on_end)(void *arg, const struct child *child, int status);
	void (*on_all_stopped)(void *arg); /* once, after children_stop */
	void *arg;
};

int children_create(const struct children_options *o, struct children **ret_children, struct err *err);
struct children *children_free(struct children *c);
struct child_spec {
	enum child_rank rank;
	enum child_care care;
	struct process_spec process; /* copied */
};

/* A process that can be started by its name. */
int children_add(struct children *c, const char *name, const struct child_spec *spec, struct err *err);
/* The same, started. */
int children_run(struct children *c, const char *name, const struct child_spec *spec, struct err *err);
/* Whether there is one of that name. The following ignore names that there are not. */
bool children_has(const struct children *c, const char *name);
/* Other arguments, from its next start on, for which it waits no longer: with these it has not died yet. */
int children_set_argv(struct children *c, const char *name, const char *const *argv, struct err *err);
void children_start(struct children *c, const char *name);
void children_end(struct children *c, const char *name, enum supervise_ending how);
/* A sign of readiness that did not come from the process itself. */
void children_is_ready(struct children *c, const char *name);
int children_signal(struct children *c, const char *name, int signal, struct err *err);
/* New times hold from the next event on; then SIGHUP goes to all. */
void children_reload(struct children *c, const struct supervise_times *times);
void children_stop(struct children *c);
/* What they have written so far is in the log now. */
void children_read_lines(struct children *c);
/* To look at. The i-th child, NULL past the last. */
const struct child *children_get(const struct children *c, size_t i);
const struct child *children_find(const struct children *c, const char *name);
bool children_all_ready(const struct children *c);

#endif
