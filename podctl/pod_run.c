#include "podctl/pod_run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/pod/leftovers.h"
#include "podctl/port_owner.h"

#define START_TIMEOUT_MS    30000
#define LEFTOVER_TIMEOUT_MS 15000
#define READY_FD            3
#define RANKS               4 /* of processes; see podctl/podd/supervise.h */

int pod_running(struct cli *cli, const struct conf *conf, struct process_mark *ret_mark)
{
	const char *path = arena_printf(cli->arena, "%s/" PIDFILE_NAME, conf->pod.run_dir);

	return path ? pidfile_read(path, ret_mark, &cli->err) : err_set(&cli->err, POD_E_NOMEM, "pid file");
}

int pod_end_leftovers(struct cli *cli, const struct conf *conf, unsigned int *ret_ended)
{
	char real[PATH_MAX];

	if (!realpath(conf->file, real))
		return err_errno(&cli->err, errno, "%s", conf->file);
	const struct leftovers_of pod = { real, conf->replication.sites_dir, conf->pod.run_dir,
		                          conf->pod.volumes_dir };

	return leftovers_end(&pod, LEFTOVER_TIMEOUT_MS, ret_ended, &cli->err);
}

int pod_lock(struct cli *cli, int *ret_fd)
{
	_cleanup_(closep) int fd = open(cli->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		return err_errno(&cli->err, errno, "%s", cli->dir);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* ---- start ---- */

/* podd stands beside podctl. */
static int podd_path(char *buf, size_t size, struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", buf, size - 8);
	char *slash;

	if (n < 0)
		return err_errno(err, errno, "/proc/self/exe");
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	memcpy(slash ? slash + 1 : buf, "podd", 5);
	return access(buf, X_OK) < 0 ? err_errno(err, errno, "%s", buf) : 0;
}

/* In the child: own session, so that a terminal's signals reach podctl alone; log_fd is its standard error.
 */
static _Noreturn void become_podd(const char *const *argv, int ready_fd, int log_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC), ready = fcntl(ready_fd, F_DUPFD, 16);
	sigset_t none;

	(void) setsid();
	(void) sigemptyset(&none);
	(void) sigprocmask(SIG_SETMASK, &none, NULL);
	if (null_fd < 0 || ready < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
	    dup2(log_fd, STDERR_FILENO) < 0 || dup2(ready, READY_FD) < 0 ||
	    setenv("PODMAIL_READY_FD", "3", 1) < 0 || chdir("/") < 0)
		_exit(127);
	(void) close(ready);
	(void) execv(argv[0], (char *const *) (uintptr_t) argv);
	_exit(127);
}

/* What podd said before it gave up. */
static int start_failed(struct err *err, int log_fd)
{
	char text[200] = "";
	ssize_t n = log_fd == STDERR_FILENO ? 0 : pread(log_fd, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err_set(err, POD_E_UNAVAILABLE, "podd did not start%s%s", *text ? ": " : "", text);
}

/* "ready\n", or the end of the file where it died. */
static int wait_ready(int fd, int log_fd, struct err *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;
	int r;

	do
		r = poll(&p, 1, START_TIMEOUT_MS);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return err_set(err, POD_E_TIMEOUT, "podd takes no requests after %d s",
		               START_TIMEOUT_MS / 1000);
	return r > 0 && read(fd, &byte, 1) == 1 ? 0 : start_failed(err, log_fd);
}

static int spawn(const char *const *argv, int log_fd, struct process_mark *ret_mark, struct err *err)
{
	int ready[2], r;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) < 0)
		return err_errno(err, errno, "starting podd");
	pid = fork();
	if (pid == 0)
		become_podd(argv, ready[1], log_fd);
	(void) close(ready[1]);
	r = pid < 0 ? err_errno(err, errno, "starting podd") : wait_ready(ready[0], log_fd, err);
	(void) close(ready[0]);
	if (r == 0)
		r = process_mark_of(pid, ret_mark, err);
	if (r < 0 && pid > 0) {
		(void) kill(pid, SIGKILL);
		(void) waitpid(pid, NULL, 0);
	}
	return r;
}

int pod_start(struct cli *cli, const struct conf *conf, bool verbose, struct process_mark *ret_mark)
{
	_cleanup_(closep) int said = memfd_create("podd", MFD_CLOEXEC);
	char program[PATH_MAX], config[PATH_MAX];
	const char *const argv[] = { program, "--config", config, verbose ? "--log-to-stderr" : NULL, NULL };
	unsigned int ended;
	int r;

	if (said < 0)
		return err_errno(&cli->err, errno, "starting podd");
	if (!realpath(conf->file, config))
		return err_errno(&cli->err, errno, "%s", conf->file);
	if ((r = podd_path(program, sizeof(program), &cli->err)) < 0 ||
	    (r = pod_end_leftovers(cli, conf, &ended)) < 0)
		return r;
	r = ports_check(conf, &cli->err);
	if (r == -POD_E_BUSY)
		cli->hint = "stop what is there, or choose another --base-port for a new pod";
	if (r == -POD_E_DENIED)
		cli->hint = "ports below 1024 are for root: choose another --base-port for a new pod";
	return r < 0 ? r : spawn(argv, verbose ? STDERR_FILENO : said, ret_mark, &cli->err);
}

/* ---- stop ---- */

int pod_stop(struct cli *cli, const struct conf *conf, const struct process_mark *podd)
{
	/* Each rank drains after the one before (see supervise.h), and a moment for podd itself. */
	unsigned int patience_ms = (unsigned int) (RANKS * conf->podd.drain_timeout_ms) + 5000, ended;
	int r = process_mark_signal(podd, SIGTERM, &cli->err);

	if (r == 0)
		r = process_mark_wait(podd, patience_ms, &cli->err);
	if (r == -POD_E_TIMEOUT) {
		cli_note(cli, "podctl: podd does not end; killing it");
		r = process_mark_signal(podd, SIGKILL, &cli->err);
		if (r == 0)
			r = process_mark_wait(podd, patience_ms, &cli->err);
	}
	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	return pod_end_leftovers(cli, conf, &ended);
}
