#include "replicator/plugin/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/cleanup.h"

#define LINE_SIZE 4096
#define PROGRAM   "replicator"

/* nbdkit's: "nbdkit: podmail.2: error: ..." or "nbdkit: podmail.2: debug: ...". */
static const struct {
	const char *mark;
	enum log_level level;
} levels[] = {
	{ "debug: ", LOGL_DEBUG },
	{ "error: ", LOGL_WARNING }, /* of a request or a connection: what we cannot go on with ends us */
};

/* Standard error is one of the process. */
static struct {
	int old_fd, read_fd;
	pthread_t thread;
	bool runs;
} messages = { .old_fd = -1, .read_fd = -1 };

static void tell(struct span line)
{
	enum log_level level = LOGL_NOTICE;

	line = span_trim(line);
	if (span_starts_nocase(line, SPAN_LIT("nbdkit: ")))
		line = span_skip(line, strlen("nbdkit: "));
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (span_find(line, span_of(levels[i].mark)) != SIZE_MAX)
			level = levels[i].level;
	if (line.len)
		log_event(NULL, level, "nbdkit.message", F_SPAN("text", line));
}

/* Lines off the front of the buffer; returns what is left of it. */
static size_t tell_lines(uint8_t *buffer, size_t len)
{
	struct span all = span_make(buffer, len), rest = all;
	size_t at;

	while ((at = span_find_byte(rest, '\n')) != SIZE_MAX) {
		tell(span_head(rest, at));
		rest = span_skip(rest, at + 1);
	}
	if (rest.len == LINE_SIZE) {
		tell(rest);
		rest.len = 0;
	}
	memmove(buffer, rest.p, rest.len);
	return rest.len;
}

static void *messages_main(void *arg)
{
	uint8_t buffer[LINE_SIZE];
	size_t len = 0;
	ssize_t n;

	while ((n = read(messages.read_fd, buffer + len, sizeof(buffer) - len)) != 0) {
		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			len = tell_lines(buffer, len + (size_t) n);
	}
	tell(span_make(buffer, len));
	return NULL;
}

/* A failed assertion (nbdkit's, a library's) says why on standard error: the thread would not come to read
 * it. */
static void on_abort(int signal_number)
{
	char rest[LINE_SIZE];
	ssize_t n, put;

	(void) dup2(messages.old_fd, STDERR_FILENO); /* the last writer: the pipe ends */
	while ((n = read(messages.read_fd, rest, sizeof(rest))) > 0) {
		put = write(STDERR_FILENO, rest, (size_t) n);
		(void) put; /* there is nobody left to tell */
	}
	(void) signal(signal_number, SIG_DFL);
	(void) raise(signal_number);
}

int messages_start(enum log_format format, enum log_level least, struct err *err)
{
	int ends[2], r;

	messages.old_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (messages.old_fd < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, errno, "standard error");
	/* Whoever serves a request must not wait for whoever reads the log: what does not fit is lost. */
	(void) fcntl(ends[1], F_SETFL, O_NONBLOCK);
	messages.read_fd = ends[0];
	log_setup(PROGRAM, messages.old_fd, format, least);
	r = pthread_create(&messages.thread, NULL, messages_main, NULL);
	if (r == 0 && dup2(ends[1], STDERR_FILENO) < 0)
		r = errno;
	(void) close(ends[1]);
	(void) signal(SIGABRT, on_abort);
	messages.runs = r == 0;
	return r ? err_errno(err, r, "standard error") : 0;
}

void messages_stop(void)
{
	if (!messages.runs)
		return;
	messages.runs = false;
	/* The last writer goes, the thread reads to the end. */
	(void) dup2(messages.old_fd, STDERR_FILENO);
	(void) pthread_join(messages.thread, NULL);
	(void) close(messages.read_fd);
}
