/* Changes of a message that is in the queue, one after the other: what came meanwhile goes into the next. */
#include "mta/queue/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define AGAIN_MS 5000 /* after a commit that failed */

/* One under way. */
struct commit {
	LIST_ENTRY(commit) link;
	struct queue *q;
	struct queued *it;
	Queue__Item *next;
	struct attempt *attempts; /* what it writes down */
	struct wish *wishes;
	struct settle settle;
};

static void free_attempts(struct commit *c)
{
	while (c->attempts) {
		struct attempt *at = c->attempts;

		c->attempts = at->next;
		queue_let_go(c->it);
		queue_attempt_free(at);
	}
}

/* ---- what follows from a change ---- */

static bool is_of(const struct work *w, const Queue__Recipient *r)
{
	if (w->local)
		return r->state == QUEUE__STATE__WAITING;
	return r->state == QUEUE__STATE__OUTBOUND && r->part == w->unit.part &&
	       span_eq_nocase(queue_domain_of(r->address), span_of(w->unit.lane->name));
}

/*
 * When the work is due: the earliest of its open recipients; INT64_MAX: it has none any more. Those of a
 * volume are the ones that were asked; of remote ones some may not have been, where the destination takes few
 * at once.
 */
static int64_t due_of(const Queue__Item *item, const struct attempt *at)
{
	int64_t due = INT64_MAX;

	for (size_t i = 0; at->work->local && i < at->n; i++)
		if (at->said[i].state == QUEUE__STATE__WAITING && at->said[i].next_ms < due)
			due = at->said[i].next_ms;
	for (size_t i = 0; !at->work->local && i < item->n_recipients; i++)
		if (is_of(at->work, item->recipients[i]) && item->recipients[i]->next_ms < due)
			due = item->recipients[i]->next_ms;
	return due;
}

static void schedule(struct commit *c, struct attempt *at)
{
	struct work *w = at->work;
	int64_t due = due_of(c->it->record, at), now = clock_wall_ms();

	w->settling = false;
	if (due == INT64_MAX || at->moved || c->it->held)
		queue_work_drop(c->q, c->it, w);
	else if (sched_set(queue_sched(c->q, w), &w->unit, due, now) < 0)
		log_event(NULL, LOGL_ERROR, "queue.no_memory", F_STR("trace", c->it->record->trace));
}

static void take_record(struct commit *c)
{
	struct queued *it = c->it;
	bool was_held = it->held, moved = false;

	queue__item__free_unpacked(it->record, NULL);
	it->record = take_ptr(c->next);
	it->held = merge_is_held(it->record);
	for (struct attempt *at = c->attempts; at; at = at->next) {
		moved = moved || at->moved;
		schedule(c, at);
	}
	if (it->held)
		queue_unplace(c->q, it);
	if ((was_held || moved) && queue_place(c->q, it, it->record) < 0)
		log_event(NULL, LOGL_ERROR, "queue.no_memory", F_STR("trace", it->record->trace));
	queue_set_deadline(c->q, it, it->record);
}

static void answer_wishes(struct commit *c, struct queued *it, int r, const struct err *err)
{
	while (c->wishes) {
		struct wish *w = c->wishes;

		c->wishes = w->next;
		w->done(w, it, r, err);
		free(w->text);
		free(w);
	}
}

static void leave(struct commit *c)
{
	struct queued *it = c->it;

	log_event(NULL, LOGL_INFO, "queue.done", F_STR("trace", it->record->trace));
	answer_wishes(c, NULL, 0, NULL);
	free_attempts(c);
	queue_drop(c->q, it);
}

/*
 * Nothing changed. What attempts found out is kept and written down later; to try again instead would, on a
 * full disk, send the same message every few seconds to who has it already.
 */
static void stay_as_it_was(struct commit *c, int r, const struct err *err)
{
	struct queued *it = c->it;
	struct attempt **end = &c->attempts;

	log_event(NULL, LOGL_ERROR, "queue.commit_failed", F_STR("trace", it->record->trace), F_ERR(err));
	while (*end)
		end = &(*end)->next;
	*end = it->attempts;
	it->attempts = take_ptr(c->attempts);
	(void) agenda_set(&c->q->deadlines, &it->deadline, clock_wall_ms() + AGAIN_MS);
	answer_wishes(c, it, r, err);
}

static void commit_free(struct commit *c)
{
	LIST_REMOVE(c, link);
	c->q->busy--;
	if (c->next)
		queue__item__free_unpacked(c->next, NULL);
	if (c->settle.report)
		queue__item__free_unpacked(c->settle.report, NULL);
	free(c);
}

void queue_commits_drop(struct queue *q)
{
	while (!LIST_EMPTY(&q->commits)) {
		struct commit *c = LIST_FIRST(&q->commits);

		free_attempts(c);
		while (c->wishes) {
			struct wish *w = c->wishes;

			c->wishes = w->next;
			free(w->text);
			free(w);
		}
		commit_free(c);
	}
}

static void commit_end(struct commit *c, bool done)
{
	struct queue *q = c->q;
	struct queued *it = c->it;

	free_attempts(c);
	queue_let_go(it);
	it->committing = false;
	commit_free(c);
	if (it->wishes || (done && (it->attempts || it->times_up)))
		queue_commit(q, it);
	queue_pump(q);
}

static void on_committed(void *arg, struct shelf_change *change, int r, const struct err *err)
{
	struct commit *c = arg;
	struct queue *q = c->q;

	c->it->next = NULL;
	if (r == 0 && c->settle.report && !queue_add(q, c->settle.report))
		log_event(NULL, LOGL_ERROR, "queue.no_memory");
	if (r == 0 && !c->settle.stays) {
		leave(c);
		commit_free(c);
		queue_pump(q);
		return;
	}
	if (r == 0)
		take_record(c);
	else
		stay_as_it_was(c, r, err);
	if (r == 0)
		answer_wishes(c, c->it, 0, NULL);
	commit_end(c, r == 0);
}

/* ---- the change ---- */

static bool is_running(void *arg, const Queue__Recipient *r)
{
	const struct queued *it = arg;

	for (const struct work *w = it->works; w; w = w->next)
		if (w->unit.state == UNIT_RUNNING && is_of(w, r))
			return true;
	return false;
}

/* A message that was never tried, for its destination is not there: what that said is what its sender is
 * told. */
static void borrow_words(struct queued *it, Queue__Item *next)
{
	for (size_t i = 0; i < next->n_recipients; i++) {
		Queue__Recipient *r = next->recipients[i];

		if (!merge_is_open(r) || *r->text)
			continue;
		for (const struct work *w = it->works; w; w = w->next)
			if (w->unit.lane->reason && is_of(w, r))
				(void) queue_set_text(&r->text, w->unit.lane->reason);
	}
}

static void change_record(struct commit *c)
{
	struct merge_times t = queue_times(c->q);
	int64_t now_s = clock_wall_s();

	for (const struct attempt *at = c->attempts; at; at = at->next)
		if (merge_said(c->next, at->said, at->n) < 0)
			log_event(NULL, LOGL_ERROR, "queue.no_memory", F_STR("trace", c->next->trace));
	for (struct wish *w = c->wishes; w; w = w->next)
		w->apply(w, c->q, c->next);
	if (merge_deadline_s(c->next, &t) > now_s)
		return;
	borrow_words(c->it, c->next);
	c->settle.late = merge_time(c->next, &t, now_s, is_running, c->it);
}

static int start(struct commit *c, struct err *err)
{
	struct shelf_change *change;
	int r;

	c->next = queue_item_copy(c->it->record);
	if (!c->next)
		return err_set(err, POD_E_NOMEM, "no memory for a change");
	c->settle = (struct settle){ .next = c->next, .body_fd = -1 };
	change_record(c);
	r = queue_settle(c->q, &c->settle, &change, err);
	if (r < 0)
		return r;
	change->lazy = !c->wishes && !c->settle.report; /* nobody waits for it, and nobody is told twice */
	change->done = on_committed;
	change->arg = c;
	c->it->next = c->next;
	shelf_commit(c->q->shelf, change);
	return 0;
}

/* What stays keeps its order, and what is over is left out: it stands at its place, or before. */
bool queue_is_closing(const struct queued *it, size_t i)
{
	const Queue__Recipient *r = it->record->recipients[i];
	const Queue__Item *next = it->next;

	if (!next)
		return false;
	for (size_t k = next->n_recipients <= i ? next->n_recipients : i + 1; k-- > 0;)
		if (next->recipients[k]->part == r->part &&
		    strcmp(next->recipients[k]->address, r->address) == 0)
			return !merge_is_open(next->recipients[k]);
	return true;
}

void queue_commit(struct queue *q, struct queued *it)
{
	struct err err = { 0 };
	struct commit *c;
	int r;

	if (it->committing)
		return;
	c = calloc(1, sizeof(*c));
	r = c ? queue_hold_record(q, it, &err) : -POD_E_NOMEM;
	if (r < 0) {
		/* What attempts found out waits for the next look at the item's deadline. */
		log_event(NULL, LOGL_ERROR, "queue.commit_failed", F_ERR(&err));
		free(c);
		(void) agenda_set(&q->deadlines, &it->deadline, clock_wall_ms() + AGAIN_MS);
		return;
	}
	*c = (struct commit){
		.q = q, .it = it, .attempts = take_ptr(it->attempts), .wishes = take_ptr(it->wishes)
	};
	LIST_INSERT_HEAD(&q->commits, c, link);
	q->busy++;
	it->committing = true;
	it->times_up = false;
	r = start(c, &err);
	if (r < 0) {
		stay_as_it_was(c, r, &err);
		commit_end(c, false);
	}
}

void queue_wish(struct queue *q, struct queued *it, struct wish *w)
{
	struct wish **end = &it->wishes;

	while (*end)
		end = &(*end)->next;
	*end = w;
	queue_commit(q, it);
}
