#include "podctl/pod/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/span.h"
#include "podctl/pod/pidfile.h"

#define FOUND_MAX   1024
#define CMDLINE_MAX 16384

struct found {
	struct process_mark marks[FOUND_MAX];
	size_t n;
};

static bool is_program(struct span path)
{
	static const char *const names[] = { "podd", "mta", "imapd", "stored" };
	struct span name = path, rest = path;

	while (rest.p)
		name = span_split(rest, '/', &rest);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (span_eq(name, span_of(names[i])))
			return true;
	return false;
}

/* cmdline: the arguments, each with a NUL behind it (proc(5)). */
static bool is_of_pod(struct span cmdline, const char *config_file)
{
	struct span rest, word = span_split(cmdline, '\0', &rest);

	if (!is_program(word))
		return false;
	while (rest.p) {
		word = span_split(rest, '\0', &rest);
		if (span_eq(word, SPAN_LIT("--config")))
			return span_eq(span_split(rest, '\0', &rest), span_of(config_file));
	}
	return false;
}

static bool process_is_of_pod(pid_t pid, const char *config_file)
{
	char path[64], cmdline[CMDLINE_MAX];
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	(void) snprintf(path, sizeof(path), "/proc/%d/cmdline", (int) pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, cmdline, sizeof(cmdline));
	return n > 0 && is_of_pod(span_make(cmdline, (size_t) n), config_file);
}

static int find(const char *config_file, struct found *found, struct err *err)
{
	DIR *d = opendir("/proc");
	struct dirent *e;

	if (!d)
		return err_errno(err, errno, "/proc");
	found->n = 0;
	while (found->n < FOUND_MAX && (e = readdir(d))) {
		struct process_mark mark;
		uint32_t pid;

		/* The mark first: what it marks is then what the command line is read of, or gone. */
		if (span_to_u32(span_of(e->d_name), &pid) < 0 || (pid_t) pid == getpid() ||
		    process_mark_of((pid_t) pid, &mark, NULL) < 0 ||
		    !process_is_of_pod(mark.pid, config_file))
			continue;
		found->marks[found->n++] = mark;
	}
	(void) closedir(d);
	return 0;
}

static int signal_all(const struct found *found, int signal, struct err *err)
{
	for (size_t i = 0; i < found->n; i++) {
		int r = process_mark_signal(&found->marks[i], signal, err);

		if (r < 0 && r != -POD_E_NOTFOUND)
			return r;
	}
	return 0;
}

/* Waits for all within one time. */
static int wait_all(const struct found *found, unsigned int timeout_ms, struct err *err)
{
	unsigned int each_ms = 50, waited_ms = 0;

	for (size_t i = 0; i < found->n; i++) {
		while (process_mark_wait(&found->marks[i], each_ms, err) == -POD_E_TIMEOUT) {
			waited_ms += each_ms;
			if (waited_ms >= timeout_ms)
				return -POD_E_TIMEOUT;
		}
	}
	return 0;
}

int leftovers_end(const char *config_file, unsigned int timeout_ms, unsigned int *ret_ended, struct err *err)
{
	struct found found;
	int r = find(config_file, &found, err);

	if (r < 0)
		return r;
	*ret_ended = (unsigned int) found.n;
	r = signal_all(&found, SIGTERM, err);
	if (r == 0 && wait_all(&found, timeout_ms, NULL) < 0) {
		r = signal_all(&found, SIGKILL, err);
		if (r == 0)
			r = wait_all(&found, timeout_ms, err);
	}
	return r;
}
