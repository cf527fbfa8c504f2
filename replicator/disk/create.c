#include "replicator/disk/disk_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"

#define ZEROS (UINT64_C(1) << 20)

static int check(const struct disk_format *f, struct err *err)
{
	if (f->size_bytes == 0 || f->size_bytes % RECORD_VOLUME_UNIT != 0 ||
	    f->size_bytes > RECORD_VOLUME_MAX)
		return err_set(err, POD_E_CONFIG, "size of the volume: a multiple of 64K up to 64T, not %llu",
		               (unsigned long long) f->size_bytes);
	if (f->log_bytes < LOG_BYTES_MIN || f->log_bytes % LOG_BYTES_UNIT != 0 ||
	    f->log_bytes > LOG_BYTES_MAX)
		return err_set(err, POD_E_CONFIG,
		               "size of the log: a multiple of 1M from 16M to 1T, not %llu",
		               (unsigned long long) f->log_bytes);
	return 0;
}

static int create_file(int folder, const char *name, struct err *err)
{
	int fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? err_errno(err, errno, "%s", name) : fd;
}

/* Real zeros: space that was only promised would cost a change of metadata at each first flush. */
static int create_log(int folder, uint64_t bytes, struct err *err)
{
	_cleanup_(closep) int fd = create_file(folder, "log", err);
	_cleanup_(freep) void *zeros = io_memory(ZEROS);
	int r = 0;

	if (fd < 0)
		return fd;
	if (!zeros)
		return err_set(err, POD_E_NOMEM, "log");
	r = posix_fallocate(fd, 0, (off_t) bytes);
	if (r != 0)
		return err_errno(err, r, "log: %llu bytes", (unsigned long long) bytes);
	for (uint64_t at = 0; r == 0 && at < bytes; at += ZEROS)
		r = block_write(fd, zeros, ZEROS, at);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return r < 0 ? err_errno(err, -r, "log: write") : 0;
}

static int link_device(int folder, const struct disk_format *f, struct err *err)
{
	_cleanup_(closep) int fd = open(f->image_device, O_RDWR | O_CLOEXEC | O_EXCL);
	struct stat st;
	off_t end;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", f->image_device);
	if (!S_ISBLK(st.st_mode))
		return err_set(err, POD_E_CONFIG, "%s: not a block device", f->image_device);
	end = lseek(fd, 0, SEEK_END);
	if (end < 0 || (uint64_t) end < f->size_bytes)
		return err_set(err, POD_E_NOSPACE, "%s: has %lld bytes, the volume %llu", f->image_device,
		               (long long) end, (unsigned long long) f->size_bytes);
	if (symlinkat(f->image_device, folder, "image") < 0)
		return err_errno(err, errno, "image");
	return 0;
}

static int create_image(int folder, const struct disk_format *f, struct err *err)
{
	int fd, r = 0;

	if (f->image_device)
		return link_device(folder, f, err);
	fd = create_file(folder, "image", err);
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t) f->size_bytes) < 0 || fsync(fd) < 0)
		r = err_errno(err, errno, "image");
	(void) close(fd);
	return r;
}

/* Last: without it the folder holds no replica. */
static int create_meta(int folder, const struct disk_format *f, struct err *err)
{
	_cleanup_(closep) int fd = create_file(folder, "meta", err);
	_cleanup_(freep) uint8_t *blocks = calloc(2, SUPERBLOCK_SIZE);
	struct superblock s = {
		.sequence = 2,
		.size_bytes = f->size_bytes,
		.log_bytes = f->log_bytes,
		.role = ROLE_SECONDARY,
		.tail_lsn = RECORD_ALIGN,
		.log_first_lsn = RECORD_ALIGN,
	};
	int r;

	if (fd < 0)
		return fd;
	if (!blocks)
		return err_set(err, POD_E_NOMEM, "meta");
	memcpy(s.volume_id, f->volume_id, sizeof(s.volume_id));
	random_bytes(s.replica_id, sizeof(s.replica_id));
	superblock_encode(&s, blocks);
	r = block_write(fd, blocks, (size_t) 2 * SUPERBLOCK_SIZE, 0);
	if (r < 0)
		return err_errno(err, -r, "meta: write");
	if (fsync(fd) < 0 || fsync(folder) < 0)
		return err_errno(err, errno, "meta: flush");
	return 0;
}

static int create_files(int folder, const struct disk_format *f, struct err *err)
{
	int r = 0;

	if (faccessat(folder, "meta", F_OK, 0) == 0)
		return err_set(err, POD_E_EXISTS, "there is a replica already");
	/* What an attempt that was cut short has left. */
	if (unlinkat(folder, "log", 0) < 0 && errno != ENOENT)
		return err_errno(err, errno, "log");
	if (unlinkat(folder, "image", 0) < 0 && errno != ENOENT)
		return err_errno(err, errno, "image");
	if (mkdirat(folder, "snapshots", 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "snapshots");
	r = create_log(folder, f->log_bytes, err);
	if (r == 0)
		r = create_image(folder, f, err);
	if (r == 0)
		r = create_meta(folder, f, err);
	return r;
}

int disk_create(const char *folder, const struct disk_format *f, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	int r = check(f, err);

	if (r < 0)
		return r;
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "%s", folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "%s", folder);
	return err_wrap(err, create_files(fd, f, err), "%s", folder);
}
