/*
 * Writes to one file, many at once: io_uring where the kernel lets us, else one after the other. Used by one
 * thread at a time. The bytes stay the caller's until io_queue_finish.
 */
#ifndef REPLICATOR_DISK_QUEUE_H
#define REPLICATOR_DISK_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct io_queue;

/* depth: how many writes are under way at most. NULL where memory is out. */
struct io_queue *io_queue_create(unsigned int depth);
struct io_queue *io_queue_free(struct io_queue *q);
/*
 * Most writes will be to fd, from the size bytes at memory: the kernel looks them up once instead of each time. Both have
 * to stay until io_queue_free. What it refuses (locked memory has a limit) costs only time. Before the first write.
 */
void io_queue_fix(struct io_queue *q, int fd, void *memory, size_t size);
/* Begins a write; waits for an earlier one where depth are under way. 0, or -errno of any that ended
 * meanwhile. */
int io_queue_write(struct io_queue *q, int fd, const void *bytes, size_t size, uint64_t offset);
/* Waits for all; 0, or -errno of the first that failed. After a failure the queue is empty and may be used
 * again. */
int io_queue_finish(struct io_queue *q);

#endif
