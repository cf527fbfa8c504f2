#include "podctl/podd/logbook.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "podctl/podd/tracebook.h"

struct logbook {
	char *path;
	int fd, copy_fd;
	uint64_t size, max_bytes;
	unsigned int keep;
	struct tracebook *traces;
	bool failing; /* said so already */
};

static int open_file(struct logbook *book, struct err *err)
{
	int fd = open(book->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		int saved = errno;

		closep(&fd);
		return err_errno(err, saved, "log file %s", book->path);
	}
	closep(&book->fd);
	book->fd = fd;
	book->size = (uint64_t) st.st_size;
	return 0;
}

int logbook_open(const struct logbook_options *o, struct logbook **ret_book, struct err *err)
{
	struct logbook *book = calloc(1, sizeof(*book));
	int r;

	if (!book)
		return err_set(err, POD_E_NOMEM, "log");
	*book = (struct logbook){
		.fd = -1, .copy_fd = o->copy_fd, .max_bytes = o->max_bytes, .keep = o->keep, .traces = o->traces
	};
	if (o->path) {
		book->path = strdup(o->path);
		r = book->path ? open_file(book, err) : err_set(err, POD_E_NOMEM, "log");
		if (r < 0) {
			(void) logbook_close(book);
			return r;
		}
	}
	*ret_book = book;
	return 0;
}

struct logbook *logbook_close(struct logbook *book)
{
	if (!book)
		return NULL;
	closep(&book->fd);
	free(book->path);
	free(book);
	return NULL;
}

/* A name too long for a path has never been written, so there is nothing to move. */
static bool old_name(const struct logbook *book, unsigned int i, char *buf, size_t size)
{
	int n = i == 0 ? snprintf(buf, size, "%s", book->path) : snprintf(buf, size, "%s.%u", book->path, i);

	return n >= 0 && (size_t) n < size;
}

/* podmail.log -> .1 -> .2 ... -> .keep, which is replaced. Names that are not there are passed over. */
static int shift_files(const struct logbook *book, struct err *err)
{
	char from[PATH_MAX], to[PATH_MAX];

	if (book->keep == 0)
		return truncate(book->path, 0) < 0 ? err_errno(err, errno, "log file %s", book->path) : 0;
	for (unsigned int i = book->keep; i > 0; i--) {
		if (!old_name(book, i - 1, from, sizeof(from)) || !old_name(book, i, to, sizeof(to)))
			return err_set(err, POD_E_LIMIT, "log file %s: name too long", book->path);
		if (rename(from, to) < 0 && errno != ENOENT)
			return err_errno(err, errno, "log file %s", from);
	}
	return 0;
}

static void complain(struct logbook *book, const char *why)
{
	if (!book->failing)
		(void) dprintf(book->copy_fd >= 0 ? book->copy_fd : STDERR_FILENO,
		               "podd: the log is not complete: %s\n", why);
	book->failing = true;
}

/* Where rotation fails the file grows on: a large log is better than none. */
static void rotate(struct logbook *book)
{
	struct err err = { 0 };

	if (shift_files(book, &err) < 0 || open_file(book, &err) < 0) {
		complain(book, err_text(&err));
		book->size = 0; /* tries again after another max_bytes, not at each line */
	}
}

static ssize_t write_line(int fd, struct span line)
{
	struct iovec iov[2] = {
		{ .iov_base = (void *) (uintptr_t) line.p, .iov_len = line.len },
		{ .iov_base = (void *) (uintptr_t) "\n", .iov_len = 1 },
	};

	return writev(fd, iov, 2);
}

void logbook_write(struct logbook *book, struct span line)
{
	struct err err = { 0 };
	ssize_t n;

	if (book->copy_fd >= 0 && write_line(book->copy_fd, line) < 0)
		book->copy_fd = -1; /* the terminal is gone: the file goes on */
	if (book->traces && tracebook_add(book->traces, line, clock_wall_ms(), &err) < 0)
		complain(book, err_text(&err));
	if (book->fd < 0)
		return;
	if (book->max_bytes > 0 && book->size + line.len + 1 > book->max_bytes && book->size > 0)
		rotate(book);
	n = write_line(book->fd, line);
	if (n < 0) {
		complain(book, strerror(errno));
		return;
	}
	book->size += (uint64_t) n;
	book->failing = false;
}

int logbook_reopen(struct logbook *book, uint64_t max_bytes, unsigned int keep, struct err *err)
{
	book->max_bytes = max_bytes;
	book->keep = keep;
	return book->path ? open_file(book, err) : 0;
}
