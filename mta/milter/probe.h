/*
 * Whether a milter is there, and what it wants: a connection of its own on which nothing but the terms are
 * agreed, then SMFIC_QUIT. All on base's thread.
 */
#ifndef POD_MTA_MILTER_PROBE_H
#define POD_MTA_MILTER_PROBE_H

#include <event2/event.h>

#include "conf/conf.h"
#include "mta/milter/negotiate.h"

struct milter_probe;

struct milter_probed {
	bool fine;
	const char *why;                  /* not fine: in words */
	const struct milter_terms *terms; /* fine */
	uint64_t connect_us, answer_us;   /* fine: until the connection, and from there until its answer */
};

/* result holds during the call. The probe is over then. */
typedef void milter_probe_fn(void *arg, const struct milter_probed *result);

/*
 * Calls back from the loop, never inside; after timeout_ms at the latest, or the milter's own limits where
 * those are shorter. -POD_E_SYNTAX, -POD_E_NOMEM, -POD_E_UNAVAILABLE with words.
 */
int milter_probe_start(struct event_base *base, const struct conf_milter *milter, unsigned int timeout_ms,
                       milter_probe_fn *fn, void *arg, struct milter_probe **ret_probe, struct err *err);
/* No callback follows. NULL is fine; returns NULL. */
struct milter_probe *milter_probe_cancel(struct milter_probe *p);

#endif
