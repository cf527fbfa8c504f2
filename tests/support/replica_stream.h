/*
 * Two replicas of one process, and between them a link without sockets, threads or time: each call does one
 * piece of what the link's room does with frames (replicator/link/). So whoever calls decides how far the
 * peer lags. No thread but the caller's touches a stream.
 */
#ifndef POD_TESTS_REPLICA_STREAM_H
#define POD_TESTS_REPLICA_STREAM_H

#include "replicator/disk/disk.h"
#include "replicator/snapshot/snapshot.h"

#define REPLICA_STREAM_PEER "site2" /* as the primary calls it */

enum replica_stream_state { REPLICA_STREAM_DOWN, REPLICA_STREAM_FOLLOWS, REPLICA_STREAM_RESYNCS };

struct replica_stream {
	struct disk *primary, *peer; /* open, the caller's */
	enum replica_stream_state state;
	uint64_t next, durable; /* LSNs: sent up to, and what the peer confirmed */
	uint64_t end_lsn;       /* of a resync whose last chunk went over; 0: not yet */
	/* What has happened, for whoever wants to know that all of it does. */
	unsigned int follows, resyncs, rewinds, overruns, chunks, orphans;
	char orphan[SNAPSHOT_NAME_SIZE]; /* at the peer, held: what an old primary was before it took back its
	                                    tail; the last */
};

/* One of the two was closed, or the link is cut: they meet again with the next step. */
void replica_stream_cut(struct replica_stream *s);
/* 1: something was done; 0: there is nothing to do. An error is one of the two disks'. */
int replica_stream_step(struct replica_stream *s, struct err *err);
/* Steps until the peer has all that is committed. -POD_E_TIMEOUT: it never does. */
int replica_stream_finish(struct replica_stream *s, struct err *err);

#endif
