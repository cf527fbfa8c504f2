/*
 * Where messages come one at a time, handing each to the committing thread and its answer back is a good part
 * of what its sender waits for. Then the loop commits itself: nobody else is waiting for it. When several
 * come at once, or the disk is slow, the thread does it, and the loop goes on meanwhile.
 */
#include "base/clock.h"
#include "mta/queue/shelf_internal.h"

#define ALONE_BEFORE 4     /* commits in a row that had one change */
#define SLOW_US      10000 /* so long the loop may stand still, now and then */

/* What waits, if the loop may commit it now; nobody else does then, for only the loop gives changes. */
static struct shelf_change *take_alone(struct shelf *s)
{
	struct shelf_change *batch = NULL;

	(void) pthread_mutex_lock(&s->lock);
	s->alone = s->n_urgent == 1 ? s->alone + 1 : 0;
	if (s->alone > ALONE_BEFORE && !s->committing && !s->urgent && !s->done &&
	    shelf_commits_at_once(s, s->todo)) {
		batch = shelf_take_todo(s);
		s->in_loop = true;
	}
	(void) pthread_mutex_unlock(&s->lock);
	return batch;
}

void shelf_on_commit(evutil_socket_t fd, short what, void *shelf)
{
	struct shelf *s = shelf;
	struct shelf_change *batch = take_alone(s);
	uint64_t began_us;

	if (!batch) {
		shelf_wake_committer(s);
		return;
	}
	began_us = clock_mono_us();
	shelf_commit_batch(s, batch, &s->scratch);
	(void) pthread_mutex_lock(&s->lock);
	s->in_loop = false;
	(void) pthread_mutex_unlock(&s->lock);
	if (clock_mono_us() - began_us > SLOW_US)
		s->alone = 0;
	shelf_answer_done(s);
}
