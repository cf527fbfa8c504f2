/* What a process needs that serves the device under a file system of the same machine. */
#ifndef POD_REPLICATOR_ATTACH_MEMORY_H
#define POD_REPLICATOR_ATTACH_MEMORY_H

#include "base/err.h"

/*
 * Before threads are made, which inherit it: pages stay once they were touched (mlockall), the heap keeps
 * what it has and is made ready with room to spare, and making memory free never waits for file systems or
 * devices on our behalf (PR_SET_IO_FLUSHER). -POD_E_DENIED: needs root, or a limit of locked memory that is
 * large enough.
 */
int memory_hold(struct err *err);

#endif
