/* Where the secrets are. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "mta/srs/srs.h"

#define FILE_MAX 4096
#define RANDOM_BYTES 32

/* A new one under a name of its own, so that whoever is there first with the whole of it wins. */
static int make(const char *path, struct err *err)
{
	uint8_t bytes[RANDOM_BYTES];
	char text[2 * RANDOM_BYTES + 2], temporary[4096];
	_cleanup_(closep) int fd = -1;
	int r = 0;

	random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		(void) snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[sizeof(text) - 2] = '\n';
	if (snprintf(temporary, sizeof(temporary), "%s.%d", path, (int) getpid()) >= (int) sizeof(temporary))
		return err_set(err, POD_E_LIMIT, "%s: path too long", path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || write(fd, text, sizeof(text) - 1) != (ssize_t) sizeof(text) - 1 || fsync(fd) < 0)
		r = err_errno(err, errno, "making %s", path);
	else if (link(temporary, path) < 0 && errno != EEXIST)
		r = err_errno(err, errno, "making %s", path);
	(void) unlink(temporary);
	return r;
}

int srs_open(const char *path, struct srs **ret_srs, struct err *err)
{
	uint8_t text[FILE_MAX];
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int r;

	if (fd < 0 && errno == ENOENT) {
		r = make(path, err);
		if (r < 0)
			return r;
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n < 0)
		return err_errno(err, errno, "reading %s", path);
	r = srs_create(span_make(text, (size_t) n), ret_srs, err);
	return r < 0 ? err_wrap(err, r, "%s", path) : 0;
}
