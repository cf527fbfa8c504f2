/* Committing: all changes that came while the last ones were at the disk become durable by one write of the
 * journal. */
#include <errno.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/queue/files.h"
#include "mta/queue/shelf_internal.h"

#define SPARE_BYTES \
	(1u << 20)     /* that the disk must have beside what the journal's files hold, for new mail */
#define CHANGES_PART 8 /* of a file's room is kept for changes of what is in the queue already */

/* ---- before the journal ---- */

static int read_body(struct shelf_put *p, struct err *err)
{
	uint8_t *to = buf_reserve(&p->body, p->size + 1);

	if (!to)
		return err_set(err, POD_E_NOMEM, "no memory for a message");
	while (p->body.len < p->size) {
		ssize_t n = pread(p->body_fd, to + p->body.len, p->size - p->body.len, (off_t) p->body.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? err_errno(err, errno, "reading a submitted message")
			             : err_set(err, POD_E_PROTOCOL,
			                       "a submitted message is shorter than it says");
		p->body.len += (size_t) n;
	}
	return 0;
}

static int prepare_body(struct shelf *s, struct shelf_put *p, struct err *err)
{
	int r = 0;

	if (p->size <= SHELF_BODY_IN_JOURNAL)
		return p->body_fd >= 0 ? read_body(p, err) : 0;
	r = shelf_probe(s, "body");
	if (r == 0)
		r = p->body_fd >= 0 ? files_copy(s->dir_fd, &p->id, p->body_fd, p->size, err)
		                    : files_write(s->dir_fd, &p->id, buf_span(&p->body), err);
	p->in_file = true; /* also one that is there in part: it is to be removed */
	return r;
}

static bool has_new(const struct shelf_change *c)
{
	for (size_t i = 0; i < c->n_puts; i++)
		if (c->puts[i].is_new)
			return true;
	return false;
}

/* What is taken now has to find room on the disk when it is settled. */
static int check_disk(const struct shelf *s, struct err *err)
{
	struct statvfs v;

	if (fstatvfs(s->dir_fd, &v) < 0)
		return err_errno(err, errno, "looking at the queue's disk");
	if ((uint64_t) v.f_bavail * v.f_frsize < 2 * wal_size(s->journal) + SPARE_BYTES)
		return err_set(err, POD_E_NOSPACE, "the queue's disk is full");
	return 0;
}

static void fail(struct shelf_change *c, int r, const struct err *err)
{
	if (c->r == 0) {
		c->r = r;
		c->err = *err;
	}
}

/* Large bodies: their bytes and names are durable, or their changes have failed. */
static void prepare(struct shelf *s, struct shelf_change *batch)
{
	struct err full = { 0 }, err = { 0 };
	bool checked = false, files = false;
	int r_full = 0, r = 0;

	for (struct shelf_change *c = batch; c; c = c->next) {
		if (!has_new(c))
			continue;
		if (!checked)
			r_full = check_disk(s, &full);
		checked = true;
		if (r_full < 0)
			fail(c, r_full, &full);
		for (size_t i = 0; c->r == 0 && i < c->n_puts; i++) {
			if (c->puts[i].is_new)
				c->r = prepare_body(s, &c->puts[i], &c->err);
			files = files || c->puts[i].in_file;
		}
	}
	if (files) {
		r = shelf_probe(s, "folder");
		if (r == 0)
			r = files_sync(s->dir_fd, &err);
	}
	for (struct shelf_change *c = batch; r < 0 && c; c = c->next)
		for (size_t i = 0; i < c->n_puts; i++)
			if (c->puts[i].in_file)
				fail(c, r, &err);
}

/* ---- the journal ---- */

static size_t entries_of(const struct shelf_change *c, struct queue_journal_entry e[SHELF_PUTS_MAX + 2])
{
	size_t n = 0;

	if (c->over)
		e[n++] = (struct queue_journal_entry){ .kind = QUEUE_JOURNAL_OVER, .id = c->over_id };
	for (size_t i = 0; i < c->n_puts; i++) {
		const struct shelf_put *p = &c->puts[i];

		e[n] = (struct queue_journal_entry){ .kind = QUEUE_JOURNAL_CHANGED,
			                             .id = p->id,
			                             .item = buf_span(&p->item) };
		if (p->is_new) {
			e[n].kind = p->in_file ? QUEUE_JOURNAL_NEW_FILE : QUEUE_JOURNAL_NEW;
			e[n].summary = buf_span(&p->summary);
			e[n].body = p->in_file ? SPAN_NONE : buf_span(&p->body);
		}
		n++;
	}
	if (c->remove)
		e[n++] = (struct queue_journal_entry){ .kind = QUEUE_JOURNAL_REMOVED, .id = c->removed };
	return n;
}

static size_t size_of(const struct shelf_change *c)
{
	struct queue_journal_entry e[SHELF_PUTS_MAX + 2];
	size_t size = 0, n = entries_of(c, e);

	for (size_t i = 0; i < n; i++)
		size += queue_journal_entry_size(&e[i]);
	return size;
}

static void add(struct buf *batch, const struct shelf_change *c)
{
	struct queue_journal_entry e[SHELF_PUTS_MAX + 2];
	size_t n = entries_of(c, e);

	for (size_t i = 0; i < n; i++)
		queue_journal_add(batch, &e[i]);
}

/* Whether a batch so long may be written now; a part of each file is kept for changes of what is in the
 * queue. */
static bool has_room(const struct shelf *s, size_t size, bool is_new)
{
	size_t kept = is_new ? wal_size(s->journal) / CHANGES_PART : 0;

	return size + WAL_BLOCK + kept <= wal_room(s->journal);
}

/* Waits until the other file is free, and goes on with that. */
static int turn(struct shelf *s, bool full, struct err *err)
{
	int r = 0;

	(void) pthread_mutex_lock(&s->lock);
	while (full && !s->other_is_free && !s->trouble && !s->stop)
		(void) pthread_cond_wait(&s->wake, &s->lock);
	if (s->other_is_free) {
		s->other_is_free = false;
		s->turned_full = full;
		wal_turn(s->journal);
	} else if (s->trouble) {
		*err = s->trouble_err;
		r = s->trouble;
	} else {
		r = -POD_E_CANCELLED;
	}
	(void) pthread_mutex_unlock(&s->lock);
	return r;
}

static int make_room(struct shelf *s, const struct shelf_change *c, struct err *err)
{
	if (c->r < 0 || wal_is_empty(s->journal) || has_room(s, size_of(c), has_new(c)))
		return 0;
	return turn(s, true, err);
}

/* Writes as many from the first on as there is room for, and says which is the first it left. */
static struct shelf_change *write_part(struct shelf *s, struct shelf_change *first, struct buf *batch)
{
	struct shelf_change *c = first;
	struct err err = { 0 };
	size_t n = 0;
	int r = make_room(s, first, &err);

	wal_batch_begin(batch);
	for (; r == 0 && c && !c->turn; c = c->next) {
		if (c->r < 0)
			continue;
		if (n && !has_room(s, batch->len + size_of(c), has_new(c)))
			break;
		add(batch, c);
		n++;
	}
	if (r == 0 && n)
		r = shelf_probe(s, "journal");
	if (r == 0 && n)
		r = wal_append(s->journal, batch, &err);
	if (c == first)
		c = c->next; /* it failed, or had failed */
	for (struct shelf_change *done = first; done != c; done = done->next) {
		if (r < 0)
			fail(done, r, &err);
		done->segment = wal_segment(s->journal);
	}
	return c;
}

bool shelf_commits_at_once(const struct shelf *s, const struct shelf_change *batch)
{
	size_t size = 0;

	for (const struct shelf_change *c = batch; c; c = c->next) {
		if (c->turn)
			return false;
		for (size_t i = 0; i < c->n_puts; i++)
			if (c->puts[i].is_new && c->puts[i].size > SHELF_BODY_IN_JOURNAL)
				return false;
		size += size_of(c);
	}
	return has_room(s, size, true);
}

/* ---- after it ---- */

/* The index never hears of them, so that nothing else would before the next start. */
static void remove_failed(struct shelf *s, const struct shelf_change *c)
{
	for (size_t i = 0; c->r < 0 && i < c->n_puts; i++)
		if (c->puts[i].in_file)
			(void) files_remove(s->dir_fd, &c->puts[i].id, NULL);
}

/* Those from first to the one before end. */
static void hand_back(struct shelf *s, struct shelf_change *first, const struct shelf_change *end)
{
	struct shelf_change *last = first;
	bool in_loop;

	for (remove_failed(s, last); last->next != end; remove_failed(s, last))
		last = last->next;
	last->next = NULL;
	(void) pthread_mutex_lock(&s->lock);
	*s->done_end = first;
	s->done_end = &last->next;
	in_loop = s->in_loop;
	(void) pthread_mutex_unlock(&s->lock);
	if (!in_loop)
		shelf_poke(s);
}

struct shelf_change *shelf_take_todo(struct shelf *s)
{
	struct shelf_change *batch = s->todo;

	s->todo = NULL;
	s->todo_end = &s->todo;
	s->urgent = false;
	s->n_urgent = 0;
	return batch;
}

static struct shelf_change *take_batch(struct shelf *s)
{
	struct shelf_change *batch;

	(void) pthread_mutex_lock(&s->lock);
	s->committing = false;
	while (!s->stop && !s->urgent)
		(void) pthread_cond_wait(&s->wake, &s->lock);
	batch = s->stop ? NULL : shelf_take_todo(s);
	s->committing = batch != NULL;
	(void) pthread_mutex_unlock(&s->lock);
	return batch;
}

/* Answers go out part by part: the other file gets free only when the loop knows what is in this one. */
void shelf_commit_batch(struct shelf *s, struct shelf_change *batch, struct buf *scratch)
{
	prepare(s, batch);
	while (batch) {
		struct shelf_change *first = batch;

		if (first->turn) {
			if (!wal_is_empty(s->journal))
				first->r = turn(s, false, &first->err);
			first->segment = wal_segment(s->journal);
			batch = first->next;
		} else {
			batch = write_part(s, first, scratch);
		}
		hand_back(s, first, batch);
	}
}

void *shelf_committer(void *shelf)
{
	struct shelf *s = shelf;
	_cleanup_buf_ struct buf scratch = BUF_INIT;
	struct shelf_change *batch;

	while ((batch = take_batch(s)))
		shelf_commit_batch(s, batch, &scratch);
	return NULL;
}
