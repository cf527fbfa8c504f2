#include "proc/thread.h"

#include <signal.h>

int thread_start_quiet(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *arg), void *arg,
                       const char *what, struct err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int e;

	(void) pthread_attr_init(&attr);
	if (stack_bytes)
		(void) pthread_attr_setstacksize(&attr, stack_bytes);
	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_BLOCK, &all, &old); /* it inherits the mask */
	e = pthread_create(ret_thread, &attr, run, arg);
	(void) pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void) pthread_attr_destroy(&attr);
	return e ? err_errno(err, e, "%s", what) : 0;
}
