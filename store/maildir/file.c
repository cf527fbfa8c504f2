#include "store/maildir/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define TREE_DEPTH_MAX 16 /* users/xx/user/Maildir/.folder/cur/file has 7 */

int file_open_beneath(int dir, const char *path, int flags, int *ret_fd, struct err *err)
{
	const struct open_how how = { .flags = (uint64_t) (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags),
		                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	_cleanup_(closep) int fd = (int) syscall(SYS_openat2, dir, path, &how, sizeof(how)); /* libc has no name for it */
	struct stat st;

	if (fd < 0 && (errno == ELOOP || errno == EXDEV))
		return err_set(err, POD_E_DENIED, "%s is, or leads through, a symbolic link", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "open %s", path);
	if (!(flags & O_DIRECTORY) && !S_ISREG(st.st_mode))
		return err_set(err, POD_E_CORRUPT, "%s is no file", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int file_read(int dir, const char *path, size_t max, struct buf *out, struct err *err)
{
	_cleanup_(closep) int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t have = 0;

	if (fd < 0)
		return err_errno(err, errno, "open %s", path);
	for (;;) {
		uint8_t *to = buf_reserve(out, 4096);
		ssize_t n = to ? read(fd, to, 4096) : 0;

		if (!to)
			return err_set(err, POD_E_NOMEM, "read %s", path);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read %s", path);
		if (n == 0)
			return 0;
		out->len += (size_t) n;
		have += (size_t) n;
		if (have > max)
			return err_set(err, POD_E_LIMIT, "%s has more than %zu bytes", path, max);
	}
}

int file_write_at(int fd, struct span bytes, uint64_t off, struct err *err)
{
	while (bytes.len) {
		ssize_t n = pwrite(fd, bytes.p, bytes.len, (off_t) off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "write %zu bytes", bytes.len);
		bytes = span_skip(bytes, (size_t) n);
		off += (uint64_t) n;
	}
	return 0;
}

/*
 * A file system may make the rename durable before the bytes. Where there was none before, whoever reads it must bear
 * with that; in place of another the bytes come first.
 */
static int put_in_place(int dir, const char *tmp, int fd, const char *path, struct err *err)
{
	if (renameat2(dir, tmp, dir, path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EEXIST)
		return err_errno(err, errno, "rename %s", tmp);
	if (fdatasync(fd) < 0)
		return err_errno(err, errno, "flush %s", tmp);
	return renameat(dir, tmp, dir, path) < 0 ? err_errno(err, errno, "rename %s", tmp) : 0;
}

int file_replace(int dir, const char *path, struct span bytes, unsigned int mode, struct err *err)
{
	char tmp[FILE_PATH_SIZE + 4];
	_cleanup_(closep) int fd = -1;
	int r;

	(void) snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return err_errno(err, errno, "create %s", tmp);
	r = file_write_at(fd, bytes, 0, err);
	if (r == 0)
		r = put_in_place(dir, tmp, fd, path, err);
	if (r < 0)
		(void) unlinkat(dir, tmp, 0);
	return r;
}

int file_exists(int dir, const char *path, struct err *err)
{
	struct stat st;

	if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(err, errno, "stat %s", path);
}

int file_mkdir(int dir, const char *path, struct err *err)
{
	if (mkdirat(dir, path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "mkdir %s", path);
	return 0;
}

static int remove_entries(int fd, unsigned int depth, struct err *err);

static int remove_folder(int dir, const char *name, unsigned int depth, struct err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "open %s", name);
	if (depth >= TREE_DEPTH_MAX) {
		(void) close(fd);
		return err_set(err, POD_E_LIMIT, "folders are nested deeper than %d", TREE_DEPTH_MAX);
	}
	r = remove_entries(fd, depth, err);
	if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = err_errno(err, errno, "rmdir %s", name);
	return r;
}

/* Takes fd over. */
static int remove_entries(int fd, unsigned int depth, struct err *err)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		(void) close(fd);
		return err_set(err, POD_E_NOMEM, "list a folder");
	}
	while (r == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(d), e->d_name, 0) == 0 || errno == ENOENT)
			continue;
		r = errno == EISDIR ? remove_folder(dirfd(d), e->d_name, depth + 1, err) :
		                      err_errno(err, errno, "unlink %s", e->d_name);
	}
	(void) closedir(d);
	return r;
}

int file_remove_tree(int dir, const char *path, struct err *err)
{
	return remove_folder(dir, path, 0, err);
}
