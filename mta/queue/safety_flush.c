#include "mta/queue/safety_flush.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mta/safetynet/safetynet.h"
#include "mta/service/metrics.h"
#include "proc/thread.h"

struct safety_flush {
	char *queue_dir;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	bool wanted, stopping;
};

/* False: it is to end. */
static bool wait_until_wanted(struct safety_flush *f)
{
	bool wanted;

	(void) pthread_mutex_lock(&f->lock);
	while (!f->wanted && !f->stopping)
		(void) pthread_cond_wait(&f->changed, &f->lock);
	wanted = f->wanted;
	f->wanted = false;
	(void) pthread_mutex_unlock(&f->lock);
	return wanted;
}

static void *flush_thread(void *arg)
{
	struct safety_flush *f = arg;

	while (wait_until_wanted(f)) {
		struct err err = { 0 };

		if (safetynet_flush(f->queue_dir, &err) < 0)
			log_event(NULL, LOGL_ERROR, "safetynet.not_flushed", F_ERR(&err));
		else
			metric_add(M_SAFETY_FLUSHES, 1);
	}
	return NULL;
}

int safety_flush_start(const char *queue_dir, struct safety_flush **ret_flush, struct err *err)
{
	struct safety_flush *f = calloc(1, sizeof(*f));
	int r;

	if (!f || !(f->queue_dir = strdup(queue_dir))) {
		free(f);
		return err_set(err, POD_E_NOMEM, "safety net");
	}
	(void) pthread_mutex_init(&f->lock, NULL);
	(void) pthread_cond_init(&f->changed, NULL);
	r = thread_start_quiet(&f->thread, 0, flush_thread, f, "thread of the safety net", err);
	if (r < 0) {
		free(f->queue_dir);
		free(f);
		return r;
	}
	*ret_flush = f;
	return 0;
}

void safety_flush_want(struct safety_flush *f)
{
	(void) pthread_mutex_lock(&f->lock);
	f->wanted = true;
	(void) pthread_cond_signal(&f->changed);
	(void) pthread_mutex_unlock(&f->lock);
}

struct safety_flush *safety_flush_stop(struct safety_flush *f)
{
	if (!f)
		return NULL;
	(void) pthread_mutex_lock(&f->lock);
	f->stopping = true;
	(void) pthread_cond_signal(&f->changed);
	(void) pthread_mutex_unlock(&f->lock);
	(void) pthread_join(f->thread, NULL);
	(void) pthread_cond_destroy(&f->changed);
	(void) pthread_mutex_destroy(&f->lock);
	free(f->queue_dir);
	free(f);
	return NULL;
}
