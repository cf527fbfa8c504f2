/*
 * Where a log ends: reads records from a position on as long as they are whole. Pure: the bytes come from a
 * callback.
 *
 * Behind a COMMIT the next epoch is written only after the flush, so at most one epoch (or one group, see the
 * superblock) was under way when the power went. A whole record of a later epoch behind the end therefore
 * means that something durable has been damaged. Epochs begin at multiples of RECORD_ALIGN, which is where it
 * is looked for.
 */
#ifndef REPLICATOR_DISK_SCAN_H
#define REPLICATOR_DISK_SCAN_H

#include "base/err.h"
#include "replicator/disk/position.h"

struct scan_input {
	/* The log's bytes from lsn on; what *ret points at is good until the next call. 0 or -errno. */
	int (*bytes)(void *arg, uint64_t lsn, size_t size, const uint8_t **ret);
	void *arg;
	/* May be NULL: r is passed, its payload was put into the image and is not in the log. */
	void (*placed)(void *arg, const struct record *r);
	uint64_t limit; /* no record of this log ends behind it: its first LSN and the ring's size */
	uint64_t group_from, group_to;
};

struct scan_result {
	struct position committed; /* behind the last COMMIT */
	struct position end;       /* behind the last whole record */
};

/* -POD_E_CORRUPT: damage, see above; -POD_E_IO. */
int scan_log(const struct scan_input *in, const struct position *from, struct scan_result *ret,
             struct err *err);

#endif
