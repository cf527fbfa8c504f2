#include "replicator/cli/nbdkit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"

#define PLUGIN         "nbdkit-podmail-plugin.so"
#define FIRST_PASSED   3 /* SD_LISTEN_FDS_START */
#define READY_VARIABLE "PODMAIL_READY_FD"

void nbdkit_add(struct nbdkit_arguments *a, const char *fmt, ...)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	const char *kept;
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	kept = text.failed ? NULL : arena_str(a->arena, buf_span(&text));
	if (kept && a->n < NBDKIT_ARGUMENTS_MAX)
		a->argv[a->n++] = kept;
	else
		a->full = true;
}

int nbdkit_find_plugin(struct arena *a, const char **ret_path, struct err *err)
{
	static const char *const places[] = {
		"", "../lib/"
	}; /* installed; in the tree, build/bin and build/lib */
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return err_errno(err, errno, "/proc/self/exe");
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		slash[1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		const char *path = arena_printf(a, "%s%s" PLUGIN, self, places[i]);

		if (path && access(path, R_OK) == 0) {
			*ret_path = path;
			return 0;
		}
	}
	return err_set(err, POD_E_NOTFOUND, PLUGIN " is neither in %s nor in ../lib beside it", self);
}

/* ---- certificates ---- */

/* A link of that name to the file, which may be given relative to the working directory. */
static int link_to(const char *folder, const char *name, const char *file, struct err *err)
{
	_cleanup_(freep) char *target = realpath(file, NULL);
	char path[PATH_MAX];

	if (!target)
		return err_errno(err, errno, "%s", file);
	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int) sizeof(path))
		return err_set(err, POD_E_LIMIT, "%s: the path is too long", folder);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, errno, "%s", path);
	return symlink(target, path) < 0 ? err_errno(err, errno, "%s", path) : 0;
}

int nbdkit_make_tls_folder(struct arena *a, const char *beside, const char *cert, const char *key,
                           const char *ca, const char **ret_folder, struct err *err)
{
	const struct {
		const char *name, *file;
	} links[] = { { "server-cert.pem", cert }, { "server-key.pem", key }, { "ca-cert.pem", ca } };
	const char *folder = arena_printf(a, "%s.tls", beside);
	int r = 0;

	if (!folder)
		return err_set(err, POD_E_NOMEM, "TLS folder");
	if (mkdir(folder, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "%s", folder);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++)
		r = link_to(folder, links[i].name, links[i].file, err);
	if (r == 0)
		*ret_folder = folder;
	return r;
}

/* ---- becoming it ---- */

/* Whoever started us waits on a descriptor that may stand where the socket has to go: moves it out of the
 * way. */
static int move_ready_fd(struct err *err)
{
	const char *text = getenv(READY_VARIABLE);
	char moved[16];
	int fd;

	if (!text || strcmp(text, "3") != 0)
		return 0;
	fd = fcntl(FIRST_PASSED, F_DUPFD, FIRST_PASSED + 1);
	if (fd < 0)
		return err_errno(err, errno, "descriptor %d", FIRST_PASSED);
	(void) snprintf(moved, sizeof(moved), "%d", fd);
	return setenv(READY_VARIABLE, moved, 1) < 0 ? err_errno(err, errno, "environment") : 0;
}

int nbdkit_pass_socket(int fd, struct err *err)
{
	char pid[16];
	int flags, r = move_ready_fd(err);

	if (r < 0)
		return r;
	if (fd != FIRST_PASSED && dup2(fd, FIRST_PASSED) < 0)
		return err_errno(err, errno, "listening socket");
	flags = fcntl(FIRST_PASSED, F_GETFL);
	if (flags < 0 || fcntl(FIRST_PASSED, F_SETFL, flags & ~O_NONBLOCK) < 0 ||
	    fcntl(FIRST_PASSED, F_SETFD, 0) < 0)
		return err_errno(err, errno, "listening socket");
	(void) snprintf(pid, sizeof(pid), "%d", (int) getpid());
	if (setenv("LISTEN_FDS", "1", 1) < 0 || setenv("LISTEN_PID", pid, 1) < 0)
		return err_errno(err, errno, "environment");
	return 0;
}

int nbdkit_become(const struct nbdkit_arguments *a, struct err *err)
{
	if (a->full)
		return err_set(err, POD_E_LIMIT, "too many settings for nbdkit's command line");
	/* execvp's type cannot say that it leaves them as they are. */
	(void) execvp(a->argv[0], (char *const *) (uintptr_t) a->argv);
	if (errno == ENOENT)
		return err_set(err, POD_E_NOTFOUND, "%s is not installed (Debian: apt-get install nbdkit)",
		               a->argv[0]);
	return err_errno(err, errno, "%s", a->argv[0]);
}
