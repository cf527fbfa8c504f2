/* The folder of the keys: reading whole files and replacing them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/podfilter/auth/keys/keys_internal.h"

int keys_open(const char *dir, struct keys **ret_keys, struct err *err)
{
	struct keys *keys = calloc(1, sizeof(*keys));

	if (!keys || !(keys->dir = strdup(dir))) {
		free(keys);
		return err_set(err, POD_E_NOMEM, "keys");
	}
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		int r = err_errno(err, errno, "%s", dir);

		(void) keys_close(keys);
		return r;
	}
	*ret_keys = keys;
	return 0;
}

struct keys *keys_close(struct keys *keys)
{
	if (keys)
		free(keys->dir);
	free(keys);
	return NULL;
}

int keys_domain(struct arena *a, const char *domain, const char **ret_domain, struct err *err)
{
	size_t len = strlen(domain);
	char *copy;

	if (len == 0 || len > 253 || *domain == '.' || strstr(domain, "..") ||
	    strspn(domain, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") != len)
		return err_set(err, POD_E_SYNTAX, "%.128s is not a domain name", domain);
	copy = arena_str(a, span_make(domain, len));
	if (!copy)
		return err_set(err, POD_E_NOMEM, "keys");
	for (char *p = copy; *p; p++)
		*p = (char) ascii_lower((uint8_t) *p);
	*ret_domain = copy;
	return 0;
}

const char *keys_path(const struct keys *keys, struct arena *a, const char *domain, const char *file)
{
	return arena_printf(a, "%s/%s%s%s", keys->dir, domain, *file ? "/" : "", file);
}

static int sync_folder(const char *path, struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fsync(fd) == 0 ? 0 : err_errno(err, errno, "%s", path);
}

static int write_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0)
			return -1;
		bytes = span_skip(bytes, (size_t) n);
	}
	return 0;
}

static int write_new(const char *path, struct span bytes, struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || write_all(fd, bytes) < 0 || fsync(fd) < 0)
		return err_errno(err, errno, "%s", path);
	return 0;
}

int keys_write_file(const struct keys *keys, struct arena *a, const char *domain, const char *file,
                    struct span bytes, struct err *err)
{
	const char *folder = keys_path(keys, a, domain, ""), *path = keys_path(keys, a, domain, file);
	const char *fresh = path ? arena_printf(a, "%s.new", path) : NULL;
	int r;

	if (!folder || !fresh)
		return err_set(err, POD_E_NOMEM, "keys");
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "%s", folder);
	r = write_new(fresh, bytes, err);
	if (r == 0 && rename(fresh, path) < 0)
		r = err_errno(err, errno, "%s", path);
	if (r == 0)
		r = sync_folder(folder, err);
	return r == 0 ? sync_folder(keys->dir, err) : r;
}

int keys_read_file(const char *path, struct arena *a, struct span *ret_bytes, struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	uint8_t *to;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return -POD_E_NOTFOUND;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, errno, "%s", path);
	if (st.st_size > KEYS_FILE_MAX)
		return err_set(err, POD_E_CORRUPT, "%s: too large", path);
	to = arena_alloc(a, (size_t) st.st_size + 1);
	if (!to)
		return err_set(err, POD_E_NOMEM, "%s", path);
	n = read(fd, to, (size_t) st.st_size);
	if (n != st.st_size)
		return err_errno(err, n < 0 ? errno : EIO, "%s", path);
	*ret_bytes = span_make(to, (size_t) n);
	return 0;
}

int keys_each_domain(struct keys *keys, int (*fn)(void *arg, const char *domain), void *arg, struct err *err)
{
	DIR *dir = opendir(keys->dir);
	struct dirent *e;
	int r = 0;

	if (!dir)
		return err_errno(err, errno, "%s", keys->dir);
	while (r == 0 && (e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.')
			r = fn(arg, e->d_name);
	(void) closedir(dir);
	return r;
}
