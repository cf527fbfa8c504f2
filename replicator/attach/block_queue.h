/* What the kernel says about a block device's queue (/sys/block/NAME). node: "/dev/nbd0". */
#ifndef POD_REPLICATOR_ATTACH_BLOCK_QUEUE_H
#define POD_REPLICATOR_ATTACH_BLOCK_QUEUE_H

#include <stdint.h>

#include "base/err.h"

struct block_queue {
	uint64_t completed; /* requests, of all kinds */
	uint64_t in_flight;
};

/* -POD_E_IO: it cannot be read; *ret is all zero then. */
int block_queue_read(const char *node, struct block_queue *ret);
/* When the driver is told that a request is slow. */
int block_queue_set_timeout(const char *node, unsigned int timeout_ms, struct err *err);

#endif
