/* What attempts at volumes and at other servers have in common. */
#include "mta/queue/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "base/log.h"
#include "mta/deliver/deliver.h"

#define ARENA_MAX      (16u << 20)
#define FAILED_WAIT_MS 5000 /* after what failed on our side */

static void postpone(struct queue *q, struct work *w)
{
	int64_t now = clock_wall_ms();

	if (sched_set(queue_sched(q, w), &w->unit, now + FAILED_WAIT_MS, now) < 0)
		log_event(NULL, LOGL_ERROR, "queue.no_memory");
}

struct attempt *queue_attempt_begin(struct queue *q, struct work *w)
{
	struct queued *it = w->unit.owner;
	struct attempt *at = calloc(1, sizeof(*at));
	struct err err = { 0 };
	int r = at ? queue_hold_record(q, it, &err) : -POD_E_NOMEM;

	if (r < 0) {
		log_event(NULL, LOGL_ERROR, "queue.attempt_failed", F_ERR(&err));
		free(at);
		(void) sched_end(queue_sched(q, w), &w->unit, SCHED_NOTHING, NULL, clock_wall_ms(), 0);
		postpone(q, w);
		return NULL;
	}
	*at = (struct attempt){
		.q = q, .it = it, .work = w, .body_fd = -1, .arena = arena_create(ARENA_MAX)
	};
	LIST_INSERT_HEAD(&q->attempts, at, all);
	q->busy++;
	return at;
}

struct said *queue_attempt_add(struct attempt *at, const Queue__Recipient *r)
{
	struct said *s;

	if (at->n == at->cap) {
		size_t cap = at->cap ? 2 * at->cap : 4;

		s = arena_grow(at->arena, at->said, at->n, cap, sizeof(*s));
		if (!s)
			return NULL;
		at->said = s;
		at->cap = cap;
	}
	s = &at->said[at->n];
	*s = (struct said){ .address = arena_str(at->arena, span_of(r->address)),
		            .part = r->part,
		            .state = r->state,
		            .status = "",
		            .text = "",
		            .remote = "" };
	if (!s->address)
		return NULL;
	at->n++;
	return s;
}

void queue_attempt_free(struct attempt *at)
{
	LIST_REMOVE(at, all);
	at->q->busy--;
	if (at->summary)
		queue__summary__free_unpacked(at->summary, NULL);
	deliver_cancel(at->deliver_call);
	outbound_cancel(at->outbound_call);
	closep(&at->body_fd);
	(void) arena_free(at->arena);
	free(at);
}

/* When those that still wait are tried again: with their lane where that sleeps, else each in its own time.
 */
static void set_next(struct attempt *at, bool asleep)
{
	const struct mta_conf *c = &at->q->conf->mta;
	const Queue__Item *item = at->it->record;
	uint32_t dice;

	random_bytes(&dice, sizeof(dice));
	for (size_t k = 0, i = 0; k < at->n; k++) {
		uint32_t attempts = 0;

		for (; i < item->n_recipients && attempts == 0; i++)
			if (strcmp(item->recipients[i]->address, at->said[k].address) == 0)
				attempts = item->recipients[i]->attempts + 1;
		at->said[k].next_ms =
			asleep ? 0
			       : clock_wall_ms() + (int64_t) queue_backoff_ms(attempts ? attempts : 1,
		                                                              c->queue_retry_min_ms,
		                                                              c->queue_retry_max_ms, dice);
	}
}

void queue_attempt_end(struct attempt *at, enum sched_outcome outcome, const char *reason)
{
	struct queue *q = at->q;
	struct queued *it = at->it;
	struct attempt **end = &it->attempts;
	uint32_t dice;
	int64_t wakes;

	random_bytes(&dice, sizeof(dice));
	wakes = sched_end(queue_sched(q, at->work), &at->work->unit, outcome, reason, clock_wall_ms(), dice);
	set_next(at, outcome == SCHED_DOWN && wakes != 0);
	at->work->settling = true;
	while (*end)
		end = &(*end)->next;
	*end = at;
	queue_commit(q, it);
	queue_pump(q);
}

void queue_attempt_fail(struct attempt *at, const struct err *err)
{
	struct queue *q = at->q;
	struct work *w = at->work;

	log_event(NULL, LOGL_ERROR, "queue.attempt_failed", F_STR("trace", at->it->record->trace),
	          F_ERR(err));
	(void) sched_end(queue_sched(q, w), &w->unit, SCHED_NOTHING, NULL, clock_wall_ms(), 0);
	postpone(q, w);
	queue_let_go(at->it);
	queue_attempt_free(at);
	queue_pump(q);
}
