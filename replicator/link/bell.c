#include "replicator/link/bell.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int bell_init(struct bell *b, struct err *err)
{
	atomic_store(&b->rung, false);
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return b->fd < 0 ? err_errno(err, errno, "eventfd") : 0;
}

void bell_done(struct bell *b)
{
	if (b->fd >= 0)
		(void) close(b->fd);
	b->fd = -1;
}

void bell_ring(struct bell *b)
{
	uint64_t one = 1;

	if (!atomic_exchange(&b->rung, true) && write(b->fd, &one, sizeof(one)) < 0)
		atomic_store(&b->rung, false); /* its counter is full: then it rings anyway */
}

void bell_silence(struct bell *b)
{
	uint64_t n;

	if (!atomic_load(&b->rung))
		return; /* then there is nothing to be read */
	/* In this order: a ring between the two leaves nothing to be read, but what it was about is looked at
	 * now. The other way round it would be read away, and none would ring after it. */
	while (read(b->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
	(void) atomic_exchange(&b->rung, false);
}
