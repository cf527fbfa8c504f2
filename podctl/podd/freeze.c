#include "podctl/podd/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"

struct freeze {
	pid_t pid;
	int said_fd, hold_fd; /* its word that it is frozen; it ends when the other end is closed */
	struct event *said, *late;
	freeze_fn *on_frozen;
	void *arg;
	uint64_t until_ms;
	bool frozen;
};

/* Of what podd has open this needs two: it must not keep podd's ports, nor hold another file system frozen.
 */
static void close_others(int a, int b)
{
	unsigned int low = (unsigned int) (a < b ? a : b), high = (unsigned int) (a < b ? b : a);

	if (low > 3)
		(void) close_range(3, low - 1, 0);
	if (high > low + 1)
		(void) close_range(low + 1, high - 1, 0);
	(void) close_range(high + 1, ~0u, 0);
}

/*
 * The process. FIFREEZE writes out what is dirty, which may take long: the time runs from the end of that. A
 * signal that ends it would leave the file system frozen, so all that can be are blocked.
 */
static _Noreturn void hold(const char *dir, int said_fd, int hold_fd, int limit_ms)
{
	struct pollfd p = { .fd = hold_fd, .events = POLLIN };
	sigset_t all;
	int fd;

	close_others(said_fd, hold_fd);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void) sigfillset(&all);
	(void) sigprocmask(SIG_SETMASK, &all, NULL);
	if (fd < 0 || ioctl(fd, FIFREEZE, 0) < 0)
		_exit(1);
	if (write(said_fd, "f", 1) == 1)
		(void) poll(&p, 1, limit_ms); /* an end of file: podd said so, or is gone */
	(void) ioctl(fd, FITHAW, 0);
	_exit(0);
}

static void freed(struct freeze *f)
{
	if (f->said)
		event_free(f->said);
	if (f->late)
		event_free(f->late);
	closep(&f->said_fd);
	closep(&f->hold_fd);
	free(f);
}

static void answer(struct freeze *f, bool frozen)
{
	freeze_fn *fn = f->on_frozen;

	f->frozen = frozen;
	f->on_frozen = NULL;
	(void) event_del(f->said);
	(void) event_del(f->late);
	if (fn)
		fn(f->arg, frozen);
}

static void freeze_on_said(evutil_socket_t fd, short events, void *arg)
{
	struct freeze *f = arg;
	char byte;

	answer(f, read(fd, &byte, 1) == 1);
}

static void freeze_on_late(evutil_socket_t fd, short events, void *arg)
{
	answer(arg, false);
}

static int spawn(struct freeze *f, const char *dir, unsigned int limit_ms, struct err *err)
{
	int said[2], held[2];

	if (pipe2(said, O_CLOEXEC) < 0)
		return err_errno(err, errno, "freezing %s", dir);
	f->said_fd = said[0];
	if (pipe2(held, O_CLOEXEC) < 0) {
		(void) close(said[1]);
		return err_errno(err, errno, "freezing %s", dir);
	}
	f->hold_fd = held[1];
	f->pid = fork();
	if (f->pid == 0)
		hold(dir, said[1], held[0], (int) limit_ms);
	(void) close(said[1]);
	(void) close(held[0]);
	return f->pid < 0 ? err_errno(err, errno, "freezing %s", dir) : 0;
}

int freeze_begin(struct event_base *base, const char *dir, unsigned int limit_ms, freeze_fn *on_frozen,
                 void *arg, struct freeze **ret_freeze, struct err *err)
{
	const struct timeval late = { limit_ms / 1000, (suseconds_t) (limit_ms % 1000) * 1000 };
	struct freeze *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return err_set(err, POD_E_NOMEM, "freezing %s", dir);
	*f = (struct freeze){ .pid = -1, .said_fd = -1, .hold_fd = -1, .on_frozen = on_frozen, .arg = arg };
	r = spawn(f, dir, limit_ms, err);
	if (r == 0) {
		f->said = event_new(base, f->said_fd, EV_READ | EV_PERSIST, freeze_on_said, f);
		f->late = evtimer_new(base, freeze_on_late, f);
		if (!f->said || !f->late || event_add(f->said, NULL) < 0 || event_add(f->late, &late) < 0)
			r = err_set(err, POD_E_NOMEM, "freezing %s", dir);
	}
	f->until_ms = clock_mono_ms() + limit_ms;
	if (r < 0) {
		(void) freeze_end(f);
		return r;
	}
	*ret_freeze = f;
	return 0;
}

/* Thawing takes no time; one that still waits for the disk is left to end by itself, and is podd's to reap.
 */
static void reap(pid_t pid)
{
	uint64_t until = clock_mono_ms() + 100;
	int pidfd = pidfd_open(pid, 0);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	if (pidfd >= 0) {
		while (clock_mono_ms() < until && poll(&p, 1, 20) == 0)
			;
		(void) close(pidfd);
	}
	(void) waitpid(pid, NULL, WNOHANG);
}

bool freeze_end(struct freeze *f)
{
	bool still = f && f->frozen && clock_mono_ms() < f->until_ms;

	if (!f)
		return false;
	closep(&f->hold_fd);
	f->hold_fd = -1;
	if (f->pid > 0)
		reap(f->pid);
	freed(f);
	return still;
}
