/* Function-scoped resources: the cleanup attribute under one name (see nbdkit's common/utils/cleanup.h). */
#ifndef POD_BASE_CLEANUP_H
#define POD_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Hands a pointer on to a new owner, so that the cleanup of the old one does nothing. */
#define take_ptr(p)                                                                                          \
	__extension__({                                                                                      \
		__typeof__(p) taken_ = (p);                                                                  \
		(p) = NULL;                                                                                  \
		taken_;                                                                                      \
	})

/* The same for a descriptor. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void closep(int *fd)
{
	if (*fd >= 0)
		(void) close(*fd);
}

static inline void freep(void *p)
{
	free(*(void **) p);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		(void) fclose(*f);
}

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
