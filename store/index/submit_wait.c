#include "store/index/submit_wait.h"

#include <pthread.h>

struct wait {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void on_done(struct change *c)
{
	struct wait *w = c->owner;

	(void) pthread_mutex_lock(&w->lock);
	w->done = true;
	(void) pthread_cond_signal(&w->cond);
	(void) pthread_mutex_unlock(&w->lock); /* the waiter, and with it w, is gone after this */
}

int volume_submit_wait(struct volume *vol, struct change *c, struct err *err)
{
	struct wait w = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

	c->done = on_done;
	c->owner = &w;
	volume_submit(vol, c);
	(void) pthread_mutex_lock(&w.lock);
	while (!w.done)
		(void) pthread_cond_wait(&w.cond, &w.lock);
	(void) pthread_mutex_unlock(&w.lock);
	if (err && c->code < 0)
		*err = c->err;
	return c->code;
}
