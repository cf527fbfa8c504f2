/*
 * Which parts of a file take room and which are holes, as its file system says (lseek(2), SEEK_DATA). Any
 * thread; the file's position is of no use to anybody else.
 */
#ifndef REPLICATOR_SNAPSHOT_SPARSE_H
#define REPLICATOR_SNAPSHOT_SPARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* What begins at offset, up to *ret_end <= end, offset < end. Behind the end of the file is a hole. A device
 * is data. */
int sparse_run(int fd, uint64_t offset, uint64_t end, uint64_t *ret_end, bool *ret_hole, struct err *err);

#endif
