#include "podctl/system_users.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "podctl/pod/owner.h"
#include "podctl/pod/reach.h"

#define TRIES        50
#define TRY_EVERY_MS 100

static int run_tool(const char *const *argv)
{
	char *const env[] = { (char[]){ "PATH=/usr/sbin:/usr/bin:/sbin:/bin" }, NULL };
	int status;
	pid_t pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, (char *const *) (uintptr_t) argv, env) != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool user_there(const char *name)
{
	return getpwnam(name) != NULL;
}

static bool group_there(const char *name)
{
	return getgrnam(name) != NULL;
}

/* The tools lock /etc/passwd and give up at once where another one runs: tried again for a while. */
static int make(const char *name, bool (*there)(const char *), const char *const *argv, struct err *err)
{
	for (int i = 0; i < TRIES && !there(name); i++) {
		if (run_tool(argv) == 0)
			break;
		(void) poll(NULL, 0, TRY_EVERY_MS);
	}
	return there(name) ? 0 : err_set(err, POD_E_DENIED, "%s could not make %s", argv[0], name);
}

static int make_user(struct cli *cli, const char *name)
{
	const char *const argv[] = { "/usr/sbin/useradd",
		                     "--system",
		                     "--gid",
		                     POD_GROUP,
		                     "--no-create-home",
		                     "--home-dir",
		                     "/nonexistent",
		                     "--shell",
		                     "/usr/sbin/nologin",
		                     name,
		                     NULL };

	if (!*name || user_there(name))
		return 0;
	cli_note(cli, "podctl: making the system user %s", name);
	return make(name, user_there, argv, &cli->err);
}

static int open_own_dir(const char *dir, struct err *err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return err_errno(err, errno, "%s", dir);
	if (st.st_uid == geteuid() && (st.st_mode & 0711) != 0711 &&
	    chmod(dir, (st.st_mode & 07777) | 0711) < 0)
		return err_errno(err, errno, "%s", dir);
	return 0;
}

/* The first folder on the way to DIR that is closed for the user. */
static int find_closed(struct cli *cli, const char *user, const char *dir)
{
	char path[PATH_MAX];

	for (const char *p = strchr(dir + 1, '/');; p = strchr(p + 1, '/')) {
		(void) snprintf(path, sizeof(path), "%.*s", p ? (int) (p - dir) : (int) strlen(dir), dir);
		if (!user_can_reach(user, path, X_OK) || !p)
			break;
	}
	cli->hint = arena_printf(cli->arena, "choose another --dir (say /var/lib/podmail), or: chmod a+x %s",
	                         path);
	return err_set(&cli->err, POD_E_DENIED, "the user %s, who runs part of the pod, cannot enter %s",
	               user, path);
}

static int prepare_root(struct cli *cli, const struct conf *conf)
{
	static const char *const group_argv[] = { "/usr/sbin/groupadd", "--system", POD_GROUP, NULL };
	const char *const users[] = { conf->pod.user_mta, conf->pod.user_imap, conf->pod.user_store,
		                      conf->pod.user_repl, conf->pod.user_filter };
	char real[PATH_MAX];
	int r = make(POD_GROUP, group_there, group_argv, &cli->err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(users); i++)
		r = make_user(cli, users[i]);
	if (r == 0)
		r = open_own_dir(cli->dir, &cli->err);
	if (r == 0 && !realpath(cli->dir, real))
		r = err_errno(&cli->err, errno, "%s", cli->dir);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(users); i++)
		if (*users[i] && !user_can_reach(users[i], real, X_OK))
			r = find_closed(cli, users[i], real);
	return r;
}

int system_users_prepare(struct cli *cli, const struct conf *conf)
{
	struct stat st;

	if (stat(cli->dir, &st) < 0)
		return err_errno(&cli->err, errno, "%s", cli->dir);
	if (st.st_uid !=
	    geteuid()) { /* also root: the configuration of another user would have all run as root */
		const struct passwd *pw = getpwuid(st.st_uid);

		return err_set(&cli->err, POD_E_DENIED, "%s belongs to %s; start the pod as that user",
		               cli->dir, pw ? pw->pw_name : "another user");
	}
	return geteuid() == 0 ? prepare_root(cli, conf) : 0;
}
