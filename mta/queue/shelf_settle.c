/*
 * Settling: message files for what is still in the queue, the index, then files of what left. Until it is
 * done the journal says it all, so that this may fail, or end anywhere, and begin again.
 */
#include <stdlib.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "mta/queue/files.h"
#include "mta/queue/shelf_internal.h"

#define NICE 10

static int write_files(struct shelf *s, struct recent *const *all, size_t n, struct err *err)
{
	bool any = false;
	int r = shelf_probe(s, "files");

	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!all[i]->whole || all[i]->in_file || all[i]->gone)
			continue;
		any = true;
		r = files_write(s->dir_fd, &all[i]->id, buf_span(&all[i]->body), err);
	}
	return r == 0 && any ? files_sync(s->dir_fd, err) : r;
}

/* What cannot be removed is left to the sweep at the next start; the index has the say. */
static void remove_files(struct shelf *s, struct recent *const *all, size_t n)
{
	if (shelf_probe(s, "unlink") < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (all[i]->gone && (all[i]->in_index || all[i]->in_file))
			(void) files_remove(s->dir_fd, &all[i]->id, NULL);
}

int shelf_settle(struct shelf *s, const struct recents *rs, struct err *err)
{
	_cleanup_(freep) struct recent **all = recents_sorted(rs);
	size_t n = rs->table.n;
	int r;

	if (!all)
		return err_set(err, POD_E_NOMEM, "no memory to settle the queue's journal");
	r = write_files(s, all, n, err);
	if (r == 0)
		r = shelf_probe(s, "index");
	if (r == 0)
		r = shelf_index_settle(&s->index, all, n, rs->segment, err);
	if (r == 0)
		remove_files(s, all, n);
	return r;
}

static const struct recents *wait_for_work(struct shelf *s, bool *ret_was_full)
{
	const struct recents *rs;

	(void) pthread_mutex_lock(&s->lock);
	while (!s->stop && !s->to_settle)
		(void) pthread_cond_wait(&s->settle_wake, &s->lock);
	rs = s->stop ? NULL : s->to_settle;
	*ret_was_full = s->turned_full;
	(void) pthread_mutex_unlock(&s->lock);
	return rs;
}

static void hand_back(struct shelf *s, int r, const struct err *err)
{
	(void) pthread_mutex_lock(&s->lock);
	s->to_settle = NULL;
	s->settle_ended = true;
	s->settle_r = r;
	s->settle_err = *err;
	(void) pthread_mutex_unlock(&s->lock);
	shelf_poke(s);
}

/* Nobody waits for it but a journal that is full: those who take and send mail go first. */
static void yield_to_others(void)
{
	(void) setpriority(PRIO_PROCESS, (id_t) gettid(), NICE);
}

void *shelf_settler(void *shelf)
{
	struct shelf *s = shelf;
	const struct recents *rs;
	bool was_full;

	yield_to_others();
	while ((rs = wait_for_work(s, &was_full))) {
		struct err err = { 0 };
		int r = shelf_settle(s, rs, &err);

		if (r == 0)
			wal_resize(s->journal, was_full);
		hand_back(s, r, &err);
	}
	return NULL;
}
