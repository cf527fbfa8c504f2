#include "replicator/attach/memory.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* For the small records that libnbd and libfuse allocate for each request. */
#define HEAP_ROOM (4u << 20)

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

int memory_hold(struct err *err)
{
	int r = make_heap_ready(err);

	/* On fault: a page is locked when it is first used. All that I/O needs was used once before ready is
	 * said. */
	if (r == 0 && mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		r = err_errno(err, errno, "mlockall");
	if (r == 0 && prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		r = err_errno(err, errno, "PR_SET_IO_FLUSHER");
	return r;
}
