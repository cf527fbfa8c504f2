/* What an admin does to messages: retry, hold, release, remove. */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mta/queue/control_internal.h"

void control_retry(struct control_call *c)
{
	if (c->it->held) {
		control_error(c->rq, 409, "the message is held; release it");
		return;
	}
	queue_hurry(c->q, c->it);
	control_show(c);
}

void control_retry_all(struct control_call *c)
{
	int64_t now = clock_wall_ms();
	size_t n = queue_count_waiting(c->q);

	sched_wake_all(&c->q->local, now);
	sched_wake_all(&c->q->remote, now);
	queue_pump(c->q);
	log_event(NULL, LOGL_NOTICE, "queue.retry_all_asked", F_UINT("messages", n));
	control_reply(c->rq, HTTP_OK, json_pack("{s:I}", "retried", (json_int_t) n));
}

void control_flush(struct control_call *c)
{
	struct span name = span_of(control_param(c, "domain"));
	struct sched *s = &c->q->remote;
	struct lane *lane = name.len ? sched_find_lane(s, name) : NULL;

	if (!lane) {
		s = &c->q->local;
		lane = name.len ? sched_find_lane(s, name) : NULL;
	}
	if (!lane) {
		control_error(c->rq, HTTP_NOTFOUND, "nothing waits for that destination");
		return;
	}
	sched_wake_lane(s, lane, clock_wall_ms());
	queue_pump(c->q);
	log_event(NULL, LOGL_NOTICE, "queue.flush_asked", F_STR("destination", lane->name),
	          F_UINT("messages", lane->units));
	control_reply(
		c->rq, HTTP_OK,
		json_pack("{s:s, s:I}", "destination", lane->name, "retried", (json_int_t) lane->units));
}

/* ---- changes of the record ---- */

static void on_changed(struct wish *w, struct queued *it, int r, const struct err *err)
{
	if (r < 0)
		control_error(w->rq, HTTP_INTERNAL, err_text(err));
	else
		control_reply(w->rq, HTTP_OK, json_pack("{s:b, s:b}", "changed", 1, "removed", it == NULL));
}

static void make_wish(struct control_call *c,
                      void (*apply)(struct wish *w, struct queue *q, Queue__Item *next),
                      const struct wish *what)
{
	struct wish *w = calloc(1, sizeof(*w));

	if (!w || !(w->text = strdup(what->text ? what->text : ""))) {
		free(w);
		control_error(c->rq, HTTP_INTERNAL, "out of memory");
		return;
	}
	w->apply = apply;
	w->done = on_changed;
	w->rq = c->rq;
	w->reason = what->reason;
	w->until_s = what->until_s;
	queue_wish(c->q, c->it, w);
}

static int set_hold(Queue__Item *next, const struct wish *w)
{
	if (!next->hold) {
		next->hold = calloc(1, sizeof(*next->hold));
		if (!next->hold)
			return -POD_E_NOMEM;
		queue__hold__init(next->hold);
	}
	next->hold->reason = w->reason;
	next->hold->until_s = w->until_s;
	return queue_set_text(&next->hold->text, w->text);
}

static void apply_hold(struct wish *w, struct queue *q, Queue__Item *next)
{
	if (set_hold(next, w) < 0)
		log_event(NULL, LOGL_ERROR, "queue.no_memory", F_STR("trace", next->trace));
	log_event(NULL, LOGL_NOTICE, "queue.held", F_STR("trace", next->trace), F_STR("text", w->text));
}

/* What is not attempted just now stops at once; an attempt under way comes to its end. */
void control_hold(struct control_call *c)
{
	uint64_t until = 0;

	if (*control_param(c, "until") && span_to_u64(span_of(control_param(c, "until")), &until) < 0) {
		control_error(c->rq, HTTP_BADREQUEST, "until is a time in seconds since 1970");
		return;
	}
	if (c->it->held) {
		control_error(c->rq, 409, "the message is held already");
		return;
	}
	make_wish(c, apply_hold,
	          &(struct wish){ .reason = QUEUE__HOLD_REASON__ADMIN,
	                          .until_s = (int64_t) until,
	                          .text = (char *) (uintptr_t) control_param(c, "text") });
}

static void apply_release(struct wish *w, struct queue *q, Queue__Item *next)
{
	if (!next->hold)
		return;
	next->hold->reason = QUEUE__HOLD_REASON__FREE;
	next->released_s = clock_wall_s();
	log_event(NULL, LOGL_NOTICE, "queue.released", F_STR("trace", next->trace));
}

void control_release(struct control_call *c)
{
	if (!c->it->held)
		control_error(c->rq, 409, "the message is not held");
	else
		make_wish(c, apply_release, &(struct wish){ 0 });
}

static void apply_remove(struct wish *w, struct queue *q, Queue__Item *next)
{
	for (size_t i = 0; i < next->n_recipients; i++)
		if (merge_is_open(next->recipients[i]))
			next->recipients[i]->state = QUEUE__STATE__PASSED;
	log_event(NULL, LOGL_NOTICE, "queue.removed", F_STR("trace", next->trace));
}

void control_remove(struct control_call *c)
{
	if (queue_is_busy(c->it))
		control_error(c->rq, 409, "an attempt is under way; try again");
	else
		make_wish(c, apply_remove, &(struct wish){ 0 });
}
