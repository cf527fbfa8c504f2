#include "replicator/attach/run_program.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"

/* Not what PATH says: that is an administrator's, and may lack the places of mkfs and modprobe. */
static const char *const places[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };

static int spawn_from(const char *const argv[], char *const environment[],
                      const posix_spawn_file_actions_t *files, const posix_spawnattr_t *attr, pid_t *ret_pid)
{
	char path[128];
	int r = ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(places) && r == ENOENT; i++) {
		(void) snprintf(path, sizeof(path), "%s/%s", places[i], argv[0]);
		/* It takes argv without const for historical reasons, and does not write to it. */
		r = posix_spawn(ret_pid, path, files, attr, (char *const *) (uintptr_t) argv, environment);
	}
	return r;
}

/* The child gets back the signals that we take through a descriptor. Standard output is for those who read
 * ours. */
static int spawn(const char *const argv[], pid_t *ret_pid)
{
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C";
	char *environment[] = { path, locale, NULL };
	posix_spawnattr_t attr;
	posix_spawn_file_actions_t files;
	sigset_t none;
	int r = posix_spawnattr_init(&attr);

	if (r != 0)
		return r;
	r = posix_spawn_file_actions_init(&files);
	if (r == 0) {
		(void) sigemptyset(&none);
		(void) posix_spawnattr_setsigmask(&attr, &none);
		(void) posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
		r = posix_spawn_file_actions_adddup2(&files, 2, 1);
		if (r == 0)
			r = spawn_from(argv, environment, &files, &attr, ret_pid);
		(void) posix_spawn_file_actions_destroy(&files);
	}
	(void) posix_spawnattr_destroy(&attr);
	return r;
}

int run_program(const char *const argv[], struct err *err)
{
	pid_t pid;
	int status, r = spawn(argv, &pid);

	if (r != 0)
		return err_errno(err, r, "%s", argv[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_errno(err, errno, "%s", argv[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, POD_E_IO, "%s ended with %s %d", argv[0], WIFEXITED(status) ? "status" : "signal",
	               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}
