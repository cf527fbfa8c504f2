#include "store/maildir/body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "store/maildir/file.h"

#define COPY_BYTES 65536

static int tmpfile_open(int dir, int *ret_fd, struct err *err)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(err, errno, "make an unnamed file for a message");
	*ret_fd = fd;
	return 0;
}

/* Reads up to COPY_BYTES at off; a file shorter than it was said to be is an error where `exact`. */
static int read_at(int fd, uint8_t *to, size_t want, uint64_t off, size_t *ret_n, struct err *err)
{
	ssize_t n;

	do
		n = pread(fd, to, want, (off_t) off);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, errno, "read a message at %llu", (unsigned long long) off);
	*ret_n = (size_t) n;
	return 0;
}

static int copy_fd(int to, uint64_t to_off, int from, uint64_t size, struct err *err)
{
	_cleanup_(freep) uint8_t *buf = malloc(COPY_BYTES);

	if (!buf)
		return err_set(err, POD_E_NOMEM, "copy a message");
	for (uint64_t off = 0; off < size;) {
		size_t want = size - off < COPY_BYTES ? (size_t) (size - off) : COPY_BYTES, n = 0;
		int r = read_at(from, buf, want, off, &n, err);

		if (r == 0 && n == 0)
			r = err_set(err, POD_E_CORRUPT, "a message of %llu bytes ends after %llu", (unsigned long long) size,
			            (unsigned long long) off);
		if (r == 0)
			r = file_write_at(to, span_make(buf, n), to_off + off, err);
		if (r < 0)
			return r;
		off += n;
	}
	return 0;
}

int body_stage(int dir, struct span header, struct span bytes, int fd, uint64_t fd_size, int *ret_fd,
               uint64_t *ret_size, struct err *err)
{
	_cleanup_(closep) int out = -1;
	uint64_t off = header.len + bytes.len;
	int r = tmpfile_open(dir, &out, err);

	if (r == 0)
		r = file_write_at(out, header, 0, err);
	if (r == 0)
		r = file_write_at(out, bytes, header.len, err);
	if (r == 0 && fd >= 0) {
		r = copy_fd(out, off, fd, fd_size, err);
		off += fd_size;
	}
	if (r < 0)
		return r;
	*ret_fd = take_fd(&out);
	*ret_size = off;
	return 0;
}

int body_make(int dir, const char *name, struct span header, struct span bytes, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int out = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (out < 0)
		return err_errno(err, errno, "make %s", name);
	r = file_write_at(out, header, 0, err);
	if (r == 0)
		r = file_write_at(out, bytes, header.len, err);
	if (r < 0) {
		(void) unlinkat(dir, name, 0); /* what stays, recovery takes away */
		return r;
	}
	*ret_fd = take_fd(&out);
	return 0;
}

int body_link(int fd, int dir, const char *name, struct err *err)
{
	char self[32];

	/* The way open(2) gives for O_TMPFILE: AT_EMPTY_PATH would take a capability. */
	(void) snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, dir, name, AT_SYMLINK_FOLLOW) < 0)
		return err_errno(err, errno, "link %s", name);
	return 0;
}

/* Line ends made CRLF, over block borders: *last is the byte before in. Returns the length of out (up to 2 * n). */
static size_t crlf_block(const uint8_t *in, size_t n, uint8_t *out, uint8_t *last)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (in[i] == '\n' && *last != '\r')
			out[len++] = '\r';
		out[len++] = in[i];
		*last = in[i];
	}
	return len;
}

int body_stage_crlf(int dir, int fd, int *ret_fd, uint64_t *ret_size, struct err *err)
{
	_cleanup_(freep) uint8_t *in = malloc(COPY_BYTES), *out = malloc(2 * COPY_BYTES);
	_cleanup_(closep) int to = -1;
	uint64_t off = 0, size = 0;
	uint8_t last = 0;
	int r = in && out ? tmpfile_open(dir, &to, err) : err_set(err, POD_E_NOMEM, "copy a message");

	while (r == 0) {
		size_t n = 0, len;

		r = read_at(fd, in, COPY_BYTES, off, &n, err);
		if (r < 0 || n == 0)
			break;
		len = crlf_block(in, n, out, &last);
		r = file_write_at(to, span_make(out, len), size, err);
		off += n;
		size += len;
	}
	if (r < 0)
		return r;
	*ret_fd = take_fd(&to);
	*ret_size = size;
	return 0;
}

/* ---- after a power cut ---- */

#define BLOCK 512 /* the least that is lost or kept as a whole */

static bool is_zeros(const uint8_t *p, size_t n)
{
	return n > 0 && p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static bool has_lost_block(const uint8_t *p, size_t n)
{
	for (size_t at = 0; at < n; at += BLOCK)
		if (is_zeros(p + at, n - at < BLOCK ? n - at : BLOCK))
			return true;
	return false;
}

int body_is_whole(int fd, uint64_t size, struct err *err)
{
	uint8_t bytes[128 * BLOCK];
	uint64_t at = 0;

	for (;;) {
		ssize_t n = pread(fd, bytes, sizeof(bytes), (off_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, errno, "read a message");
		if (n == 0)
			return at == size;
		if (has_lost_block(bytes, (size_t) n))
			return 0;
		at += (uint64_t) n;
	}
}
