/* A pool of threads that takes jobs in order. A job's memory is its owner's until it runs, then its own. */
#ifndef POD_STORE_SERVICE_THREADS_H
#define POD_STORE_SERVICE_THREADS_H

#include "base/err.h"

struct job {
	struct job *next;
	void (*run)(struct job *job);
};

struct threads;

/* name: at most 15 bytes, for ps(1) and gdb(1). */
int threads_create(const char *name, unsigned int count, struct threads **ret_threads, struct err *err);
void threads_run(struct threads *t, struct job *job); /* any thread */
/* Runs what is queued, then ends the threads. */
struct threads *threads_free(struct threads *t);

#endif
