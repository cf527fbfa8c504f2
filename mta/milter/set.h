/* Inside mta/milter: the milters of a listener, and connections to them that wait for the next session. */
#ifndef POD_MTA_MILTER_SET_H
#define POD_MTA_MILTER_SET_H

#include <sys/queue.h>

#include "mta/milter/link.h"
#include "mta/milter/milter.h"

#define MILTER_IDLE_MAX 8 /* connections kept for each milter */
#define MILTER_IDLE_MS  60000

struct milter_idle;

struct milter_filter {
	struct milter_set *set;
	struct conf_milter conf; /* strings are the set's */
	struct milter_address address;
	LIST_HEAD(, milter_idle) idle;
	size_t n_idle;
	size_t counters; /* of milter_counted_find */
};

struct milter_set {
	struct event_base *base;
	struct arena *arena;
	unsigned int refs;
	size_t memory_per_message;
	const char *tmp_dir;
	struct milter_filter *filters;
	size_t n;
};

/* A connection and what was agreed on it, which holds for all its sessions: libmilter takes no second
 * negotiation. */
struct milter_line {
	struct milter_link *link;
	struct milter_terms terms;
	struct arena *arena; /* of the terms */
};
/* Takes over a connection that waits for a new session, the newest one; false where there is none. */
bool milter_filter_take(struct milter_filter *f, const struct milter_link_ops *ops, void *owner,
                        struct milter_line *ret_line);
/* Keeps one on which SMFIC_QUIT_NC was said. */
void milter_filter_keep(struct milter_filter *f, const struct milter_line *line);

#endif
