/*
 * How two replicas stand to each other, from the lists of generations that both keep (superblock.h). Pure.
 *
 * A list says: from the end of the generation before up to its own end (the current one: up to the end of the
 * log) the history was written in this generation. Two histories are the same up to the end, in both, of the
 * newest generation that both have: the branch. What lies behind it on one side only is that side's tail.
 */
#ifndef REPLICATOR_CORE_GENERATION_H
#define REPLICATOR_CORE_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "replicator/core/superblock.h"

enum generation_verdict {
	GENERATION_FOLLOW,        /* the peer is a prefix of us: send the log from lsn */
	GENERATION_RESYNC,        /* it is, but our log no longer reaches back to lsn: send what is marked */
	GENERATION_PEER_HAS_TAIL, /* it wrote behind lsn what we do not have: it takes that back */
	GENERATION_SPLIT_BRAIN,   /* both wrote behind lsn, each in a generation of its own */
	GENERATION_NEWER_TOKEN,   /* the peer has seen a newer primary than us: we stop */
	GENERATION_UNRELATED,     /* another volume, or nothing in common */
};

/* One side, as its hello says. */
struct generation_side {
	const uint8_t *volume_id; /* 16 bytes */
	const struct generation
		*generations; /* GENERATIONS_MAX, the current one first; id 0 ends it; none: never written */
	uint64_t token;
	uint64_t end;     /* of its log: ours the staged end, the peer's the last commit that is durable */
	uint64_t tail;    /* ours only: the log reaches back to here */
	bool was_primary; /* the peer's only: what it has was its own word, not a primary's */
	/* The peer's only: a resync into it has not ended, it is no state that ever was; or it has, but its
	 * log has not yet passed the point at which the last chunk was read. */
	bool resyncing, settling;
};

struct generation_result {
	enum generation_verdict verdict;
	uint64_t lsn; /* the branch, where there is one */
	bool orphan; /* PEER_HAS_TAIL: the tail was acknowledged by the peer as primary: keep it as a snapshot
	              */
	bool marks_count; /* RESYNC, PEER_HAS_TAIL: marks that were made since lsn say what it lacks; else
	                     compare all */
};

struct generation_result generation_compare(const struct generation_side *us,
                                            const struct generation_side *peer);

/* Begins a generation: the one before ends at end, and no older one ends later. The oldest falls off. */
void generation_begin(struct generation list[GENERATIONS_MAX], uint64_t id, uint64_t end);

/* "follow", "split brain", ...: for logs and hellos. */
const char *generation_verdict_text(enum generation_verdict v);

#endif
