/*
 * volattach: one volume, attached to this host. It runs as root, because mounting and block devices are
 * root's; the bytes that it reads are those of our own NBD server on a unix socket that only root can put
 * there.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "proc/proc.h"
#include "replicator/attach/attach.h"
#include "replicator/attach/memory.h"
#include "replicator/attach/options.h"

/* Blocked before threads are made, so that only the main thread hears of them, where it asks. */
static int take_signals(int *ret_fd, struct err *err)
{
	static const int taken[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t set;
	int fd;

	(void) sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		(void) sigaddset(&set, taken[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return err_errno(err, errno, "signals");
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return err_errno(err, errno, "signalfd");
	*ret_fd = fd;
	return 0;
}

static int run(const struct attach_options *o, int signal_fd, struct err *err)
{
	struct attach *a = NULL;
	struct err stop_err = { 0 };
	int r = attach_start(o, &a, err), stopped;

	if (r < 0)
		return r;
	log_event(NULL, LOGL_INFO, "attach.ready", F_STR("device", attach_device(a)),
	          F_STR("method", attach_method_name(a)), F_STR("dir", o->mount_dir ? o->mount_dir : ""),
	          F_STR("fs", attach_fs_type(a)));
	proc_notify_ready();
	r = attach_run(a, signal_fd, err);
	stopped = attach_stop(a, &stop_err);
	if (stopped < 0)
		log_event(NULL, LOGL_ERROR, "attach.not_clean", F_ERR(&stop_err));
	else
		log_event(NULL, LOGL_INFO, "attach.detached", F_STR("export", o->export_name));
	if (r == 0 && stopped < 0)
		*err = stop_err;
	return r < 0 ? r : stopped;
}

int main(int argc, char **argv)
{
	_cleanup_(closep) int signal_fd = -1;
	struct attach_options o;
	struct err err = { 0 };
	int r = attach_options_parse(argc, argv, &o);

	if (r >= 0)
		return r;
	log_setup("volattach", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO);
	proc_die_with_parent(getppid());
	/* A container may withhold what this takes. It serves all the same, while memory is there. */
	if (memory_hold(&err) < 0)
		log_event(NULL, LOGL_WARNING, "attach.memory_not_held", F_ERR(&err));
	r = take_signals(&signal_fd, &err);
	if (r == 0)
		r = run(&o, signal_fd, &err);
	if (r == 0)
		return ATTACH_EXIT_GOOD;
	log_event(NULL, LOGL_ERROR, "attach.failed", F_ERR(&err));
	return r == -POD_E_UNAVAILABLE || r == -POD_E_NOTFOUND || r == -POD_E_TIMEOUT ? ATTACH_EXIT_NO_SERVER
	                                                                              : ATTACH_EXIT_FAILED;
}
