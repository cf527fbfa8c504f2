#include "replicator/plugin/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#ifndef PR_SET_IO_FLUSHER /* Linux 5.6 */
#define PR_SET_IO_FLUSHER 57
#endif
#define OOM_SCORE "-900" /* after nearly everybody else */

/* Allocations of this thread, and of those it starts, never wait for writes of file systems or block devices.
 */
static int become_io_flusher(void)
{
	return prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0 ? errno : 0;
}

/* CAP_IPC_LOCK: the limit on locked memory does not count. */
static bool is_without_limit(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) != 0;
}

/*
 * What is touched stays. Only what is: the stacks of all threads in full would be hundreds of MiB. Under a
 * limit that cannot be lifted, later allocations would fail instead: then rather not.
 */
static int lock_memory(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	if (!is_without_limit() && setrlimit(RLIMIT_MEMLOCK, &all) < 0)
		return errno;
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0 ? errno : 0;
}

static int outlive_others(void)
{
	_cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, OOM_SCORE, strlen(OOM_SCORE)) < 0)
		return errno;
	return 0;
}

static struct {
	const char *event, *what, *needs;
	int (*hold)(void);
	int failed; /* errno */
} holds[] = {
	{ "memory.may_wait_for_itself", "prctl(PR_SET_IO_FLUSHER)", "CAP_SYS_RESOURCE", become_io_flusher,
	  0 },
	{ "memory.not_locked", "mlockall", "CAP_IPC_LOCK or no limit on locked memory", lock_memory, 0 },
	{ "memory.may_be_ended", "oom_score_adj", "CAP_SYS_RESOURCE", outlive_others, 0 },
};

void memory_hold(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(holds); i++)
		holds[i].failed = holds[i].hold();
}

void memory_tell(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(holds); i++)
		if (holds[i].failed)
			log_event(NULL, LOGL_NOTICE, holds[i].event, F_STR("call", holds[i].what),
			          F_STR("error", strerror(holds[i].failed)), F_STR("needs", holds[i].needs));
}
