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
	queue_reconsider(q, it);
	return it;
}

void queue_drop(struct queue *q, struct queued *it)
{
	agenda_remove(&q->agenda, &it->due);
	TAILQ_REMOVE(&q->items, it, link);
	queue__item__free_unpacked(it->record, NULL);
	free(it);
	q->n--;
	metric_set(M_QUEUE_MESSAGES, (int64_t) q->n);
}

/* The timer stands at the earliest; where as many attempts run as may, the end of one sets it. */
static void set_timer(struct queue *q)
{
	const struct agenda_entry *first = agenda_first(&q->agenda);
	int64_t wait = first ? first->due_ms - clock_wall_ms() : LOOK_MAX_MS;
	struct timeval tv;

	if (q->draining || q->busy >= BUSY_MAX)
		return;
	wait = wait < 0 ? 0 : wait > LOOK_MAX_MS ? LOOK_MAX_MS : wait;
	tv = (struct timeval){ wait / 1000, (wait % 1000) * 1000 };
	if (event_add(&q->due, &tv) < 0)
		log_event(NULL, LOGL_ERROR, "queue.timer_failed");
}

static void on_due(evutil_socket_t fd, short what, void *queue)
{
	struct queue *q = queue;
	int64_t now = clock_wall_ms();
	struct agenda_entry *first;

	while (!q->draining && q->busy < BUSY_MAX && (first = agenda_first(&q->agenda)) && first->due_ms <= now)
		queue_attempt(q, (struct queued *) first);
	set_timer(q);
}

void queue_reconsider(struct queue *q, struct queued *it)
{
	if (it->busy || !queue_has_state(it->record, QUEUE__STATE__WAITING))
		agenda_remove(&q->agenda, &it->due);
	else if (agenda_set(&q->agenda, &it->due, it->record->next_ms) < 0)
		log_event(NULL, LOGL_ERROR, "queue.no_memory", F_STR("trace", it->record->trace));
	set_timer(q);
}

void queue_begin(struct queue *q, struct queued *it)
{
	it->busy = true;
	q->busy++;
	agenda_remove(&q->agenda, &it->due);
}

void queue_end(struct queue *q, struct queued *it)
{
	it->busy = false;
	q->busy--;
	if (it->again)
		it->record->next_ms = 0;
	it->again = false;
	queue_reconsider(q, it);
}

void queue_hurry(struct queue *q, struct queued *it)
{
	if (it->busy) {
		it->again = true;
		return;
	}
	it->record->next_ms = 0; /* in memory only: after a restart it is due early enough */
	queue_reconsider(q, it);
}

void queue_on_volume(void *queue, const char *volume, bool connected)
{
	struct queue *q = queue;
	struct queued *it;

	if (!connected)
		return;
	TAILQ_FOREACH(it, &q->items, link)
		if (it->record->attempts && (!*it->waits_for || strcmp(it->waits_for, volume) == 0) &&
		    queue_has_state(it->record, QUEUE__STATE__WAITING))
			queue_hurry(q, it);
}

void queue_drain(struct queue *q)
{
	q->draining = true;
	(void) event_del(&q->due);
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
	if (event_initialized(&q->due))
		(void) event_del(&q->due);
	while (!TAILQ_EMPTY(&q->items))
		queue_drop(q, TAILQ_FIRST(&q->items));
	agenda_done(&q->agenda);
}
