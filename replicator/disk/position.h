/* A place between two records of a log, and what the chain needs to go on there. */
#ifndef REPLICATOR_DISK_POSITION_H
#define REPLICATOR_DISK_POSITION_H

#include "replicator/core/record.h"

struct position {
	uint64_t lsn;
	uint64_t epoch; /* of the last COMMIT before */
	uint32_t previous_crc;
	uint64_t size_bytes; /* of the volume there */
	int64_t time_ms;     /* in the last COMMIT before */
};

/* Moves p behind r, which stands there. */
static inline void position_pass(struct position *p, const struct record *r)
{
	p->lsn = record_next(r);
	p->previous_crc = r->crc;
	if (r->type == RECORD_COMMIT) {
		p->epoch = r->epoch;
		p->time_ms = (int64_t) r->offset;
	} else if (r->type == RECORD_RESIZE) {
		p->size_bytes = r->offset;
	}
}

#endif
