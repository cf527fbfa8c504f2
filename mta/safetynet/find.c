#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/safetynet/internal.h"

static int open_folder(const char *path, DIR **ret_dir, struct err *err)
{
	*ret_dir = opendir(path);
	if (*ret_dir)
		return 0;
	return errno == ENOENT ? -POD_E_NOTFOUND : err_errno(err, errno, "%s", path);
}

int safetynet_volumes(const char *queue_dir, struct arena *a, const char ***ret_names, size_t *ret_n, struct err *err)
{
	char path[PATH_MAX];
	const char **names = NULL;
	const struct dirent *e;
	size_t n = 0, cap = 0;
	DIR *d = NULL;
	int r = safetynet_path(queue_dir, "", "", path, err);

	if (r == 0)
		r = open_folder(path, &d, err);
	if (r < 0)
		return r;
	while (r == 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (n == cap) {
			names = arena_grow(a, names, n, cap ? 2 * cap : 16, sizeof(*names));
			cap = cap ? 2 * cap : 16;
		}
		if (!names || !(names[n++] = arena_str(a, span_of(e->d_name))))
			r = err_set(err, POD_E_NOMEM, "safety net");
	}
	(void) closedir(d);
	*ret_names = names;
	*ret_n = n;
	return r;
}

int safetynet_flush(const char *queue_dir, struct err *err)
{
	char path[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	int r = safetynet_path(queue_dir, "", "", path, err);

	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, errno, "%s", path);
	return syncfs(fd) < 0 ? err_errno(err, errno, "flushing %s", path) : 0;
}

void safetynet_clean(const char *queue_dir, const char *volume, int64_t older_s)
{
	char path[PATH_MAX];
	const struct dirent *e;
	struct stat st;
	DIR *d = NULL;

	if (safetynet_path(queue_dir, volume, "", path, NULL) < 0 || open_folder(path, &d, NULL) < 0)
		return;
	while ((e = readdir(d)))
		if (strncmp(e->d_name, SAFETYNET_DRAFT, sizeof(SAFETYNET_DRAFT) - 1) == 0 &&
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && time(NULL) - st.st_mtime > older_s)
			(void) unlinkat(dirfd(d), e->d_name, 0);
	(void) closedir(d);
}

/* <ms>.<token>.<size>.<GUID> */
static bool parse_name(const char *name, struct safetynet_entry *ret)
{
	struct span rest = span_of(name), ms = span_split(rest, '.', &rest), token = span_split(rest, '.', &rest),
	            size = span_split(rest, '.', &rest);
	uint64_t acked;

	if (span_to_u64(ms, &acked) < 0 || span_to_u64(token, &ret->token) < 0 || span_to_u64(size, &ret->size) < 0 ||
	    guid_parse(rest, &ret->id) < 0 || acked > INT64_MAX)
		return false;
	ret->acked_ms = (int64_t) acked;
	return true;
}

static int by_age(const void *a, const void *b)
{
	const struct safetynet_entry *x = a, *y = b;

	return x->acked_ms < y->acked_ms ? -1 : x->acked_ms > y->acked_ms;
}

int safetynet_list(const char *queue_dir, const char *volume, size_t most, struct arena *a,
                   struct safetynet_entries *ret, struct err *err)
{
	struct safetynet_entries found = { 0 };
	const struct dirent *e;
	char path[PATH_MAX];
	size_t cap = 0;
	DIR *d = NULL;
	int r = safetynet_path(queue_dir, volume, "", path, err);

	if (r == 0)
		r = open_folder(path, &d, err);
	if (r < 0)
		return r;
	while (r == 0 && found.n < most && (e = readdir(d))) {
		struct safetynet_entry entry;

		if (!parse_name(e->d_name, &entry))
			continue;
		if (found.n == cap) {
			found.items = arena_grow(a, found.items, found.n, cap ? 2 * cap : 64, sizeof(entry));
			cap = cap ? 2 * cap : 64;
		}
		if (!found.items) {
			r = err_set(err, POD_E_NOMEM, "safety net");
			break;
		}
		found.items[found.n++] = entry;
		found.bytes += entry.size;
	}
	(void) closedir(d);
	if (found.n)
		qsort(found.items, found.n, sizeof(*found.items), by_age);
	*ret = found;
	return r;
}

/* The message alone, in a file without a name: who takes it reads from the start. */
static int copy_message(int from, off_t at, uint64_t size, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = memfd_create("safetynet", MFD_CLOEXEC);
	uint64_t left = size;

	if (fd < 0)
		return err_errno(err, errno, "safety net");
	while (left > 0) {
		ssize_t n = sendfile(fd, from, &at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "safety net");
		if (n == 0)
			return err_set(err, POD_E_CORRUPT, "a message in the safety net is cut short");
		left -= (uint64_t) n;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int safetynet_open(const char *queue_dir, const char *volume, const struct safetynet_entry *e, struct arena *a,
                   struct span *ret_envelope, int *ret_fd, struct err *err)
{
	char name[SAFETYNET_NAME_SIZE], path[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	struct safetynet_head head;
	uint8_t *envelope;
	int r;

	safetynet_name(e, name);
	r = safetynet_path(queue_dir, volume, name, path, err);
	if (r < 0)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head) || head.magic != SAFETYNET_MAGIC ||
	    head.envelope_len > SAFETYNET_ENVELOPE_MAX)
		return err_set(err, POD_E_CORRUPT, "%s is no message of the safety net", path);
	envelope = arena_alloc(a, head.envelope_len + 1);
	if (!envelope)
		return err_set(err, POD_E_NOMEM, "safety net");
	if (pread(fd, envelope, head.envelope_len, sizeof(head)) != (ssize_t) head.envelope_len)
		return err_set(err, POD_E_CORRUPT, "%s is cut short", path);
	r = copy_message(fd, (off_t) (sizeof(head) + head.envelope_len), e->size, ret_fd, err);
	if (r == 0)
		*ret_envelope = span_make(envelope, head.envelope_len);
	return r;
}

void safetynet_forget(const char *queue_dir, const char *volume, const struct safetynet_entry *e)
{
	char name[SAFETYNET_NAME_SIZE], path[PATH_MAX];

	safetynet_name(e, name);
	if (safetynet_path(queue_dir, volume, name, path, NULL) == 0)
		(void) unlink(path);
}

bool safetynet_mark_read(const char *run_dir, const char *volume, struct safetynet_mark *ret_mark)
{
	char path[PATH_MAX], text[64];
	_cleanup_(closep) int fd = -1;
	struct span token, ms;
	uint64_t safe;
	ssize_t n;

	if ((size_t) snprintf(path, sizeof(path), "%s/safe-%s", run_dir, volume) >= sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
	if (n <= 0)
		return false;
	ms = span_split(span_trim(span_make(text, (size_t) n)), ' ', &token);
	if (span_to_u64(ms, &safe) < 0 || span_to_u64(token, &ret_mark->token) < 0)
		return false;
	ret_mark->safe_ms = (int64_t) safe;
	return true;
}

enum safetynet_fate safetynet_judge(const struct safetynet_entry *e, const struct safetynet_mark *mark, uint64_t token)
{
	/* What was safe under its token was on whoever could be promoted since. */
	if (mark->token == e->token && e->acked_ms < mark->safe_ms)
		return SAFETYNET_GOES;
	return e->token < token ? SAFETYNET_AGAIN : SAFETYNET_STAYS;
}
