/*
 * A batch: a piece of the log, whole records of durable epochs. Its extents are laid over each other, so that
 * the image is written once for each block and in order; then snapshots get their copies, the image its data,
 * and the disk's map forgets what is in the image now. A batch that fails half way is done again from its
 * start, which is harmless, as it is after a crash.
 *
 * Records that are no extents end a batch and are done alone: a snapshot must be exactly the image at its
 * LSN.
 */
#ifndef REPLICATOR_DISK_BATCH_H
#define REPLICATOR_DISK_BATCH_H

#include "replicator/disk/disk_internal.h"

struct batch {
	struct position from, to;
	const uint8_t *bytes; /* of the log, from `from` on */
	uint64_t end;
	bool checked; /* they came from the stage, where nothing rots */
	bool alone;   /* one record, not an extent: */
	struct record record;
	struct position commit; /* the last COMMIT in it */
	bool has_commit;
	size_t n_plain; /* extents in the applier's list */
	bool in_map;    /* they went from there to its map, as did all behind them */
	size_t n_ops;
	uint64_t mapped_lsn; /* when it began: */
	size_t unmapped;     /* of its extents, that were not in the disk's map */
};

/* The log's byte at lsn. */
static inline const uint8_t *batch_at(const struct batch *b, uint64_t lsn)
{
	return b->bytes + (lsn - b->from.lsn);
}

/* Under image_lock. Takes records until b->end; b->to is behind the last one that it took. */
int batch_collect(struct disk *d, struct batch *b, struct err *err);
/* What is to be done to the image, in order: the applier's ops, b->n_ops of them. Their data goes to the
 * aligned memory from which it is written; neighbours become one. */
void batch_prepare(struct disk *d, struct batch *b);

#endif
