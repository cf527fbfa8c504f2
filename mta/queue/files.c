#include "mta/queue/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"

int files_open(const char *dir, int *ret_dir_fd, struct err *err)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/messages", dir) >= (int) sizeof(path))
		return err_set(err, POD_E_LIMIT, "%s: path too long", dir);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "making %s", path);
	*ret_dir_fd = open(path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	return *ret_dir_fd < 0 ? err_errno(err, errno, "opening %s", path) : 0;
}

static int create(int dir_fd, const struct guid *id, int *ret_fd, struct err *err)
{
	char name[ID_TEXT_SIZE];

	guid_format(id, name);
	*ret_fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? err_errno(err, errno, "making queue file %s", name) : 0;
}

static int write_all(int fd, const uint8_t *p, size_t len, struct err *err)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno != EINTR)
			return err_errno(err, errno, "writing a queue file");
		if (n > 0) {
			p += n;
			len -= (size_t) n;
		}
	}
	return 0;
}

int files_write(int dir_fd, const struct guid *id, struct span bytes, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	int r = create(dir_fd, id, &fd, err);

	return r < 0 ? r : write_all(fd, bytes.p, bytes.len, err);
}

int files_copy(int dir_fd, const struct guid *id, int from_fd, uint64_t size, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	uint8_t piece[65536];
	uint64_t off = 0;
	int r = create(dir_fd, id, &fd, err);

	while (r == 0 && off < size) {
		ssize_t n = pread(from_fd, piece, sizeof(piece), (off_t) off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_errno(err, errno, "reading a submitted message")
			             : err_set(err, POD_E_PROTOCOL,
			                       "a submitted message is shorter than it says");
		if ((uint64_t) n > size - off)
			n = (ssize_t) (size - off);
		r = write_all(fd, piece, (size_t) n, err);
		off += (uint64_t) n;
	}
	return r;
}

/*
 * syncfs and not an fdatasync for each: fifty messages that came together wait for one flush of the device, as the
 * store's do. It tells of write errors since the folder was opened (Linux 5.8).
 */
int files_sync(int dir_fd, struct err *err)
{
	return syncfs(dir_fd) < 0 ? err_errno(err, errno, "syncing the queue's files") : 0;
}

int files_read(int dir_fd, const struct guid *id, int *ret_fd, struct err *err)
{
	char name[ID_TEXT_SIZE];
	int fd;

	guid_format(id, name);
	fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "queue file %s", name);
	*ret_fd = fd;
	return 0;
}

int files_remove(int dir_fd, const struct guid *id, struct err *err)
{
	char name[ID_TEXT_SIZE];

	guid_format(id, name);
	if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT)
		return err_errno(err, errno, "removing queue file %s", name);
	return 0;
}

int files_sweep(int dir_fd, bool (*keep)(void *arg, const struct guid *id), void *arg, struct err *err)
{
	int fd = openat(dir_fd, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		r = err_errno(err, errno, "reading the queue's folder");
		closep(&fd);
		return r;
	}
	while ((e = readdir(d))) {
		struct guid id;

		if (guid_parse(span_of(e->d_name), &id) < 0 || keep(arg, &id))
			continue;
		r = files_remove(dir_fd, &id, err);
		if (r < 0)
			break;
	}
	(void) closedir(d);
	return r;
}
