#include "podctl/podd/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/proc.h"

#define READY_FD        3 /* in the child */
#define READY_FD_TEXT   "3"
#define LINGER_EVERY_MS 5
#define LINGER_MAX_MS   2000 /* then SIGKILL */

struct process {
	pid_t pid;
	int pidfd, ready_fd;
	struct event *ended, *ready;
	struct event *lingering; /* looks after the group once the process itself has ended */
	unsigned int lingered_ms;
	int status;
	struct lines *lines;
	struct logbook *log;
	struct process_ops ops;
	void *arg;
};

/* What the process is born with: each pipe's reading end, then its writing end. */
struct birth {
	int log[2], ready[2];
};

static void birth_close(struct birth *b)
{
	for (int i = 0; i < 2; i++) {
		closep(&b->log[i]);
		closep(&b->ready[i]);
	}
}

/* In the child, after fork (of a process with one thread, so that any call is safe). */
static _Noreturn void become(const struct birth *b, const struct process_spec *spec, pid_t parent)
{
	static const int restored[] = { SIGPIPE, SIGHUP, SIGTERM, SIGINT, SIGCHLD };
	struct err err = { 0 };
	sigset_t none;
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC), ready_fd = fcntl(b->ready[1], F_DUPFD, 16);

	for (size_t i = 0; i < ARRAY_SIZE(restored); i++)
		(void) signal(restored[i], SIG_DFL);
	(void) sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	(void) setpgid(0, 0); /* Ctrl-C at a terminal is for podctl, which stops the pod in order */
	if (null_fd < 0 || ready_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 ||
	    dup2(b->log[1], STDOUT_FILENO) < 0 || dup2(b->log[1], STDERR_FILENO) < 0 ||
	    dup2(ready_fd, READY_FD) < 0 || setenv("PODMAIL_READY_FD", READY_FD_TEXT, 1) < 0)
		_exit(127);
	if (ready_fd != READY_FD)
		(void) close(ready_fd);
	if (spec->user && privilege_drop_keeping(spec->user, spec->capabilities, &err) < 0) {
		(void) dprintf(STDERR_FILENO, "podd: cannot run %s: %s\n", spec->argv[0], err_text(&err));
		_exit(127);
	}
	if (!spec->outlives_us)
		proc_die_with_parent(parent);
	(void) execv(spec->argv[0], (char *const *) (uintptr_t) spec->argv);
	(void) dprintf(STDERR_FILENO, "podd: cannot run %s: %s\n", spec->argv[0], strerror(errno));
	_exit(127);
}

static void process_on_line(void *arg, struct span line)
{
	struct process *p = arg;

	logbook_write(p->log, line);
	if (p->ops.on_line)
		p->ops.on_line(p->arg, line);
}

/* A grandchild wrote it after the child's end. */
static void process_on_late_line(void *arg, struct span line)
{
	logbook_write(arg, line);
}

void process_read_lines(struct process *p)
{
	lines_flush(p->lines);
}

static void report_end(struct process *p)
{
	struct process_ops ops = p->ops;
	void *owner = p->arg;
	pid_t pid = p->pid;
	int status = p->status;

	lines_flush(p->lines);
	(void) process_free(p);
	ops.on_exit(owner, pid, status);
}

/* Reaps those of the process's group that have come to us as their parents' heir (see podd_run). */
static bool group_is_empty(const struct process *p)
{
	pid_t pid;

	do
		pid = waitpid(-p->pid, NULL, WNOHANG);
	while (pid > 0);
	return pid < 0;
}

static void linger(struct process *p)
{
	static const struct timeval every = { .tv_usec = LINGER_EVERY_MS * 1000 };

	if (group_is_empty(p) || p->lingered_ms > 2 * LINGER_MAX_MS) {
		report_end(p);
		return;
	}
	if (p->lingered_ms == LINGER_MAX_MS)
		(void) kill(-p->pid, SIGKILL);
	p->lingered_ms += LINGER_EVERY_MS;
	(void) event_add(p->lingering, &every);
}

static void process_on_lingering(evutil_socket_t fd, short events, void *arg)
{
	linger(arg);
}

/*
 * A parent that was killed leaves workers, who were sent SIGTERM by the kernel and are closing their sockets:
 * the program started anew would find its ports taken. So the end counts when all of them are gone.
 */
static void process_on_ended(evutil_socket_t fd, short events, void *arg)
{
	struct process *p = arg;

	if (waitpid(p->pid, &p->status, WNOHANG) != p->pid)
		return;
	(void) event_del(p->ended);
	linger(p);
}

static void process_on_ready(evutil_socket_t fd, short events, void *arg)
{
	struct process *p = arg;
	char word[16];
	ssize_t n = read(fd, word, sizeof(word));

	(void) event_del(p->ready);
	if (n > 0 && p->ops.on_ready)
		p->ops.on_ready(p->arg);
}

static int watch(struct process *p, struct event_base *base, struct birth *b, struct err *err)
{
	p->pidfd = pidfd_open(p->pid, 0);
	if (p->pidfd < 0)
		return err_errno(err, errno, "watching process %d", (int) p->pid);
	p->ready_fd = take_fd(&b->ready[0]);
	p->ended = event_new(base, p->pidfd, EV_READ | EV_PERSIST, process_on_ended, p);
	p->ready = event_new(base, p->ready_fd, EV_READ | EV_PERSIST, process_on_ready, p);
	p->lingering = evtimer_new(base, process_on_lingering, p);
	if (!p->ended || !p->ready || !p->lingering || event_add(p->ended, NULL) < 0 ||
	    event_add(p->ready, NULL) < 0)
		return err_set(err, POD_E_NOMEM, "watching process %d", (int) p->pid);
	return lines_create(base, take_fd(&b->log[0]), process_on_line, p, &p->lines, err);
}

static int start(struct event_base *base, const struct process_spec *spec, struct process *p, struct birth *b,
                 struct err *err)
{
	pid_t parent = getpid();
	int r;

	if (pipe2(b->log, O_CLOEXEC) < 0 || pipe2(b->ready, O_CLOEXEC) < 0)
		return err_errno(err, errno, "starting %s", spec->argv[0]);
	p->pid = fork();
	if (p->pid < 0)
		return err_errno(err, errno, "starting %s", spec->argv[0]);
	if (p->pid == 0)
		become(b, spec, parent);
	r = watch(p, base, b, err);
	if (r < 0) { /* one that cannot be watched must not run */
		(void) kill(p->pid, SIGKILL);
		(void) waitpid(p->pid, NULL, 0);
	}
	return r;
}

int process_start(struct event_base *base, const struct process_spec *spec, struct logbook *log,
                  const struct process_ops *ops, void *arg, struct process **ret_process, struct err *err)
{
	struct birth b = { .log = { -1, -1 }, .ready = { -1, -1 } };
	struct process *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, POD_E_NOMEM, "starting %s", spec->argv[0]);
	*p = (struct process){ .pidfd = -1, .ready_fd = -1, .log = log, .ops = *ops, .arg = arg };
	r = start(base, spec, p, &b, err);
	birth_close(&b);
	if (r < 0) {
		(void) process_free(p);
		return r;
	}
	*ret_process = p;
	return 0;
}

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

int process_signal(struct process *p, int signal, struct err *err)
{
	if (pidfd_send_signal(p->pidfd, signal, NULL, 0) < 0)
		return err_errno(err, errno, "signal to process %d", (int) p->pid);
	return 0;
}

struct process *process_free(struct process *p)
{
	if (!p)
		return NULL;
	lines_detach(p->lines, process_on_late_line, p->log);
	if (p->ended)
		event_free(p->ended);
	if (p->ready)
		event_free(p->ready);
	if (p->lingering)
		event_free(p->lingering);
	closep(&p->pidfd);
	closep(&p->ready_fd);
	free(p);
	return NULL;
}
