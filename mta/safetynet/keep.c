#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/safetynet/internal.h"

int safetynet_path(const char *queue_dir, const char *volume, const char *name, char path[PATH_MAX], struct err *err)
{
	int n = snprintf(path, PATH_MAX, "%s/safety/%s%s%s", queue_dir, volume, *name ? "/" : "", name);

	return n > 0 && n < PATH_MAX ? 0 : err_set(err, POD_E_LIMIT, "%s: path too long", queue_dir);
}

void safetynet_name(const struct safetynet_entry *e, char name[SAFETYNET_NAME_SIZE])
{
	char id[ID_TEXT_SIZE];

	guid_format(&e->id, id);
	(void) snprintf(name, SAFETYNET_NAME_SIZE, "%013" PRId64 ".%" PRIu64 ".%" PRIu64 ".%s", e->acked_ms, e->token,
	                e->size, id);
}

static int make_folders(const char *queue_dir, const char *volume, struct err *err)
{
	char path[PATH_MAX];
	int r = safetynet_path(queue_dir, "", "", path, err);

	if (r == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "%s", path);
	if (r == 0)
		r = safetynet_path(queue_dir, volume, "", path, err);
	if (r == 0 && mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "%s", path);
	return r;
}

static int write_all(int fd, struct span s, struct err *err)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.p, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_errno(err, errno, "safety net");
		s = span_skip(s, (size_t) n);
	}
	return 0;
}

static int copy_all(int to, int from, uint64_t size, struct err *err)
{
	off_t at = 0;

	while ((uint64_t) at < size) {
		ssize_t n = sendfile(to, from, &at, size - (uint64_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_errno(err, errno, "safety net")
			             : err_set(err, POD_E_CORRUPT, "the message is shorter than it was");
	}
	return 0;
}

static int write_message(int fd, const struct safetynet_message *m, struct err *err)
{
	struct safetynet_head head = { .magic = SAFETYNET_MAGIC, .envelope_len = m->envelope.len };
	int r = write_all(fd, span_make(&head, sizeof(head)), err);

	if (r == 0)
		r = write_all(fd, m->envelope, err);
	if (r == 0)
		r = m->fd >= 0 ? copy_all(fd, m->fd, m->size, err) : write_all(fd, m->bytes, err);
	return r;
}

/* Under another name first: what is found under its own is whole. */
int safetynet_keep(const char *queue_dir, const struct safetynet_message *m, struct err *err)
{
	struct safetynet_entry e = { m->acked_ms, m->token, m->size, m->id };
	char name[SAFETYNET_NAME_SIZE], draft[SAFETYNET_NAME_SIZE + 8], from[PATH_MAX], to[PATH_MAX];
	_cleanup_(closep) int fd = -1;
	int r;

	safetynet_name(&e, name);
	(void) snprintf(draft, sizeof(draft), SAFETYNET_DRAFT "%s", name);
	r = safetynet_path(queue_dir, m->volume, draft, from, err);
	if (r == 0)
		r = safetynet_path(queue_dir, m->volume, name, to, err);
	if (r < 0)
		return r;
	fd = open(from, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 && errno == ENOENT && (r = make_folders(queue_dir, m->volume, err)) == 0)
		fd = open(from, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (r < 0)
		return r;
	if (fd < 0)
		return err_errno(err, errno, "%s", from);
	r = write_message(fd, m, err);
	if (r == 0 && rename(from, to) < 0)
		r = err_errno(err, errno, "%s", to);
	if (r < 0)
		(void) unlink(from);
	return r;
}
