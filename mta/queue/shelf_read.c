/* Reading: what is newer than the index first, then the index and the files. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "mta/queue/files.h"
#include "mta/queue/shelf_internal.h"

const struct recent *shelf_find_recent(const struct shelf *s, const struct guid *id)
{
	const struct recent *m = recents_find(s->now, id);

	return m ? m : recents_find(s->before, id);
}

/* What it was when it was new, where that is so recent. */
static const struct recent *find_new(const struct shelf *s, const struct guid *id)
{
	const struct recent *m = recents_find(s->now, id);

	if (!m || (!m->whole && !m->gone))
		m = recents_find(s->before, id);
	return m && (m->whole || m->gone) ? m : NULL;
}

static int unpack_item(struct span value, Queue__Item **ret_item, struct err *err)
{
	Queue__Item *item = queue__item__unpack(NULL, value.len, value.p);

	if (!item || item->id.len != ID_SIZE) {
		if (item)
			queue__item__free_unpacked(item, NULL);
		return err_set(err, POD_E_CORRUPT, "an item of the queue cannot be read");
	}
	*ret_item = item;
	return 0;
}

static int give_item(struct span value, shelf_each_fn *fn, void *arg, struct err *err)
{
	Queue__Item *item = NULL;
	int r = unpack_item(value, &item, err);

	return r < 0 ? r : fn(arg, item);
}

/* A walk over the index and what is newer than it, side by side. */
struct walk {
	struct recent **newer; /* by id */
	size_t n, i;
	struct kv_cursor *cursor;
	struct span key, value; /* where the cursor stands */
	bool at_end;
};

static int move_cursor(struct walk *w, int r)
{
	w->at_end = r == -POD_E_NOTFOUND;
	return w->at_end ? 0 : r;
}

static int walk_next(struct walk *w, shelf_each_fn *fn, void *arg, struct err *err)
{
	const struct recent *m = w->i < w->n ? w->newer[w->i] : NULL;
	int order = !m ? 1 : w->at_end ? -1 : memcmp(m->id.b, w->key.p, ID_SIZE);
	int r = 0;

	if (order > 0)
		r = give_item(w->value, fn, arg, err);
	else if (!m->gone)
		r = give_item(buf_span(&m->item), fn, arg, err);
	if (order <= 0)
		w->i++;
	if (r == 0 && order >= 0)
		r = move_cursor(w, kv_cursor_next(w->cursor, &w->key, &w->value));
	return r;
}

static int walk_all(struct walk *w, const struct guid *after, shelf_each_fn *fn, void *arg, struct err *err)
{
	struct span from = after ? span_make(after->b, ID_SIZE) : SPAN_NONE;
	int r = move_cursor(w, kv_cursor_seek(w->cursor, from, &w->key, &w->value));

	if (r == 0 && after && !w->at_end && span_eq(w->key, from))
		r = move_cursor(w, kv_cursor_next(w->cursor, &w->key, &w->value));
	while (after && w->i < w->n && memcmp(w->newer[w->i]->id.b, after->b, ID_SIZE) <= 0)
		w->i++;
	while (r == 0 && !(w->at_end && w->i == w->n))
		r = walk_next(w, fn, arg, err);
	return r;
}

static int compare(const void *a, const void *b)
{
	const struct recent *const *x = a, *const *y = b;

	return memcmp((*x)->id.b, (*y)->id.b, ID_SIZE);
}

/* The newest state of each message that the index may not have. */
static struct recent **newer_than_index(const struct shelf *s, size_t *ret_n)
{
	_cleanup_(freep) struct recent **now = recents_sorted(s->now), **before = recents_sorted(s->before);
	struct recent **all = malloc((s->now->table.n + s->before->table.n + 1) * sizeof(*all));
	size_t n = 0;

	if (!all || !now || !before) {
		free(all);
		return NULL;
	}
	for (size_t i = 0; i < s->now->table.n; i++)
		all[n++] = now[i];
	for (size_t i = 0; i < s->before->table.n; i++)
		if (!recents_find(s->now, &before[i]->id))
			all[n++] = before[i];
	qsort(all, n, sizeof(struct recent *), compare);
	*ret_n = n;
	return all;
}

int shelf_each(struct shelf *s, const struct guid *after, shelf_each_fn *fn, void *arg, struct err *err)
{
	size_t n = 0;
	_cleanup_(freep) struct recent **newer = newer_than_index(s, &n);
	KV_TXN txn = { 0 };
	KV_CURSOR cursor = { 0 };
	struct walk w = { .newer = newer, .cursor = &cursor };
	int r = newer ? kv_txn_begin(s->index.kv, KV_READ, &txn, err)
	              : err_set(err, POD_E_NOMEM, "no memory for the queue");

	if (r == 0)
		r = kv_cursor_open(&txn, s->index.items, &cursor, err);
	if (r < 0)
		return r;
	w.n = n;
	return walk_all(&w, after, fn, arg, err);
}

int shelf_item(struct shelf *s, const struct guid *id, Queue__Item **ret_item, struct err *err)
{
	const struct recent *m = shelf_find_recent(s, id);
	KV_TXN txn = { 0 };
	struct span value = SPAN_NONE;
	int r;

	if (m)
		return m->gone ? -POD_E_NOTFOUND : unpack_item(buf_span(&m->item), ret_item, err);
	r = kv_txn_begin(s->index.kv, KV_READ, &txn, err);
	if (r == 0)
		r = kv_get(&txn, s->index.items, span_make(id->b, ID_SIZE), &value, err);
	return r < 0 ? r : unpack_item(value, ret_item, err);
}

static int unpack_summary(struct span value, Queue__Summary **ret_summary, struct err *err)
{
	Queue__Summary *summary = queue__summary__unpack(NULL, value.len, value.p);

	if (!summary)
		return err_set(err, POD_E_CORRUPT, "a summary of the queue cannot be read");
	*ret_summary = summary;
	return 0;
}

int shelf_summary(struct shelf *s, const struct guid *id, Queue__Summary **ret_summary, struct err *err)
{
	const struct recent *m = find_new(s, id);
	KV_TXN txn = { 0 };
	struct span value = SPAN_NONE;
	int r;

	if (m)
		return m->gone ? -POD_E_NOTFOUND : unpack_summary(buf_span(&m->summary), ret_summary, err);
	r = kv_txn_begin(s->index.kv, KV_READ, &txn, err);
	if (r == 0)
		r = kv_get(&txn, s->index.summaries, span_make(id->b, ID_SIZE), &value, err);
	return r < 0 ? r : unpack_summary(value, ret_summary, err);
}

bool shelf_body_in_memory(const struct shelf *s, const struct guid *id, struct span *ret_bytes)
{
	const struct recent *m = find_new(s, id);

	if (!m || m->gone || m->in_file)
		return false;
	*ret_bytes = buf_span(&m->body);
	return true;
}

int shelf_memory_file(struct span bytes, int *ret_fd, struct err *err)
{
	_cleanup_(closep) int fd = memfd_create("message", MFD_CLOEXEC);

	while (fd >= 0 && bytes.len) {
		ssize_t n = write(fd, bytes.p, bytes.len);

		if (n < 0 && errno != EINTR)
			break;
		if (n > 0)
			bytes = span_skip(bytes, (size_t) n);
	}
	if (fd < 0 || bytes.len || lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(err, errno, "memory for a queued message");
	*ret_fd = take_fd(&fd);
	return 0;
}

int shelf_body(struct shelf *s, const struct guid *id, int *ret_fd, struct err *err)
{
	const struct recent *m = shelf_find_recent(s, id);
	struct span bytes;

	if (m && m->gone)
		return -POD_E_NOTFOUND;
	if (shelf_body_in_memory(s, id, &bytes))
		return shelf_memory_file(bytes, ret_fd, err);
	return files_read(s->dir_fd, id, ret_fd, err);
}
