#include "replicator/disk/disk_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- reading ---- */

static bool aligned(const struct disk *d, const void *bytes)
{
	return !d->direct_image || (uintptr_t) bytes % IO_ALIGN == 0;
}

int image_read(struct disk *d, uint64_t offset, void *bytes, size_t size)
{
	uint8_t *p = bytes, *buffer;
	int r = 0;

	if (aligned(d, bytes))
		return block_read(d->image_fd, bytes, size, offset);
	buffer = io_buffer_take(&d->buffers);
	while (r == 0 && size > 0) {
		size_t n = size < IO_BUFFER_SIZE ? size : IO_BUFFER_SIZE;

		r = block_read(d->image_fd, buffer, n, offset);
		if (r == 0)
			memcpy(p, buffer, n);
		p += n;
		offset += n;
		size -= n;
	}
	io_buffer_give(&d->buffers, buffer);
	return r;
}

/* ---- zeros ---- */

static int write_zeros(struct disk *d, uint64_t offset, uint64_t length)
{
	uint8_t *zeros = io_buffer_take(&d->buffers);
	int r = 0;

	memset(zeros, 0, IO_BUFFER_SIZE);
	while (r == 0 && length > 0) {
		size_t n = length < IO_BUFFER_SIZE ? (size_t) length : IO_BUFFER_SIZE;

		r = block_write(d->image_fd, zeros, n, offset);
		offset += n;
		length -= n;
	}
	io_buffer_give(&d->buffers, zeros);
	return r;
}

static int deallocate(struct disk *d, uint64_t offset, uint64_t length, bool trim)
{
	if (d->image_is_device) {
		/* BLKDISCARD does not promise zeros; this does, and unmaps where the device can do both. */
		uint64_t range[2] = { offset, length };

		return ioctl(d->image_fd, BLKZEROOUT, range) < 0 ? -errno : 0;
	}
	if (fallocate(d->image_fd, FALLOC_FL_KEEP_SIZE | (trim ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
	              (off_t) offset, (off_t) length) < 0)
		return -errno;
	return 0;
}

int image_zero(struct disk *d, uint64_t offset, uint64_t length, bool trim)
{
	int r = deallocate(d, offset, length, trim);

	return r == -EOPNOTSUPP || r == -EINVAL || r == -ENOTTY ? write_zeros(d, offset, length) : r;
}

int image_grow(struct disk *d, uint64_t size_bytes, struct err *err)
{
	if (d->image_is_device) {
		if (size_bytes > d->device_bytes)
			return err_set(err, POD_E_NOSPACE, "image: the device has %llu bytes",
			               (unsigned long long) d->device_bytes);
		return 0;
	}
	if (ftruncate(d->image_fd, (off_t) size_bytes) < 0)
		return err_errno(err, errno, "image: truncate");
	return 0;
}

/* ---- resync and repair ---- */

static void lock_image(struct disk *d)
{
	(void) pthread_mutex_lock(&d->image_lock);
	(void) pthread_mutex_lock(&d->place_lock);
}

static void unlock_image(struct disk *d)
{
	(void) pthread_mutex_unlock(&d->place_lock);
	(void) pthread_mutex_unlock(&d->image_lock);
}

static int preserve_one(struct disk *d, uint64_t offset, uint64_t length, struct err *err)
{
	struct snapshot_extent e = { .offset = offset, .length = length };

	return snapshots_preserve(d->snapshots, &e, 1, err);
}

int disk_image_write(struct disk *d, uint64_t offset, const void *bytes, size_t size, struct err *err)
{
	const uint8_t *p = bytes;
	uint8_t *buffer = io_buffer_take(&d->buffers);
	int r;

	lock_image(d);
	r = preserve_one(d, offset, size, err);
	while (r == 0 && size > 0) {
		size_t n = size < IO_BUFFER_SIZE ? size : IO_BUFFER_SIZE;

		memcpy(buffer, p, n);
		r = disk_step(d, DISK_STEP_APPLY);
		if (r == 0)
			r = block_write(d->image_fd, buffer, n, offset);
		if (r < 0)
			r = err_errno(err, -r, "image: write");
		p += n;
		offset += n;
		size -= n;
	}
	unlock_image(d);
	io_buffer_give(&d->buffers, buffer);
	return r;
}

int disk_image_zero(struct disk *d, uint64_t offset, uint64_t length, struct err *err)
{
	int r = 0;

	while (r == 0 && length > 0) {
		uint64_t n = length < ZERO_PIECE ? length : ZERO_PIECE;

		lock_image(d);
		r = preserve_one(d, offset, n, err);
		if (r == 0) {
			r = image_zero(d, offset, n, true);
			if (r < 0)
				r = err_errno(err, -r, "image: zero");
		}
		unlock_image(d);
		offset += n;
		length -= n;
	}
	return r;
}

int disk_image_flush(struct disk *d, struct err *err)
{
	struct err e = { 0 };

	if (fdatasync(d->image_fd) < 0)
		return disk_break(d, err_errno(&e, errno, "image: flush"), &e, err);
	return 0;
}
