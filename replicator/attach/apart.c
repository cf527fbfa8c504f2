#include "replicator/attach/apart.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(pid_t parent, int (*call)(const void *arg), const void *arg)
{
	(void) close_range(0, ~0u, 0);
	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(getppid() == parent ? call(arg) : ECHILD);
}

int run_apart(int (*call)(const void *arg), const void *arg)
{
	pid_t parent = getpid(), pid = fork();
	int status;

	if (pid == 0)
		child(parent, call, arg);
	if (pid < 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	errno = EINTR;
	return -1;
}
