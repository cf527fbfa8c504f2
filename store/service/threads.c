#include "store/service/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#define THREADS_MAX 64

struct threads {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *first, **last;
	unsigned int idle; /* waiting */
	bool waking; /* one was signalled and has not come yet */
	bool stop;
	pthread_t ids[THREADS_MAX];
	unsigned int count;
};

/*
 * One thread is woken at a time, and wakes the next where there is still more than it can take itself: short
 * jobs that come together then cost one or two wake-ups, not one each.
 */
static bool must_wake(struct threads *t)
{
	if (!t->first || t->idle == 0 || t->waking)
		return false;
	t->waking = true;
	return true;
}

static struct job *take(struct threads *t)
{
	struct job *job;
	bool wake;

	(void) pthread_mutex_lock(&t->lock);
	while (!t->first && !t->stop) {
		t->idle++;
		(void) pthread_cond_wait(&t->more, &t->lock);
		t->idle--;
		t->waking = false;
	}
	job = t->first;
	if (job) {
		t->first = job->next;
		if (!t->first)
			t->last = &t->first;
	}
	wake = must_wake(t);
	(void) pthread_mutex_unlock(&t->lock);
	if (wake)
		(void) pthread_cond_signal(&t->more);
	return job;
}

static void *thread_main(void *arg)
{
	struct job *job;

	while ((job = take(arg)))
		job->run(job);
	return NULL;
}

void threads_run(struct threads *t, struct job *job)
{
	bool wake;

	job->next = NULL;
	(void) pthread_mutex_lock(&t->lock);
	*t->last = job;
	t->last = &job->next;
	wake = must_wake(t);
	(void) pthread_mutex_unlock(&t->lock);
	if (wake)
		(void) pthread_cond_signal(&t->more);
}

/* Signals are the main thread's business. */
static int start_threads(struct threads *t, const char *name, unsigned int count)
{
	sigset_t all, before;
	int r = 0;

	(void) sigfillset(&all);
	(void) pthread_sigmask(SIG_SETMASK, &all, &before);
	while (t->count < count && r == 0) {
		r = pthread_create(&t->ids[t->count], NULL, thread_main, t);
		if (r == 0)
			(void) pthread_setname_np(t->ids[t->count++], name);
	}
	(void) pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int threads_create(const char *name, unsigned int count, struct threads **ret_threads, struct err *err)
{
	struct threads *t = calloc(1, sizeof(*t));
	int r;

	if (!t || count > THREADS_MAX) {
		free(t);
		return err_set(err, POD_E_NOMEM, "no memory for threads");
	}
	(void) pthread_mutex_init(&t->lock, NULL);
	(void) pthread_cond_init(&t->more, NULL);
	t->last = &t->first;
	r = start_threads(t, name, count);
	if (r != 0) {
		(void) threads_free(t);
		return err_errno(err, r, "cannot start threads");
	}
	*ret_threads = t;
	return 0;
}

struct threads *threads_free(struct threads *t)
{
	if (!t)
		return NULL;
	(void) pthread_mutex_lock(&t->lock);
	t->stop = true;
	(void) pthread_cond_broadcast(&t->more);
	(void) pthread_mutex_unlock(&t->lock);
	for (unsigned int i = 0; i < t->count; i++)
		(void) pthread_join(t->ids[i], NULL);
	(void) pthread_cond_destroy(&t->more);
	(void) pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}
