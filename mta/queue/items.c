#include "mta/queue/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mime/mime.h"
#include "mta/service/metrics.h"

#define BUSY_MAX 64 /* attempts under way at once */
#define LOOK_MAX_MS 60000 /* the wall clock may jump: look at it now and then */

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

Queue__Item *queue_item_copy(const Queue__Item *item)
{
	size_t len = queue__item__get_packed_size(item);
	_cleanup_(freep) uint8_t *packed = malloc(len + 1);

	if (!packed)
		return NULL;
	len = queue__item__pack(item, packed);
	return queue__item__unpack(NULL, len, packed);
}

static struct span bytes_of(struct span s)
{
	return s.p ? s : SPAN_LIT("");
}

static ProtobufCBinaryData binary(struct span s)
{
	union {
		const uint8_t *c;
		uint8_t *m;
	} u = { .c = bytes_of(s).p };

	return (ProtobufCBinaryData){ s.len, u.m };
}

void queue_summary_set(Queue__Summary *ret_summary, const struct mime_summary *from)
{
	queue__summary__init(ret_summary);
	ret_summary->envelope = binary(from->envelope);
	ret_summary->bodystructure = binary(from->bodystructure);
	ret_summary->parts = binary(from->parts);
	ret_summary->headers = binary(from->headers);
}

bool queue_has_state(const Queue__Item *item, Queue__State state)
{
	for (size_t i = 0; i < item->n_recipients; i++)
		if (item->recipients[i]->state == state)
			return true;
	return false;
}

struct queued *queue_find(struct queue *q, const struct guid *id)
{
	struct queued *it;

	TAILQ_FOREACH(it, &q->items, link)
		if (guid_eq(&it->id, id))
			return it;
	return NULL;
}

struct queued *queue_add(struct queue *q, Queue__Item *record)
{
	struct queued *it = calloc(1, sizeof(*it));

	if (!it) {
		queue__item__free_unpacked(record, NULL);
		return NULL;
	}
	it->record = record;
	memcpy(it->id.b, record->id.data, ID_SIZE);
	TAILQ_INSERT_TAIL(&q->items, it, link);
	q->n++;
	metric_set(M_QUEUE_MESSAGES, (int64_t) q->n);
	return it;
}

void queue_drop(struct queue *q, struct queued *it)
{
	TAILQ_REMOVE(&q->items, it, link);
	queue__item__free_unpacked(it->record, NULL);
	free(it);
	q->n--;
	metric_set(M_QUEUE_MESSAGES, (int64_t) q->n);
}

static void try_due(struct queue *q)
{
	struct queued *it;
	int64_t now = clock_wall_ms();

	TAILQ_FOREACH(it, &q->items, link) {
		if (q->busy >= BUSY_MAX)
			return;
		if (!it->busy && it->record->next_ms <= now && queue_has_state(it->record, QUEUE__STATE__WAITING))
			queue_attempt(q, it);
	}
}

static void on_due(evutil_socket_t fd, short what, void *queue)
{
	struct queue *q = queue;

	if (!q->draining)
		try_due(q);
	queue_reschedule(q);
}

void queue_reschedule(struct queue *q)
{
	int64_t now = clock_wall_ms(), wait = LOOK_MAX_MS;
	struct queued *it;
	struct timeval tv;

	/* An attempt that ends calls this again. */
	if (q->draining || q->busy >= BUSY_MAX)
		return;
	TAILQ_FOREACH(it, &q->items, link)
		if (!it->busy && it->record->next_ms - now < wait && queue_has_state(it->record, QUEUE__STATE__WAITING))
			wait = it->record->next_ms - now;
	if (wait < 0)
		wait = 0;
	tv = (struct timeval){ wait / 1000, (wait % 1000) * 1000 };
	if (event_add(&q->due, &tv) < 0)
		log_event(NULL, LOGL_ERROR, "queue.timer_failed");
}

void queue_hurry(struct queue *q, struct queued *it)
{
	if (it->busy)
		it->again = true;
	else
		it->record->next_ms = 0; /* in memory only: after a restart everything is due early enough */
	queue_reschedule(q);
}

void queue_on_volume(void *queue, const char *volume, bool connected)
{
	struct queue *q = queue;
	struct queued *it;

	if (!connected)
		return;
	TAILQ_FOREACH(it, &q->items, link)
		if (it->record->attempts && (!*it->waits_for || strcmp(it->waits_for, volume) == 0) &&
		    queue_has_state(it->record, QUEUE__STATE__WAITING)) {
			if (it->busy)
				it->again = true;
			else
				it->record->next_ms = 0;
		}
	queue_reschedule(q);
}

static int load_item(void *queue, Queue__Item *item)
{
	return queue_add(queue, item) ? 0 : -POD_E_NOMEM;
}

int queue_load(struct queue *q, struct err *err)
{
	int r;

	TAILQ_INIT(&q->items);
	(void) evtimer_assign(&q->due, q->base, on_due, q);
	r = shelf_each(q->shelf, load_item, q, err);
	if (r == 0)
		log_event(NULL, LOGL_INFO, "queue.loaded", F_UINT("messages", q->n));
	return r;
}

void queue_unload(struct queue *q)
{
	(void) event_del(&q->due);
	while (!TAILQ_EMPTY(&q->items))
		queue_drop(q, TAILQ_FIRST(&q->items));
}
