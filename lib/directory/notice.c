/* That the directory was written to. A commit of LMDB writes to its file, which the kernel tells of. */
#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "directory/directory.h"

int directory_notice_open(const char *path, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char file[4096];

	if (fd < 0)
		return err_errno(err, errno, "inotify");
	if ((size_t) snprintf(file, sizeof(file), "%s/data.mdb", path) >= sizeof(file))
		return err_set(err, POD_E_LIMIT, "%s: too long a path", path);
	if (inotify_add_watch(fd, file, IN_MODIFY) < 0)
		return err_errno(err, errno, "%s", file);
	*ret_fd = take_fd(&fd);
	return 0;
}

void directory_notice_take(int fd)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(fd, events, sizeof(events)) > 0)
		;
}
