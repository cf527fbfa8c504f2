#include "mta/queue/shelf.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/queue/shelf_internal.h"

#define SETTLE_AFTER_S 5 /* what is a message's whole life mostly */
#define AGAIN_S        1 /* after settling failed */
#define LAZY_MS        20

/* ---- changes ---- */

struct shelf_change *shelf_change_new(void)
{
	struct shelf_change *c = calloc(1, sizeof(*c));
	bool failed = false;

	if (!c)
		return NULL;
	for (size_t i = 0; i < SHELF_PUTS_MAX; i++)
		c->puts[i].body_fd = -1;
	for (size_t i = 0; i < ARRAY_SIZE(c->recents); i++) {
		c->recents[i] = recent_new();
		failed = failed || !c->recents[i];
	}
	if (failed)
		shelf_change_free(c);
	return failed ? NULL : c;
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
	for (size_t i = 0; i < ARRAY_SIZE(c->recents); i++)
		(void) recent_free(c->recents[i]);
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

/* ---- what is known ---- */

/* Takes the bytes of what was put. */
static void note_put(struct shelf *s, struct shelf_put *p, struct recent **room)
{
	struct recent *m = take_ptr(*room);

	m->id = p->id;
	m->item = p->item;
	p->item = BUF_INIT;
	m->whole = p->is_new;
	m->in_index = !p->is_new;
	m->in_file = p->in_file;
	if (p->is_new) {
		m->summary = p->summary;
		p->summary = BUF_INIT;
	}
	if (p->is_new && !p->in_file) {
		m->body = p->body;
		p->body = BUF_INIT;
	}
	recents_add(s->now, m);
}

static void note_gone(struct shelf *s, const struct guid *id, bool in_index, struct recent **room)
{
	struct recent *m = take_ptr(*room);

	m->id = *id;
	m->gone = true;
	m->in_index = in_index;
	recents_add(s->now, m);
}

static void note(struct shelf *s, struct shelf_change *c)
{
	for (size_t i = 0; i < c->n_puts; i++)
		note_put(s, &c->puts[i], &c->recents[i]);
	if (c->remove)
		note_gone(s, &c->removed, true, &c->recents[SHELF_PUTS_MAX]);
	else if (c->over)
		note_gone(s, &c->over_id, false, &c->recents[SHELF_PUTS_MAX]);
}

static void give_to_settler(struct shelf *s)
{
	(void) pthread_mutex_lock(&s->lock);
	s->to_settle = s->before;
	(void) pthread_cond_signal(&s->settle_wake);
	(void) pthread_mutex_unlock(&s->lock);
}

/* The journal went on with the next segment, which it does only when the one before the last is settled. */
static void turn(struct shelf *s, uint64_t segment)
{
	struct recents *full = s->now;

	s->now = s->before;
	s->before = full;
	recents_clear(s->now, segment);
	give_to_settler(s);
}

/* ---- answers ---- */

static void set_timer(struct shelf *s, int wait_s)
{
	if (!event_pending(&s->timer, EV_TIMEOUT, NULL))
		(void) event_add(&s->timer, &(struct timeval){ wait_s, 0 });
}

void shelf_set_timer(struct shelf *s)
{
	if (s->now->table.n)
		set_timer(s, SETTLE_AFTER_S);
}

static void settle_ended(struct shelf *s, int r, const struct err *err)
{
	(void) pthread_mutex_lock(&s->lock);
	if (r == 0)
		recents_clear(s->before, 0);
	s->other_is_free = r == 0;
	s->trouble = r;
	s->trouble_err = *err;
	(void) pthread_cond_signal(&s->wake);
	(void) pthread_mutex_unlock(&s->lock);
	if (r < 0 && !s->complained)
		log_event(NULL, LOGL_ERROR, "queue.not_settled", F_ERR(err));
	if (r == 0 && s->complained)
		log_event(NULL, LOGL_NOTICE, "queue.settled");
	s->complained = r < 0;
	if (r < 0)
		(void) event_add(&s->timer, &(struct timeval){ AGAIN_S, 0 });
}

static struct recent *pending_of(const struct shelf *s, const struct guid *id)
{
	return recents_find(&s->pending, id);
}

static void set_pending(struct shelf *s, const struct guid *id, bool is_pending)
{
	struct recent *m = pending_of(s, id);

	if (is_pending && !m && (m = recent_new())) {
		m->id = *id;
		recents_add(&s->pending, m);
	} else if (!is_pending && m) {
		table_remove(&s->pending.table, &m->entry);
		(void) recent_free(m);
	}
}

static void set_all_pending(struct shelf *s, const struct shelf_change *c, bool are_pending)
{
	if (c->over)
		set_pending(s, &c->over_id, are_pending);
	for (size_t i = 0; i < c->n_puts; i++)
		if (c->puts[i].is_new)
			set_pending(s, &c->puts[i].id, are_pending);
}

static void answer(struct shelf *s, struct shelf_change *c)
{
	if (c->segment) {
		set_all_pending(s, c, false);
		if (c->segment != s->now->segment)
			turn(s, c->segment);
		if (c->r == 0)
			note(s, c);
	}
	if (c->done)
		c->done(c->arg, c, c->r, &c->err);
	shelf_change_free(c);
}

static struct shelf_change *take_done(struct shelf *s)
{
	struct shelf_change *done;

	(void) pthread_mutex_lock(&s->lock);
	done = s->done;
	s->done = NULL;
	s->done_end = &s->done;
	(void) pthread_mutex_unlock(&s->lock);
	return done;
}

/* Whether the settler has come to an end, and how. */
static bool take_settled(struct shelf *s, int *ret_r, struct err *ret_err)
{
	bool ended;

	(void) pthread_mutex_lock(&s->lock);
	ended = s->settle_ended;
	s->settle_ended = false;
	*ret_r = s->settle_r;
	*ret_err = s->settle_err;
	(void) pthread_mutex_unlock(&s->lock);
	return ended;
}

void shelf_answer_done(struct shelf *s)
{
	struct shelf_change *c, *next, *twins;

	for (c = take_done(s); c; c = next) {
		next = c->next;
		answer(s, c);
	}
	twins = take_ptr(s->twins);
	for (c = twins; c; c = next) {
		next = c->next;
		c->next = NULL;
		shelf_commit(s, c);
	}
	shelf_set_timer(s);
}

void shelf_on_answers(evutil_socket_t fd, short what, void *shelf)
{
	struct shelf *s = shelf;
	struct err err;
	uint64_t count;
	int r;

	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	if (take_settled(s, &r, &err))
		settle_ended(s, r, &err);
	shelf_answer_done(s);
}

/* ---- giving changes ---- */

void shelf_wake_committer(struct shelf *s)
{
	(void) pthread_mutex_lock(&s->lock);
	s->urgent = s->todo != NULL;
	(void) pthread_mutex_unlock(&s->lock);
	(void) pthread_cond_signal(&s->wake); /* it finds the lock free */
}

/* Those that were lazy have waited long enough. */
void shelf_on_lazy(evutil_socket_t fd, short what, void *shelf)
{
	shelf_wake_committer(shelf);
}

static bool may_wait(struct shelf *s, const struct shelf_change *c)
{
	return c->lazy && (event_pending(&s->lazy_timer, EV_TIMEOUT, NULL) ||
	                   event_add(&s->lazy_timer, &(struct timeval){ 0, LAZY_MS * 1000 }) == 0);
}

/* Committed when the loop has taken what else came with it. */
static void add_change(struct shelf *s, struct shelf_change *c)
{
	bool urgent = !may_wait(s, c);

	(void) pthread_mutex_lock(&s->lock);
	*s->todo_end = c;
	s->todo_end = &c->next;
	s->n_urgent += urgent;
	(void) pthread_mutex_unlock(&s->lock);
	if (urgent)
		event_active(&s->commit, EV_TIMEOUT, 0);
}

/* Answered from the loop, as all are. */
static void refuse(struct shelf *s, struct shelf_change *c, int r)
{
	c->r = r;
	(void) pthread_mutex_lock(&s->lock);
	*s->done_end = c;
	s->done_end = &c->next;
	(void) pthread_mutex_unlock(&s->lock);
	shelf_poke(s);
}

/*
 * A new one: 0, or why it is not taken. -POD_E_BUSY: it is just being committed. Of one that comes again on
 * purpose a large body waits until the file of the one that left is surely gone.
 */
static int check_new(struct shelf *s, const struct guid *id, const struct shelf_put *p, struct err *err)
{
	const struct recent *m = shelf_find_recent(s, id);
	bool again = p && p->again;
	int r;

	if (pending_of(s, id))
		return -POD_E_BUSY;
	if (m && !(m->gone && again))
		return -POD_E_EXISTS;
	if (m)
		return p->size <= SHELF_BODY_IN_JOURNAL
		               ? 0
		               : err_set(err, POD_E_UNAVAILABLE, "it left the queue just now");
	r = shelf_index_knows(&s->index, id, again, err);
	return r == 1 ? -POD_E_EXISTS : r;
}

static int check(struct shelf *s, struct shelf_change *c, bool *ret_is_new)
{
	int r = c->over ? check_new(s, &c->over_id, NULL, &c->err) : 0;

	*ret_is_new = c->over;
	for (size_t i = 0; r == 0 && i < c->n_puts; i++)
		if (c->puts[i].is_new) {
			*ret_is_new = true;
			r = check_new(s, &c->puts[i].id, &c->puts[i], &c->err);
		}
	return r;
}

void shelf_commit(struct shelf *s, struct shelf_change *c)
{
	bool is_new;
	int r = check(s, c, &is_new);

	if (r == -POD_E_BUSY) {
		c->next = s->twins;
		s->twins = c;
		return;
	}
	if (r == 0 && is_new && s->complained) {
		(void) pthread_mutex_lock(&s->lock);
		r = s->trouble;
		c->err = s->trouble_err;
		(void) pthread_mutex_unlock(&s->lock);
	}
	if (r < 0) {
		refuse(s, c, r);
		return;
	}
	if (is_new)
		set_all_pending(s, c, true);
	add_change(s, c);
}

void shelf_settle_now(struct shelf *s)
{
	struct shelf_change *c = shelf_change_new();

	if (!c) {
		set_timer(s, AGAIN_S);
		return;
	}
	c->turn = true;
	add_change(s, c);
}

bool shelf_is_settled(const struct shelf *s)
{
	return s->now->table.n == 0 && s->before->table.n == 0;
}

/* What failed is tried again; else what the journal has had for a while is settled. */
void shelf_on_timer(evutil_socket_t fd, short what, void *shelf)
{
	struct shelf *s = shelf;

	if (s->complained)
		give_to_settler(s);
	else if (s->before->table.n == 0)
		shelf_settle_now(s);
	else
		set_timer(s, SETTLE_AFTER_S);
}

void shelf_set_probe(struct shelf *s, int (*fn)(const char *step))
{
	s->probe = fn;
}

int shelf_probe(const struct shelf *s, const char *step)
{
	return s->probe && s->probe(step) ? -POD_E_CANCELLED : 0;
}

void shelf_poke(const struct shelf *s)
{
	uint64_t one = 1;

	/* It fails only where the counter is full, and then the loop is awake anyway. */
	if (write(s->done_event_fd, &one, sizeof(one)) < 0)
		return;
}

void shelf_note_rest(struct shelf *s)
{
	struct err err;
	int r;

	if (take_settled(s, &r, &err) && r == 0)
		recents_clear(s->before, 0);
	for (struct shelf_change *c = take_done(s), *next; c; c = next) {
		next = c->next;
		c->done = NULL;
		answer(s, c);
	}
}
