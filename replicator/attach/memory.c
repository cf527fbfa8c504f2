#include "replicator/attach/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"

/* For the small records that libnbd and libfuse allocate for each request. */
#define HEAP_ROOM (4u << 20)
#define OOM_SCORE "-900" /* who waits for this device cannot give memory back without it */

/* malloc grows the heap now, and does not give it back or ask for mappings later. */
static int make_heap_ready(struct err *err)
{
	char *room;

	(void) mallopt(M_TRIM_THRESHOLD, -1);
	(void) mallopt(M_MMAP_MAX, 0);
	(void) mallopt(M_ARENA_MAX, 1);
	room = malloc(HEAP_ROOM);
	if (!room)
		return err_set(err, POD_E_NOMEM, "no memory for the heap");
	memset(room, 1, HEAP_ROOM);
	__asm__ volatile("" : : "r"(room) : "memory"); /* or the compiler sees that nobody reads it */
	free(room);
	return 0;
}

static int outlive_others(struct err *err)
{
	_cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, OOM_SCORE, strlen(OOM_SCORE)) < 0)
		return err_errno(err, errno, "oom_score_adj");
	return 0;
}

int memory_hold(struct err *err)
{
	int r = make_heap_ready(err);

	/* On fault: a page is locked when it is first used. All that I/O needs was used once before ready is
	 * said. */
	if (r == 0 && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		r = err_errno(err, errno, "mlockall");
	if (r == 0 && prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		r = err_errno(err, errno, "PR_SET_IO_FLUSHER");
	return r < 0 ? r : outlive_others(err);
}
