/*
 * A fiber is a function that can stop in its middle until something has happened, so that what has to ask
 * others several questions reads from top to bottom. It has a stack of its own and runs on the thread that
 * started it; others run only while it is suspended. What is to outlive a suspension must not be the caller's
 * of fiber_start.
 *
 * All calls on one thread, which is the only one of its process that uses fibers.
 */
#ifndef POD_BASE_FIBER_H
#define POD_BASE_FIBER_H

#include <stddef.h>

#include "base/err.h"

struct fiber;

typedef void fiber_fn(void *arg);

/* What a fiber may use; a page below it faults. It is mapped, and costs memory only where it was touched. */
#define FIBER_STACK_BYTES (512u << 10)

/*
 * Runs fn at once, on a stack of its own, until it returns or suspends itself; a fiber may start another.
 * -POD_E_NOMEM: no stack could be had, nothing ran.
 */
int fiber_start(fiber_fn *fn, void *arg);
/* The fiber that runs; NULL on the thread's own stack. */
struct fiber *fiber_self(void);
/* Back to who started or resumed this fiber, until somebody resumes it. Not on the thread's own stack. */
void fiber_suspend(void);
/* Goes on where the suspended fiber stopped, until it stops again or ends: it is then gone. */
void fiber_resume(struct fiber *f);
/* Those that have begun and not ended. */
size_t fiber_count(void);
/* Gives stacks that wait for the next fiber back to the system, for the end of a process. */
void fiber_release_stacks(void);

#endif
