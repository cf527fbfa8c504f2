/* Loop devices: a block device on an open file, without a program in between. */
#ifndef POD_REPLICATOR_ATTACH_LOOP_H
#define POD_REPLICATOR_ATTACH_LOOP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Takes a free loop device for backing_fd, with direct I/O and logical blocks of block_size. It is let go
 * when its last user has gone, *ret_fd among them. name is what losetup shows. -POD_E_UNSUPPORTED: no loop
 * devices here, or none with direct I/O on this file.
 */
int loop_attach(int backing_fd, const char *name, unsigned int block_size, bool read_only, char *node,
                size_t node_size, int *ret_fd, struct err *err);
/* The file has grown. */
int loop_grow(int fd, struct err *err);

#endif
