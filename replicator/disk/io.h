/* Whole reads and writes at an offset, and memory fit for direct I/O. All return 0 or -errno. Thread-safe. */
#ifndef REPLICATOR_DISK_IO_H
#define REPLICATOR_DISK_IO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IO_ALIGN 4096u /* of offsets, sizes and memory */

/* What lies behind the end of the file reads as zeros. */
int block_read(int fd, void *bytes, size_t size, uint64_t offset);
int block_write(int fd, const void *bytes, size_t size, uint64_t offset);
/* Durable when it returns 0. */
int block_write_durably(int fd, const void *bytes, size_t size, uint64_t offset);

static inline uint64_t io_floor(uint64_t at)
{
	return at / IO_ALIGN * IO_ALIGN;
}

static inline uint64_t io_ceil(uint64_t at)
{
	return io_floor(at + IO_ALIGN - 1);
}

/* Zeroed, aligned; NULL where memory is out. Freed with free(). */
void *io_memory(size_t size);

/* A fixed number of buffers that threads borrow; who finds none waits. */
#define IO_BUFFERS     16
#define IO_BUFFER_SIZE (256u * 1024 + 5 * IO_ALIGN) /* a whole record at any alignment, and the gap behind it */

struct io_buffers {
	pthread_mutex_t lock;
	pthread_cond_t returned;
	uint8_t *memory;
	uint8_t *free[IO_BUFFERS];
	size_t n_free;
};

bool io_buffers_init(struct io_buffers *b); /* false: memory is out */
void io_buffers_done(struct io_buffers *b); /* of zeroed memory: fine */
uint8_t *io_buffer_take(struct io_buffers *b);
void io_buffer_give(struct io_buffers *b, uint8_t *buffer);

#endif
