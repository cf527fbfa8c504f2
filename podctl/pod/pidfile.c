#include "podctl/pod/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/cleanup.h"

static ssize_t read_file(const char *path, char *buf, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (n >= 0)
		buf[n] = '\0';
	return n;
}

/* proc(5): "pid (comm) state ppid ..."; comm may hold spaces and brackets, so fields count from the last ')'.
 */
static int parse_stat(const char *stat, uint64_t *ret_start)
{
	const char *p = strrchr(stat, ')');
	char state;

	if (!p || sscanf(p + 1, " %c", &state) != 1 || state == 'Z' || state == 'X')
		return -POD_E_NOTFOUND;
	for (int field = 2; field < 22 && p; field++)
		p = strchr(p + 1, ' ');
	return p && sscanf(p, " %" SCNu64, ret_start) == 1 ? 0 : -POD_E_NOTFOUND;
}

int process_mark_of(pid_t pid, struct process_mark *ret_mark, struct err *err)
{
	char path[64], stat[1024];
	uint64_t start;

	(void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
	if (read_file(path, stat, sizeof(stat)) < 0 || parse_stat(stat, &start) < 0)
		return err_set(err, POD_E_NOTFOUND, "no process %d", (int) pid);
	*ret_mark = (struct process_mark){ pid, start };
	return 0;
}

bool process_mark_alive(const struct process_mark *mark)
{
	struct process_mark now;

	return process_mark_of(mark->pid, &now, NULL) == 0 && now.start == mark->start;
}

/* A descriptor of the process, checked after it was opened: from then on it cannot become another's. */
static int open_mark(const struct process_mark *mark, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = pidfd_open(mark->pid, 0);

	if (fd < 0 && errno != ESRCH)
		return err_errno(err, errno, "process %d", (int) mark->pid);
	if (fd < 0 || !process_mark_alive(mark))
		return err_set(err, POD_E_NOTFOUND, "no process %d", (int) mark->pid);
	*ret_fd = take_fd(&fd);
	return 0;
}

int process_mark_signal(const struct process_mark *mark, int signal, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	int r = open_mark(mark, &fd, err);

	if (r < 0)
		return r;
	if (pidfd_send_signal(fd, signal, NULL, 0) < 0)
		return errno == ESRCH ? err_set(err, POD_E_NOTFOUND, "no process %d", (int) mark->pid)
		                      : err_errno(err, errno, "signal to process %d", (int) mark->pid);
	return 0;
}

int process_mark_wait(const struct process_mark *mark, unsigned int timeout_ms, struct err *err)
{
	_cleanup_(closep) int fd = -1;
	struct pollfd p = { .events = POLLIN };
	int r = open_mark(mark, &fd, err);

	if (r < 0)
		return r == -POD_E_NOTFOUND ? 0 : r;
	p.fd = fd;
	do
		r = poll(&p, 1, (int) timeout_ms);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return err_errno(err, errno, "waiting for process %d", (int) mark->pid);
	return r > 0 ? 0 : err_set(err, POD_E_TIMEOUT, "process %d goes on running", (int) mark->pid);
}

int pidfile_acquire(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	struct process_mark me;
	int r;

	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? err_set(err, POD_E_BUSY, "podd runs already for this pod (%s)", path)
		               : err_errno(err, errno, "%s", path);
	r = process_mark_of(getpid(), &me, err);
	if (r < 0)
		return r;
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d %" PRIu64 "\n", (int) me.pid, me.start) < 0)
		return err_errno(err, errno, "%s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int pidfile_read(const char *path, struct process_mark *ret_mark, struct err *err)
{
	struct process_mark mark;
	char text[64];
	int pid;

	if (read_file(path, text, sizeof(text)) < 0) {
		if (errno != ENOENT)
			return err_errno(err, errno, "%s", path);
		return err_set(err, POD_E_NOTFOUND, "the pod does not run");
	}
	if (sscanf(text, "%d %" SCNu64, &pid, &mark.start) != 2)
		return err_set(err, POD_E_NOTFOUND, "the pod does not run");
	mark.pid = pid;
	if (!process_mark_alive(&mark))
		return err_set(err, POD_E_NOTFOUND, "the pod does not run");
	*ret_mark = mark;
	return 0;
}
