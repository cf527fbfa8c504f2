#include "replicator/disk/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

int block_read(int fd, void *bytes, size_t size, uint64_t offset)
{
	uint8_t *p = bytes;

	while (size > 0) {
		ssize_t n = pread(fd, p, size, (off_t) offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0) {
			memset(p, 0, size);
			return 0;
		}
		p += n;
		size -= (size_t) n;
		offset += (size_t) n;
	}
	return 0;
}

static int write_all(int fd, const void *bytes, size_t size, uint64_t offset, int flags)
{
	const uint8_t *p = bytes;

	while (size > 0) {
		struct iovec v = { .iov_base = (void *) (uintptr_t) p, .iov_len = size };
		ssize_t n = pwritev2(fd, &v, 1, (off_t) offset, flags);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		size -= (size_t) n;
		offset += (size_t) n;
	}
	return 0;
}

int block_write(int fd, const void *bytes, size_t size, uint64_t offset)
{
	return write_all(fd, bytes, size, offset, 0);
}

int block_write_durably(int fd, const void *bytes, size_t size, uint64_t offset)
{
	return write_all(fd, bytes, size, offset, RWF_DSYNC);
}

void *io_memory(size_t size)
{
	void *p = NULL;

	if (posix_memalign(&p, IO_ALIGN, size) != 0)
		return NULL;
	memset(p, 0, size);
	return p;
}

bool io_buffers_init(struct io_buffers *b)
{
	b->memory = io_memory((size_t) IO_BUFFERS * IO_BUFFER_SIZE);
	if (!b->memory)
		return false;
	(void) pthread_mutex_init(&b->lock, NULL);
	(void) pthread_cond_init(&b->returned, NULL);
	for (b->n_free = 0; b->n_free < IO_BUFFERS; b->n_free++)
		b->free[b->n_free] = b->memory + b->n_free * IO_BUFFER_SIZE;
	return true;
}

void io_buffers_done(struct io_buffers *b)
{
	if (!b->memory)
		return;
	(void) pthread_cond_destroy(&b->returned);
	(void) pthread_mutex_destroy(&b->lock);
	free(b->memory);
	b->memory = NULL;
}

uint8_t *io_buffer_take(struct io_buffers *b)
{
	uint8_t *buffer;

	(void) pthread_mutex_lock(&b->lock);
	while (b->n_free == 0)
		(void) pthread_cond_wait(&b->returned, &b->lock);
	buffer = b->free[--b->n_free];
	(void) pthread_mutex_unlock(&b->lock);
	return buffer;
}

void io_buffer_give(struct io_buffers *b, uint8_t *buffer)
{
	(void) pthread_mutex_lock(&b->lock);
	b->free[b->n_free++] = buffer;
	(void) pthread_cond_signal(&b->returned);
	(void) pthread_mutex_unlock(&b->lock);
}
