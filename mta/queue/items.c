#include "mta/queue/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mime/mime.h"
#include "mta/service/metrics.h"

#define NOWHERE         "?" /* the lane of recipients that are of no volume any more */
#define LOOKUP_ARENA    (64u << 10)
#define BULK_RECIPIENTS 50 /* a message to more is no letter */
#define LOCAL_TOTAL     64 /* attempts at volumes at once */
#define LOCAL_MAX       32
#define INITIAL         3

Queue__Item *queue_item_copy(const Queue__Item *item)
{
	size_t len = queue__item__get_packed_size(item);
	_cleanup_(freep) uint8_t *packed = malloc(len + 1);

	if (!packed)
		return NULL;
	len = queue__item__pack(item, packed);
	return queue__item__unpack(NULL, len, packed);
}

static ProtobufCBinaryData binary(struct span s)
{
	union {
		const uint8_t *c;
		uint8_t *m;
	} u = { .c = s.p ? s.p : SPAN_LIT("").p };

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

/* ---- finding ---- */

static struct queued *item_of(const struct table_entry *e)
{
	return (struct queued *) ((uintptr_t) e - offsetof(struct queued, entry));
}

static uint64_t id_hash(const struct guid *id)
{
	uint64_t h;

	memcpy(&h, id->b + ID_SIZE - sizeof(h), sizeof(h)); /* its random end */
	return h;
}

static bool has_id(const struct table_entry *e, const void *id)
{
	return guid_eq(&item_of(e)->id, id);
}

struct queued *queue_find(struct queue *q, const struct guid *id)
{
	struct table_entry *e = table_find(&q->items, id_hash(id), has_id, id);

	return e ? item_of(e) : NULL;
}

static uint64_t trace_number(struct span trace)
{
	char text[TRACE_ID_SIZE], *end;
	uint64_t n;

	if (trace.len != TRACE_ID_SIZE - 1)
		return 0;
	memcpy(text, trace.p, trace.len);
	text[trace.len] = '\0';
	n = strtoull(text, &end, 16);
	return *end ? 0 : n;
}

struct find_trace {
	uint64_t trace;
	struct queued *found;
};

static void compare_trace(void *arg, struct table_entry *e)
{
	struct find_trace *f = arg;

	if (item_of(e)->trace == f->trace)
		f->found = item_of(e);
}

struct queued *queue_find_trace(struct queue *q, struct span trace)
{
	struct find_trace f = { .trace = trace_number(trace) };

	if (f.trace)
		table_each(&q->items, compare_trace, &f);
	return f.found;
}

static void count_waiting(void *n, struct table_entry *e)
{
	*(size_t *) n += !item_of(e)->held;
}

size_t queue_count_waiting(const struct queue *q)
{
	size_t n = 0;

	table_each(&q->items, count_waiting, &n);
	return n;
}

bool queue_is_busy(const struct queued *it)
{
	if (it->committing)
		return true;
	for (const struct work *w = it->works; w; w = w->next)
		if (w->settling || w->unit.state == UNIT_RUNNING)
			return true;
	return false;
}

/* ---- records ---- */

int queue_hold_record(struct queue *q, struct queued *it, struct err *err)
{
	int r = it->record ? 0 : shelf_item(q->shelf, &it->id, &it->record, err);

	if (r == 0)
		it->users++;
	return r;
}

void queue_let_go(struct queued *it)
{
	if (--it->users)
		return;
	queue__item__free_unpacked(it->record, NULL);
	it->record = NULL;
}

struct merge_times queue_times(const struct queue *q)
{
	return (struct merge_times){ q->conf->mta.queue_lifetime_ms, q->conf->mta.queue_warn_after_ms };
}

void queue_set_deadline(struct queue *q, struct queued *it, const Queue__Item *record)
{
	struct merge_times t = queue_times(q);
	int64_t s = merge_deadline_s(record, &t);

	if (s == INT64_MAX)
		agenda_remove(&q->deadlines, &it->deadline);
	else if (agenda_set(&q->deadlines, &it->deadline, s * 1000) < 0)
		log_event(NULL, LOGL_ERROR, "queue.no_memory", F_STR("trace", record->trace));
}

void queue_set_limits(struct queue *q)
{
	const struct mta_conf *c = &q->conf->mta;
	struct sched_options o = { .total = LOCAL_TOTAL,
		                   .initial = INITIAL,
		                   .max = LOCAL_MAX,
		                   .retry_min_ms = c->queue_retry_min_ms,
		                   .retry_max_ms = c->queue_retry_max_ms };

	sched_set_options(&q->local, &o);
	o.total = c->queue_concurrency;
	o.max = c->destination_concurrency;
	o.initial = o.max < INITIAL ? o.max : INITIAL;
	sched_set_options(&q->remote, &o);
}

/* ---- works ---- */

struct sched *queue_sched(struct queue *q, const struct work *w)
{
	return w->local ? &q->local : &q->remote;
}

static uint8_t rank_of(const Queue__Item *item)
{
	if (item->priority > 0)
		return (uint8_t) (SCHED_RANK_NORMAL - (item->priority > 9 ? 9 : item->priority));
	if (item->priority < 0)
		return (uint8_t) (SCHED_RANK_LOW - (item->priority < -9 ? -9 : item->priority));
	if (!*item->sender)
		return SCHED_RANK_REPORT;
	return item->n_recipients > BULK_RECIPIENTS ? SCHED_RANK_BULK : SCHED_RANK_NORMAL;
}

/* Where a recipient goes, as a lane. The name is in a, or the record's. */
static struct span destination_of(struct queue *q, struct arena *a, const Queue__Recipient *r)
{
	struct directory_user user;

	if (r->state == QUEUE__STATE__OUTBOUND)
		return queue_domain_of(r->address);
	if (directory_user_find(q->dir, a, span_of(r->address), &user, NULL) < 0)
		return SPAN_LIT(NOWHERE);
	return span_of(user.volume);
}

static struct work *find_work(const struct queued *it, bool local, const struct lane *lane, uint32_t part)
{
	struct work *w = it->works;

	while (w && !(w->local == local && w->unit.part == part && w->unit.lane == lane))
		w = w->next;
	return w;
}

static struct work *new_work(struct queue *q, struct queued *it, const Queue__Item *record, struct lane *lane,
                             const Queue__Recipient *r)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->local = r->state == QUEUE__STATE__WAITING;
	w->unit.owner = it;
	w->unit.part = r->part;
	w->unit.rank = rank_of(record);
	w->unit.from = table_hash(span_of(*record->login ? record->login : record->sender));
	w->next = it->works;
	it->works = w;
	sched_add(queue_sched(q, w), &w->unit, lane);
	return w;
}

static int place_recipient(struct queue *q, struct queued *it, struct arena *a, const Queue__Item *record,
                           const Queue__Recipient *r, bool first)
{
	bool local = r->state == QUEUE__STATE__WAITING;
	struct lane *lane = sched_lane(local ? &q->local : &q->remote, destination_of(q, a, r));
	struct work *w;

	if (!lane)
		return -POD_E_NOMEM;
	/* Remote ones of a work stand side by side, so that with a new item a look at the last one is enough.
	 */
	w = it->works;
	if (!w || w->local != local || w->unit.part != r->part || w->unit.lane != lane)
		w = first && !local ? NULL : find_work(it, local, lane, r->part);
	if (!w)
		w = new_work(q, it, record, lane, r);
	if (!w)
		return -POD_E_NOMEM;
	if (w->unit.state != UNIT_OFF || w->settling)
		return 0;
	return sched_set(queue_sched(q, w), &w->unit, r->next_ms, clock_wall_ms());
}

int queue_place(struct queue *q, struct queued *it, Queue__Item *record)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(LOOKUP_ARENA);
	bool first = !it->works;
	int r = a ? 0 : -POD_E_NOMEM;

	if (merge_is_held(record))
		return 0;
	queue_item_sort(record);
	for (size_t i = 0; r == 0 && i < record->n_recipients; i++) {
		if (!merge_is_open(record->recipients[i]))
			continue;
		r = place_recipient(q, it, a, record, record->recipients[i], first);
		arena_reset(a);
	}
	return r;
}

void queue_work_drop(struct queue *q, struct queued *it, struct work *w)
{
	struct work **at = &it->works;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	sched_remove(queue_sched(q, w), &w->unit);
	free(w);
}

void queue_unplace(struct queue *q, struct queued *it)
{
	struct work *w, *next;

	for (w = it->works; w; w = next) {
		next = w->next;
		if (w->unit.state != UNIT_RUNNING && !w->settling)
			queue_work_drop(q, it, w);
	}
}

/* ---- the items ---- */

static void count_items(const struct queue *q)
{
	metric_set(M_QUEUE_MESSAGES, (int64_t) q->items.n);
}

struct queued *queue_add(struct queue *q, Queue__Item *record)
{
	struct queued *it = calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	memcpy(it->id.b, record->id.data, ID_SIZE);
	it->trace = trace_number(span_of(record->trace));
	it->held = merge_is_held(record);
	if (table_add(&q->items, &it->entry, id_hash(&it->id)) < 0) {
		free(it);
		return NULL;
	}
	queue_set_deadline(q, it, record);
	if (queue_place(q, it, record) < 0) {
		queue_drop(q, it);
		return NULL;
	}
	count_items(q);
	return it;
}

void queue_drop(struct queue *q, struct queued *it)
{
	agenda_remove(&q->deadlines, &it->deadline);
	while (it->attempts) {
		struct attempt *at = it->attempts;

		it->attempts = at->next;
		queue_attempt_free(at);
	}
	while (it->works)
		queue_work_drop(q, it, it->works);
	if (it->record)
		queue__item__free_unpacked(it->record, NULL);
	table_remove(&q->items, &it->entry);
	count_items(q);
	free(it);
}

static int load_item(void *queue, Queue__Item *item)
{
	struct queued *it = queue_add(queue, item);

	queue__item__free_unpacked(item, NULL);
	return it ? 0 : -POD_E_NOMEM;
}

int queue_load(struct queue *q, struct err *err)
{
	int r = shelf_each(q->shelf, NULL, load_item, q, err);

	if (r == 0)
		log_event(NULL, LOGL_INFO, "queue.loaded", F_UINT("messages", q->items.n));
	return r == -POD_E_NOMEM
	               ? err_set(err, POD_E_NOMEM, "no memory for %zu messages and more", q->items.n)
	               : r;
}

static void drop_entry(void *queue, struct table_entry *e)
{
	queue_drop(queue, item_of(e));
}

void queue_unload(struct queue *q)
{
	queue_commits_drop(q);
	while (!LIST_EMPTY(&q->attempts)) {
		LIST_FIRST(&q->attempts)->it->attempts = NULL;
		queue_attempt_free(LIST_FIRST(&q->attempts));
	}
	table_each(&q->items, drop_entry, q);
	table_done(&q->items);
	agenda_done(&q->deadlines);
	sched_done(&q->local);
	sched_done(&q->remote);
}
