#include "podctl/pod/reach.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void try_as(const struct passwd *pw, const char *path, int mode)
{
	bool became = initgroups(pw->pw_name, pw->pw_gid) == 0 && setgid(pw->pw_gid) == 0 &&
	              setuid(pw->pw_uid) == 0;

	_exit(became && access(path, mode) == 0 ? 0 : 1);
}

bool user_can_reach(const char *user, const char *path, int mode)
{
	const struct passwd *pw = getpwnam(user);
	pid_t pid = pw ? fork() : -1;
	int status;

	if (pid == 0)
		try_as(pw, path, mode);
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return false;
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
