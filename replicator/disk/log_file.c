#include "replicator/disk/disk_internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* The ring's end comes at most once in a run that is shorter than the ring. */
static size_t until_end(const struct disk *d, uint64_t lsn, size_t size)
{
	uint64_t left = d->log_bytes - lsn % d->log_bytes;

	return size < left ? size : (size_t) left;
}

int log_file_read(struct disk *d, uint64_t lsn, void *bytes, size_t size)
{
	size_t first = until_end(d, lsn, size);
	int r = block_read(d->log_fd, bytes, first, lsn % d->log_bytes);

	if (r == 0 && first < size)
		r = block_read(d->log_fd, (uint8_t *) bytes + first, size - first, 0);
	return r;
}

int log_file_write(struct disk *d, uint64_t lsn, const void *bytes, size_t size, bool durably)
{
	int (*write)(int, const void *, size_t, uint64_t) = durably ? block_write_durably : block_write;
	size_t first = until_end(d, lsn, size);
	int r = write(d->log_fd, bytes, first, lsn % d->log_bytes);

	if (r == 0 && first < size)
		r = write(d->log_fd, (const uint8_t *) bytes + first, size - first, 0);
	return r;
}

int log_file_wipe(struct disk *d, uint64_t from, uint64_t to)
{
	uint8_t *zeros = io_buffer_take(&d->buffers);
	int r = 0;

	memset(zeros, 0, IO_BUFFER_SIZE);
	while (r == 0 && from < to) {
		size_t size = to - from < IO_BUFFER_SIZE ? (size_t) (to - from) : IO_BUFFER_SIZE;

		r = log_file_write(d, from, zeros, size, false);
		from += size;
	}
	io_buffer_give(&d->buffers, zeros);
	if (r == 0 && fdatasync(d->log_fd) < 0)
		r = -errno;
	return r;
}
