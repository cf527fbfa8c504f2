/*
 * The room around the supervisor: carries out its actions with real processes, tells it what happened, and
 * logs it. The lines that children write go to the logbook. One thread.
 */
#ifndef PODCTL_PODD_CHILDREN_H
#define PODCTL_PODD_CHILDREN_H

#include <event2/event.h>

#include "base/err.h"
#include "podctl/podd/logbook.h"
#include "podctl/podd/supervise.h"

struct children;

struct children_options {
	struct event_base *base;
	struct logbook *log; /* must outlive the children */
	struct supervise_times times;
	void (*on_ready)(void *arg, const struct child *child); /* may be NULL */
	void (*on_all_stopped)(void *arg);                      /* once, after children_stop */
	void *arg;
};

int children_create(const struct children_options *o, struct children **ret_children, struct err *err);
struct children *children_free(struct children *c);
/* A process from now on kept running. argv (ended by NULL, argv[0] a path) is copied. */
int children_add(struct children *c, const char *name, enum child_rank rank, const char *const *argv,
                 struct err *err);
/* New times hold from the next event on; then SIGHUP goes to all. */
void children_reload(struct children *c, const struct supervise_times *times);
void children_stop(struct children *c);
/* To look at. The i-th child, NULL past the last. */
const struct child *children_get(const struct children *c, size_t i);
const struct child *children_find(const struct children *c, const char *name);
bool children_all_ready(const struct children *c);

#endif
