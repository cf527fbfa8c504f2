#include "mta/queue/shelf.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "kv/kv.h"
#include "mta/queue/files.h"

/* A commit of several waits this part of its own time, at most so long, before the next. */
#define GATHER_PART   4
#define GATHER_MAX_US 1500
#define FORGET_MAX 4 /* with each that comes */
#define MAP_BYTES (16ull << 30) /* address space, not disk */

struct shelf {
	struct kv *kv;
	kv_table items, summaries;
	kv_table over; /* ids that left, see SHELF_REMEMBER_MS */
	int dir_fd;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct shelf_change *todo, **todo_end; /* under lock, as is what follows */
	struct shelf_change *done, **done_end;
	bool stop;

	int done_event_fd;
	struct event done_event;
	int (*probe)(const char *step);
};

struct shelf_change *shelf_change_new(void)
{
	struct shelf_change *c = calloc(1, sizeof(*c));

	for (size_t i = 0; c && i < SHELF_PUTS_MAX; i++)
		c->puts[i].body_fd = -1;
	return c;
}

void shelf_change_free(struct shelf_change *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SHELF_PUTS_MAX; i++) {
		buf_done(&c->puts[i].item);
		buf_done(&c->puts[i].summary);
		buf_done(&c->puts[i].body);
		closep(&c->puts[i].body_fd);
	}
	free(c);
}

struct shelf_put *shelf_change_put(struct shelf_change *c, const Queue__Item *item)
{
	struct shelf_put *p = c->n_puts < SHELF_PUTS_MAX ? &c->puts[c->n_puts] : NULL;
	size_t len = queue__item__get_packed_size(item);
	uint8_t *to = p ? buf_reserve(&p->item, len) : NULL;

	if (!to)
		return NULL;
	p->item.len = queue__item__pack(item, to);
	memcpy(p->id.b, item->id.data, ID_SIZE);
	c->n_puts++;
	return p;
}

/* ---- the committer ---- */

static int probe(const struct shelf *s, const char *step)
{
	return s->probe && s->probe(step) ? -POD_E_CANCELLED : 0;
}

static int write_body(struct shelf *s, struct shelf_put *p, struct err *err)
{
	int r = probe(s, "body");

	if (r < 0)
		return r;
	return p->body_fd >= 0 ? files_copy(s->dir_fd, &p->id, p->body_fd, p->size, err)
	                       : files_write(s->dir_fd, &p->id, buf_span(&p->body), err);
}

/* Whether a new item is in the index already, or was, where that counts: a session sent it again after a lost answer. */
static int check_new(struct shelf *s, const struct guid *id, bool again, struct err *err)
{
	struct span key = span_make(id->b, ID_SIZE), value;
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(s->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_get(&txn, s->items, key, &value, err);
	if (r == -POD_E_NOTFOUND && !again)
		r = kv_get(&txn, s->over, key, &value, err);
	return r == 0 ? -POD_E_EXISTS : r == -POD_E_NOTFOUND ? 0 : r;
}

static void write_bodies(struct shelf *s, struct shelf_change *c)
{
	if (c->over)
		c->r = check_new(s, &c->over_id, false, &c->err);
	for (size_t i = 0; c->r == 0 && i < c->n_puts; i++) {
		if (!c->puts[i].is_new)
			continue;
		c->r = check_new(s, &c->puts[i].id, c->puts[i].again, &c->err);
		if (c->r == 0)
			c->r = write_body(s, &c->puts[i], &c->err);
	}
}

/* Milliseconds since 1970 in an id: it begins with them (RFC 9562 5.7). */
static int64_t made_ms(struct span id)
{
	int64_t ms = 0;

	for (size_t i = 0; i < 6 && i < id.len; i++)
		ms = ms << 8 | id.p[i];
	return ms;
}

static bool is_remembered(struct span id, int64_t now_ms)
{
	return made_ms(id) + SHELF_REMEMBER_MS > now_ms;
}

/* Old ids go as new ones come, a few at a time; they are in the order they were made. */
static int forget(struct shelf *s, struct kv_txn *txn, int64_t now_ms, struct err *err)
{
	KV_CURSOR cursor = { 0 };
	struct span key, value;
	int r = kv_cursor_open(txn, s->over, &cursor, err);

	for (size_t i = 0; r == 0 && i < FORGET_MAX; i++) {
		r = kv_cursor_seek(&cursor, SPAN_NONE, &key, &value);
		if (r < 0 || is_remembered(key, now_ms))
			break;
		r = kv_cursor_delete(&cursor, err);
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

/* What was long in the queue was answered long ago. */
static int remember(struct shelf *s, struct kv_txn *txn, const struct guid *id, struct err *err)
{
	struct span key = span_make(id->b, ID_SIZE);
	int64_t now_ms = clock_wall_ms();
	int r = forget(s, txn, now_ms, err);

	return r == 0 && is_remembered(key, now_ms) ? kv_put(txn, s->over, key, SPAN_LIT(""), err) : r;
}

static int apply(struct shelf *s, struct kv_txn *txn, struct shelf_change *c)
{
	int r = c->over ? remember(s, txn, &c->over_id, &c->err) : 0;

	for (size_t i = 0; r == 0 && i < c->n_puts; i++) {
		struct span key = span_make(c->puts[i].id.b, ID_SIZE);

		r = kv_put(txn, s->items, key, buf_span(&c->puts[i].item), &c->err);
		if (r == 0 && c->puts[i].is_new)
			r = kv_put(txn, s->summaries, key, buf_span(&c->puts[i].summary), &c->err);
	}
	if (r == 0 && c->remove) {
		struct span key = span_make(c->removed.b, ID_SIZE);

		r = kv_delete(txn, s->items, key, &c->err);
		if (r == 0 || r == -POD_E_NOTFOUND)
			r = kv_delete(txn, s->summaries, key, &c->err);
		if (r == 0 || r == -POD_E_NOTFOUND)
			r = remember(s, txn, &c->removed, &c->err);
	}
	return r;
}

static void fail_batch(struct shelf_change *batch, int r, const struct err *err)
{
	for (struct shelf_change *c = batch; c; c = c->next)
		if (c->r == 0) {
			c->r = r;
			c->err = *err;
		}
}

static int commit_index(struct shelf *s, struct shelf_change *batch, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = probe(s, "index");

	if (r == 0)
		r = kv_txn_begin(s->kv, KV_WRITE, &txn, err);
	for (struct shelf_change *c = batch; r == 0 && c; c = c->next)
		if (c->r == 0) {
			r = apply(s, &txn, c);
			if (r < 0)
				*err = c->err;
		}
	return r < 0 ? r : kv_txn_commit(&txn, err);
}

static bool has_new(const struct shelf_change *batch)
{
	for (const struct shelf_change *c = batch; c; c = c->next)
		for (size_t i = 0; c->r == 0 && i < c->n_puts; i++)
			if (c->puts[i].is_new)
				return true;
	return false;
}

/*
 * After the commit: bodies of removed items, and of new ones that failed, go. What cannot be removed is left
 * to the sweep at the next start; the index has the say.
 */
static void clear_up(struct shelf *s, const struct shelf_change *c)
{
	if (probe(s, "unlink") < 0)
		return;
	if (c->r == 0 && c->remove)
		(void) files_remove(s->dir_fd, &c->removed, NULL);
	for (size_t i = 0; c->r < 0 && c->r != -POD_E_EXISTS && i < c->n_puts; i++)
		if (c->puts[i].is_new)
			(void) files_remove(s->dir_fd, &c->puts[i].id, NULL);
}

/* Order: bytes of the bodies, their names, the index that makes them count; only then are they acknowledged.
 */
static void commit_batch(struct shelf *s, struct shelf_change *batch)
{
	struct err err = { 0 };
	int r = 0;

	for (struct shelf_change *c = batch; c; c = c->next)
		write_bodies(s, c);
	if (has_new(batch)) {
		r = probe(s, "folder");
		if (r == 0)
			r = files_sync(s->dir_fd, &err);
	}
	if (r == 0)
		r = commit_index(s, batch, &err);
	if (r < 0)
		fail_batch(batch, r, &err);
	for (struct shelf_change *c = batch; c; c = c->next)
		clear_up(s, c);
}

static void hand_back(struct shelf *s, struct shelf_change *batch)
{
	uint64_t one = 1;

	(void) pthread_mutex_lock(&s->lock);
	*s->done_end = batch;
	while (*s->done_end)
		s->done_end = &(*s->done_end)->next;
	(void) pthread_mutex_unlock(&s->lock);
	/* It fails only where the counter is full, and then the loop is awake anyway. */
	if (write(s->done_event_fd, &one, sizeof(one)) < 0)
		return;
}

static size_t count(const struct shelf_change *batch)
{
	size_t n = 0;

	for (; batch; batch = batch->next)
		n++;
	return n;
}

/*
 * Those who just got their answers come again at once; to wait for them a part of what a commit takes makes the next
 * batch as large as this one, instead of two of half the size that take as long each.
 */
static void gather(uint64_t commit_us)
{
	uint64_t us = commit_us / GATHER_PART < GATHER_MAX_US ? commit_us / GATHER_PART : GATHER_MAX_US;

	(void) nanosleep(&(struct timespec){ .tv_nsec = (long) us * 1000 }, NULL);
}

static struct shelf_change *take_batch(struct shelf *s)
{
	struct shelf_change *batch;

	(void) pthread_mutex_lock(&s->lock);
	while (!s->stop && !s->todo)
		(void) pthread_cond_wait(&s->wake, &s->lock);
	batch = s->stop ? NULL : s->todo;
	if (batch) {
		s->todo = NULL;
		s->todo_end = &s->todo;
	}
	(void) pthread_mutex_unlock(&s->lock);
	return batch;
}

static void *committer(void *shelf)
{
	struct shelf *s = shelf;
	struct shelf_change *batch;

	while ((batch = take_batch(s))) {
		uint64_t began_us = clock_mono_us(), took_us;
		bool several = count(batch) > 1;

		commit_batch(s, batch);
		took_us = clock_mono_us() - began_us;
		hand_back(s, batch);
		if (several)
			gather(took_us);
	}
	return NULL;
}

/* ---- the loop's side ---- */

static void on_done(evutil_socket_t fd, short what, void *shelf)
{
	struct shelf *s = shelf;
	struct shelf_change *c, *next;
	uint64_t count;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	(void) pthread_mutex_lock(&s->lock);
	c = s->done;
	s->done = NULL;
	s->done_end = &s->done;
	(void) pthread_mutex_unlock(&s->lock);
	for (; c; c = next) {
		next = c->next;
		c->done(c->arg, c, c->r, &c->err);
		shelf_change_free(c);
	}
}

void shelf_commit(struct shelf *s, struct shelf_change *change)
{
	(void) pthread_mutex_lock(&s->lock);
	*s->todo_end = change;
	s->todo_end = &change->next;
	(void) pthread_cond_signal(&s->wake);
	(void) pthread_mutex_unlock(&s->lock);
}

void shelf_set_probe(struct shelf *s, int (*fn)(const char *step))
{
	s->probe = fn;
}

static int open_index(struct shelf *s, const char *queue_dir, struct err *err)
{
	char path[4096];
	int r;

	if (snprintf(path, sizeof(path), "%s/index", queue_dir) >= (int) sizeof(path))
		return err_set(err, POD_E_LIMIT, "%s: path too long", queue_dir);
	r = kv_open(path,
	            &(struct kv_options){ .map_bytes = MAP_BYTES,
	                                  .tables_max = 4,
	                                  .readers_max = 8,
	                                  .flags = KV_CREATE,
	                                  .mode = 0600 },
	            &s->kv, err);
	if (r == 0)
		r = kv_table_open(s->kv, "items", KV_TABLE_CREATE, &s->items, err);
	if (r == 0)
		r = kv_table_open(s->kv, "summaries", KV_TABLE_CREATE, &s->summaries, err);
	return r < 0 ? r : kv_table_open(s->kv, "over", KV_TABLE_CREATE, &s->over, err);
}

struct sweep {
	struct shelf *s;
	struct kv_txn *txn;
};

static bool is_indexed(void *arg, const struct guid *id)
{
	struct sweep *w = arg;
	struct span value;

	/* Only what is surely not in the index goes. */
	return kv_get(w->txn, w->s->items, span_make(id->b, ID_SIZE), &value, NULL) != -POD_E_NOTFOUND;
}

static int sweep(struct shelf *s, struct err *err)
{
	KV_TXN txn = { 0 };
	int r = kv_txn_begin(s->kv, KV_READ, &txn, err);

	return r < 0 ? r : files_sweep(s->dir_fd, is_indexed, &(struct sweep){ s, &txn }, err);
}

static int start_thread(struct shelf *s, struct event_base *base, struct err *err)
{
	int e;

	s->done_event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->done_event_fd < 0)
		return err_errno(err, errno, "the queue's eventfd");
	(void) event_assign(&s->done_event, base, s->done_event_fd, EV_READ | EV_PERSIST, on_done, s);
	if (event_add(&s->done_event, NULL) < 0)
		return err_set(err, POD_E_NOMEM, "no memory for the queue");
	e = pthread_create(&s->thread, NULL, committer, s);
	if (e)
		(void) event_del(&s->done_event);
	return e ? err_errno(err, e, "the queue's committer") : 0;
}

static void shelf_free(struct shelf *s)
{
	(void) kv_close(s->kv);
	closep(&s->dir_fd);
	closep(&s->done_event_fd);
	(void) pthread_mutex_destroy(&s->lock);
	(void) pthread_cond_destroy(&s->wake);
	free(s);
}

int shelf_open(struct event_base *base, const char *queue_dir, struct shelf **ret_shelf, struct err *err)
{
	struct shelf *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "no memory for the queue");
	*s = (struct shelf){ .dir_fd = -1, .done_event_fd = -1 };
	s->todo_end = &s->todo;
	s->done_end = &s->done;
	(void) pthread_mutex_init(&s->lock, NULL);
	(void) pthread_cond_init(&s->wake, NULL);
	r = files_open(queue_dir, &s->dir_fd, err);
	if (r == 0)
		r = open_index(s, queue_dir, err);
	if (r == 0)
		r = sweep(s, err);
	if (r == 0)
		r = start_thread(s, base, err);
	if (r < 0) {
		shelf_free(s);
		return r;
	}
	*ret_shelf = s;
	return 0;
}

static void drop(struct shelf_change *c)
{
	while (c) {
		struct shelf_change *next = c->next;

		shelf_change_free(c);
		c = next;
	}
}

struct shelf *shelf_close(struct shelf *s)
{
	if (!s)
		return NULL;
	(void) pthread_mutex_lock(&s->lock);
	s->stop = true;
	(void) pthread_cond_signal(&s->wake);
	(void) pthread_mutex_unlock(&s->lock);
	(void) pthread_join(s->thread, NULL);
	(void) event_del(&s->done_event);
	drop(s->todo);
	drop(s->done);
	shelf_free(s);
	return NULL;
}

static int unpack_item(struct span value, Queue__Item **ret_item, struct err *err)
{
	Queue__Item *item = queue__item__unpack(NULL, value.len, value.p);

	if (item && item->id.len == ID_SIZE) {
		*ret_item = item;
		return 0;
	}
	if (item)
		queue__item__free_unpacked(item, NULL);
	return err_set(err, POD_E_CORRUPT, "an item of the queue's index cannot be read");
}

int shelf_each(struct shelf *s, const struct guid *after, shelf_each_fn *fn, void *arg, struct err *err)
{
	KV_TXN txn = { 0 };
	KV_CURSOR cursor = { 0 };
	struct span from = after ? span_make(after->b, ID_SIZE) : SPAN_NONE, key, value;
	int r = kv_txn_begin(s->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_cursor_open(&txn, s->items, &cursor, err);
	if (r < 0)
		return r;
	for (r = kv_cursor_seek(&cursor, from, &key, &value); r == 0;
	     r = kv_cursor_next(&cursor, &key, &value)) {
		Queue__Item *item = NULL;

		if (after && span_eq(key, from))
			continue;
		r = unpack_item(value, &item, err);
		if (r == 0)
			r = fn(arg, item);
		if (r)
			return r;
	}
	return r == -POD_E_NOTFOUND ? 0 : r;
}

int shelf_item(struct shelf *s, const struct guid *id, Queue__Item **ret_item, struct err *err)
{
	KV_TXN txn = { 0 };
	struct span value = SPAN_NONE;
	int r = kv_txn_begin(s->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_get(&txn, s->items, span_make(id->b, ID_SIZE), &value, err);
	return r < 0 ? r : unpack_item(value, ret_item, err);
}

int shelf_summary(struct shelf *s, const struct guid *id, Queue__Summary **ret_summary, struct err *err)
{
	KV_TXN txn = { 0 };
	struct span value = SPAN_NONE;
	Queue__Summary *summary;
	int r = kv_txn_begin(s->kv, KV_READ, &txn, err);

	if (r == 0)
		r = kv_get(&txn, s->summaries, span_make(id->b, ID_SIZE), &value, err);
	if (r < 0)
		return r;
	summary = queue__summary__unpack(NULL, value.len, value.p);
	if (!summary)
		return err_set(err, POD_E_CORRUPT, "a summary of the queue's index cannot be read");
	*ret_summary = summary;
	return 0;
}

int shelf_body(struct shelf *s, const struct guid *id, int *ret_fd, struct err *err)
{
	return files_read(s->dir_fd, id, ret_fd, err);
}
