/* Opening and closing: what the journal has is known again; what is not known is cleared away. */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "mta/queue/files.h"
#include "mta/queue/shelf_internal.h"

static int replay_entry(void *shelf, uint64_t segment, const struct queue_journal_entry *e, struct err *err)
{
	struct shelf *s = shelf;
	struct recent *m = recent_new();

	if (!m)
		return err_set(err, POD_E_NOMEM, "no memory for the queue's journal");
	if (s->now->segment != segment) {
		struct recents *older = s->now;

		s->now = s->before;
		s->before = older;
		recents_clear(s->now, segment);
	}
	m->id = e->id;
	m->whole = e->kind == QUEUE_JOURNAL_NEW || e->kind == QUEUE_JOURNAL_NEW_FILE;
	m->in_file = e->kind == QUEUE_JOURNAL_NEW_FILE;
	m->in_index = !m->whole && e->kind != QUEUE_JOURNAL_OVER;
	m->gone = e->kind == QUEUE_JOURNAL_REMOVED || e->kind == QUEUE_JOURNAL_OVER;
	buf_add(&m->item, e->item);
	buf_add(&m->summary, e->summary);
	buf_add(&m->body, e->body);
	if (m->item.failed || m->summary.failed || m->body.failed) {
		(void) recent_free(m);
		return err_set(err, POD_E_NOMEM, "no memory for the queue's journal");
	}
	recents_add(s->now, m);
	return 0;
}

static int open_journal(struct shelf *s, const char *queue_dir, struct err *err)
{
	uint64_t settled;
	int r = shelf_index_settled(&s->index, &settled, err);

	if (r == 0)
		r = queue_journal_open(queue_dir, settled, replay_entry, s, &s->journal, err);
	if (r < 0)
		return r;
	if (s->now->segment != wal_segment(s->journal))
		recents_clear(s->now, wal_segment(s->journal));
	s->other_is_free = s->before->segment == 0;
	if (!s->other_is_free)
		s->to_settle = s->before;
	return 0;
}

/* Only what is surely not in the queue goes. */
static bool is_wanted(void *arg, const struct guid *id)
{
	struct shelf *s = arg;
	const struct recent *m = shelf_find_recent(s, id);
	struct span value;
	KV_TXN txn = { 0 };

	if (m)
		return !m->gone;
	return kv_txn_begin(s->index.kv, KV_READ, &txn, NULL) < 0 ||
	       kv_get(&txn, s->index.items, span_make(id->b, ID_SIZE), &value, NULL) != -POD_E_NOTFOUND;
}

static int start_thread(pthread_t *thread, void *(*fn)(void *), struct shelf *s, struct err *err)
{
	int e = pthread_create(thread, NULL, fn, s);

	return e ? err_errno(err, e, "a thread of the queue") : 0;
}

static void stop_thread(struct shelf *s, pthread_t thread)
{
	(void) pthread_mutex_lock(&s->lock);
	s->stop = true;
	(void) pthread_cond_broadcast(&s->wake);
	(void) pthread_cond_broadcast(&s->settle_wake);
	(void) pthread_mutex_unlock(&s->lock);
	(void) pthread_join(thread, NULL);
}

static int start_threads(struct shelf *s, struct event_base *base, struct err *err)
{
	int r;

	s->done_event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->done_event_fd < 0)
		return err_errno(err, errno, "the queue's eventfd");
	(void) event_assign(&s->answers, base, s->done_event_fd, EV_READ | EV_PERSIST, shelf_on_answers, s);
	(void) evtimer_assign(&s->timer, base, shelf_on_timer, s);
	(void) evtimer_assign(&s->lazy_timer, base, shelf_on_lazy, s);
	(void) event_assign(&s->commit, base, -1, 0, shelf_on_commit, s);
	if (event_add(&s->answers, NULL) < 0)
		return err_set(err, POD_E_NOMEM, "no memory for the queue");
	r = start_thread(&s->settler, shelf_settler, s, err);
	if (r == 0) {
		r = start_thread(&s->committer, shelf_committer, s, err);
		if (r < 0)
			stop_thread(s, s->settler);
	}
	if (r < 0)
		(void) event_del(&s->answers);
	else
		shelf_set_timer(s);
	return r;
}

static void shelf_free(struct shelf *s)
{
	shelf_index_close(&s->index);
	s->journal = wal_close(s->journal);
	recents_done(&s->generations[0]);
	recents_done(&s->generations[1]);
	recents_done(&s->pending);
	buf_done(&s->scratch);
	closep(&s->dir_fd);
	closep(&s->done_event_fd);
	(void) pthread_cond_destroy(&s->wake);
	(void) pthread_cond_destroy(&s->settle_wake);
	(void) pthread_mutex_destroy(&s->lock);
	free(s);
}

static int init(struct shelf *s, struct err *err)
{
	s->dir_fd = s->done_event_fd = -1;
	s->scratch = BUF_INIT;
	s->todo_end = &s->todo;
	s->done_end = &s->done;
	s->now = &s->generations[0];
	s->before = &s->generations[1];
	(void) pthread_mutex_init(&s->lock, NULL);
	(void) pthread_cond_init(&s->wake, NULL);
	(void) pthread_cond_init(&s->settle_wake, NULL);
	if (recents_init(s->now) < 0 || recents_init(s->before) < 0 || recents_init(&s->pending) < 0)
		return err_set(err, POD_E_NOMEM, "no memory for the queue");
	return 0;
}

int shelf_open(struct event_base *base, const char *queue_dir, struct shelf **ret_shelf, struct err *err)
{
	struct shelf *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "no memory for the queue");
	r = init(s, err);
	if (r == 0)
		r = files_open(queue_dir, &s->dir_fd, err);
	if (r == 0)
		r = shelf_index_open(&s->index, queue_dir, err);
	if (r == 0)
		r = open_journal(s, queue_dir, err);
	if (r == 0)
		r = files_sweep(s->dir_fd, is_wanted, s, err);
	if (r == 0)
		r = start_threads(s, base, err);
	if (r < 0) {
		shelf_free(s);
		return r;
	}
	*ret_shelf = s;
	return 0;
}

/* ---- closing ---- */

static void drop(struct shelf_change *c)
{
	while (c) {
		struct shelf_change *next = c->next;

		shelf_change_free(c);
		c = next;
	}
}

static void settle_rest(struct shelf *s)
{
	struct recents *const generations[] = { s->before, s->now };
	struct err err = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(generations); i++)
		if (generations[i]->table.n)
			r = shelf_settle(s, generations[i], &err);
	if (r < 0) /* the journal keeps it */
		log_event(NULL, LOGL_WARNING, "queue.not_settled", F_ERR(&err));
}

struct shelf *shelf_close(struct shelf *s)
{
	if (!s)
		return NULL;
	stop_thread(s, s->committer);
	stop_thread(s, s->settler);
	(void) event_del(&s->answers);
	(void) event_del(&s->timer);
	(void) event_del(&s->lazy_timer);
	(void) event_del(&s->commit);
	shelf_note_rest(s);
	settle_rest(s);
	drop(s->todo);
	drop(s->twins);
	shelf_free(s);
	return NULL;
}
