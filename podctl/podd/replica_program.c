#include "podctl/podd/replica_program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "podctl/pod/owner.h"
#include "podctl/pod/reach.h"

#define PROGRAM "replicator"
#define PLUGIN  "nbdkit-podmail-plugin.so"
#define COPIES  ".programs" /* in sites_dir, which is root's: whoever could write there could have it run */

static const char *copies_dir(const struct podd *p, char *buf, size_t size)
{
	(void) snprintf(buf, size, "%s/" COPIES, p->conf->replication.sites_dir);
	return buf;
}

/* sendfile, as copy_file_range does not go from one file system to another. */
static int copy_bytes(int from, int to, const char *path, struct err *err)
{
	ssize_t n;

	while ((n = sendfile(to, from, NULL, 1 << 30)) > 0)
		;
	return n < 0 ? err_errno(err, errno, "%s", path) : 0;
}

/* Under another name first: a replicator that outlived the last podd may be running the old one. */
static int copy_program(const char *from, const char *dir, const char *name, struct err *err)
{
	_cleanup_(closep) int source = open(from, O_RDONLY | O_CLOEXEC), copy = -1;
	char path[PATH_MAX], made[PATH_MAX + 8];

	if (source < 0)
		return err_errno(err, errno, "%s", from);
	if ((size_t) snprintf(path, sizeof(path), "%s/%s", dir, name) >= sizeof(path))
		return err_set(err, POD_E_LIMIT, "%s: name too long", dir);
	(void) snprintf(made, sizeof(made), "%s.new", path);
	copy = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (copy < 0 || fchmod(copy, 0755) < 0)
		return err_errno(err, errno, "%s", made);
	if (copy_bytes(source, copy, made, err) < 0)
		return err->code;
	return rename(made, path) < 0 ? err_errno(err, errno, "%s", path) : 0;
}

/* The plugin lies beside the replicator where it is installed, and in ../lib in the tree. */
static int copy_plugin(const struct podd *p, const char *dir, struct err *err)
{
	char path[PATH_MAX];

	if (access(podd_program(p, PLUGIN, path, sizeof(path)), R_OK) < 0)
		(void) podd_program(p, "../lib/" PLUGIN, path, sizeof(path));
	return copy_program(path, dir, PLUGIN, err);
}

static int copy_both(const struct podd *p, const char *program, struct err *err)
{
	char dir[PATH_MAX];
	int r = owned_folder_make(p->conf->replication.sites_dir, 0711, "", err);

	if (r == 0)
		r = owned_folder_make(copies_dir(p, dir, sizeof(dir)), 0755, "", err);
	if (r == 0)
		r = copy_program(program, dir, PROGRAM, err);
	if (r == 0)
		r = copy_plugin(p, dir, err);
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "replicator.copied", F_STR("from", program), F_STR("to", dir),
		          F_STR("user", p->conf->pod.user_repl));
	return r;
}

int replica_program_place(struct podd *p, struct err *err)
{
	const char *user = p->conf->pod.user_repl;
	char program[PATH_MAX];

	(void) podd_program(p, PROGRAM, program, sizeof(program));
	p->replicator_copied =
		geteuid() == 0 && *user && access(program, X_OK) == 0 && !user_can_reach(user, program, X_OK);
	return p->replicator_copied ? copy_both(p, program, err) : 0;
}

const char *replica_program(const struct podd *p, char *buf, size_t size)
{
	char dir[PATH_MAX];

	if (!p->replicator_copied)
		return podd_program(p, PROGRAM, buf, size);
	(void) snprintf(buf, size, "%s/" PROGRAM, copies_dir(p, dir, sizeof(dir)));
	return buf;
}
