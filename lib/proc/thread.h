/* Threads of a process whose signals are its main thread's. */
#ifndef POD_PROC_THREAD_H
#define POD_PROC_THREAD_H

#include <pthread.h>
#include <stddef.h>

#include "base/err.h"

/* Starts one that takes no signals. stack_bytes 0: the usual. what: "thread of the resolver", for the error.
 */
int thread_start_quiet(pthread_t *ret_thread, size_t stack_bytes, void *(*run)(void *arg), void *arg,
                       const char *what, struct err *err);

#endif
