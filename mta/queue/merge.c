#include "mta/queue/merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* The default of a generated string is shared and must not be freed. */
int queue_set_text(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -POD_E_NOMEM;
	if (*field != (const char *) protobuf_c_empty_string)
		free(*field);
	*field = copy;
	return 0;
}

bool merge_is_open(const Queue__Recipient *r)
{
	return r->state == QUEUE__STATE__WAITING || r->state == QUEUE__STATE__OUTBOUND;
}

bool merge_has_state(const Queue__Item *item, Queue__State state)
{
	for (size_t i = 0; i < item->n_recipients; i++)
		if (item->recipients[i]->state == state)
			return true;
	return false;
}

bool merge_is_held(const Queue__Item *item)
{
	return item->hold && item->hold->reason != QUEUE__HOLD_REASON__FREE;
}

static int take_down(Queue__Recipient *r, const struct said *s)
{
	r->state = s->state;
	r->code = (uint32_t) s->code;
	r->reply = s->reply;
	r->attempts++;
	r->next_ms = s->next_ms;
	return queue_set_text(&r->text, s->text) < 0 || queue_set_text(&r->status, s->status) < 0 ||
	                       queue_set_text(&r->remote, s->remote) < 0
	               ? -POD_E_NOMEM
	               : 0;
}

static bool is_about(const struct said *s, const Queue__Recipient *r)
{
	return r->part == s->part && strcmp(r->address, s->address) == 0 && merge_is_open(r);
}

int merge_said(Queue__Item *item, const struct said *said, size_t n)
{
	size_t at = 0;
	int r = 0;

	item->attempts++;
	for (size_t k = 0; k < n; k++)
		for (size_t i = 0; i < item->n_recipients; i++) {
			size_t no = (at + i) % item->n_recipients; /* mostly the first look finds it */

			if (!is_about(&said[k], item->recipients[no]))
				continue;
			if (take_down(item->recipients[no], &said[k]) < 0)
				r = -POD_E_NOMEM;
			at = no + 1;
			break;
		}
	return r;
}

static int64_t life_began_s(const Queue__Item *item)
{
	return item->released_s > item->arrived_s ? item->released_s : item->arrived_s;
}

static int64_t warn_at_s(const Queue__Item *item, const struct merge_times *t)
{
	return item->warned || !t->warn_ms ? INT64_MAX : life_began_s(item) + (int64_t) (t->warn_ms / 1000);
}

int64_t merge_end_s(const Queue__Item *item, const struct merge_times *t)
{
	return life_began_s(item) + (int64_t) (t->lifetime_ms / 1000);
}

static int64_t by_s(const Queue__Item *item)
{
	return item->by && item->by->at_s && !item->by->told ? item->by->at_s : INT64_MAX;
}

static void give_up(Queue__Item *item, const char *event, const char *status, const char *text,
                    bool (*busy)(void *arg, const Queue__Recipient *r), void *arg)
{
	for (size_t i = 0; i < item->n_recipients; i++) {
		Queue__Recipient *r = item->recipients[i];

		if (!merge_is_open(r) || (busy && busy(arg, r)))
			continue;
		r->state = QUEUE__STATE__FAILED;
		/* Its last answer is what it died of; where it had none, this is. Without memory it says
		 * less. */
		if (!*r->text)
			(void) queue_set_text(&r->text, text);
		(void) queue_set_text(&r->status, status);
		log_event(NULL, LOGL_WARNING, event, F_STR("trace", item->trace), F_STR("rcpt", r->address),
		          F_STR("text", r->text));
	}
}

/* A quarantine that nobody looked at in time is thrown away; any other hold ends. */
static void end_hold(Queue__Item *item, int64_t now_s)
{
	bool goes = item->hold->reason == QUEUE__HOLD_REASON__QUARANTINE;

	log_event(NULL, LOGL_NOTICE, goes ? "queue.quarantine_expired" : "queue.released",
	          F_STR("trace", item->trace));
	for (size_t i = 0; goes && i < item->n_recipients; i++)
		if (merge_is_open(item->recipients[i]))
			item->recipients[i]->state = QUEUE__STATE__PASSED;
	item->hold->reason = QUEUE__HOLD_REASON__FREE;
	item->released_s = now_s;
}

enum merge_late merge_time(Queue__Item *item, const struct merge_times *t, int64_t now_s,
                           bool (*busy)(void *arg, const Queue__Recipient *r), void *arg)
{
	enum merge_late late = MERGE_IN_TIME;

	if (merge_is_held(item) && item->hold->until_s && item->hold->until_s <= now_s)
		end_hold(item, now_s);
	if (merge_is_held(item))
		return late;
	if (by_s(item) <= now_s && item->by->give_up) {
		give_up(item, "rcpt.by_passed", "5.4.7", "the time its sender set for delivery is over", busy,
		        arg);
	} else if (by_s(item) <= now_s) {
		item->by->told = true;
		late = MERGE_BY_PASSED;
	}
	if (merge_end_s(item, t) <= now_s) {
		give_up(item, "rcpt.expired", "5.4.7", "could not be delivered in time", busy, arg);
	} else if (warn_at_s(item, t) <= now_s) {
		item->warned = true;
		if (late == MERGE_IN_TIME)
			late = MERGE_LATE;
	}
	return late;
}

int64_t merge_deadline_s(const Queue__Item *item, const struct merge_times *t)
{
	int64_t s = merge_end_s(item, t);

	if (merge_is_held(item))
		return item->hold->until_s ? item->hold->until_s : INT64_MAX;
	if (warn_at_s(item, t) < s)
		s = warn_at_s(item, t);
	return by_s(item) < s ? by_s(item) : s;
}
