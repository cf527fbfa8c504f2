#include <stdlib.h>

/*
 * A library of its own, in builds with a sanitizer only, whose constructor runs before all others (the
 * linker's -z initfirst): the sanitizer's runtime starts with the first memory that is taken, and it must not
 * be libp11-kit that takes it. That one does so in newlocale, under a lock of libc that the runtime's start
 * needs as well; the lock is left as if it were taken, and nbdkit hangs when it ends.
 */
static void __attribute__((constructor)) start_runtime(void)
{
	void *volatile memory = malloc(1);

	free(memory);
}
