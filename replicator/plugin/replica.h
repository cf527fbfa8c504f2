/*
 * The replica that this process serves: its disk, its links, and how its exports are told that they may not
 * go on. The exports (export.h) and the control socket (control.h) work on it.
 *
 * Threads: opened and closed on the main thread; the rest on any.
 */
#ifndef REPLICATOR_PLUGIN_REPLICA_H
#define REPLICATOR_PLUGIN_REPLICA_H

#include <pthread.h>
#include <stdatomic.h>

#include "replicator/disk/disk.h"
#include "replicator/link/link.h"
#include "replicator/plugin/settings.h"

struct control;

struct replica {
	const struct settings *settings;
	struct disk *disk;
	struct replication *link;
	struct control *control;
	/* Grows each time this replica stops being primary: who connected before that is not served any more.
	 */
	atomic_uint_least64_t term;
	atomic_uint_least64_t told_ms, untold; /* of failures of requests: see replica_tell_failure */
	pthread_mutex_t waking; /* held while link is told of progress, so that it is not freed under it */
	bool wakes;
};

/*
 * Recovers the disk, starts the links with the peers of the settings, promotes where they say so, and answers
 * on the control socket. settings stay the caller's and outlive it.
 */
int replica_open(const struct settings *s, struct replica **ret_r, struct err *err);
/* When no request is under way any more. NULL is fine; returns NULL. */
struct replica *replica_close(struct replica *r);

bool replica_is_primary(struct replica *r);
/* Ends the term: exports opened so far get ESHUTDOWN. */
void replica_end_term(struct replica *r);
/* One failed request into the log; at most one a second, with the number of those left out. */
void replica_tell_failure(struct replica *r, const char *what, uint64_t offset, uint64_t length,
                          const struct err *err);

#endif
