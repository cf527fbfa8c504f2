#include "mta/queue/internal.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mime/mime.h"
#include "mta/queue/report.h"

#define ARENA_MAX (8u << 20)

/* What the report speaks of: failures first, then the others. */
static size_t gather_lines(const struct settle *st, struct report_line *lines)
{
	static const struct {
		Queue__State state;
		enum report_kind kind;
	} order[] = {
		{ QUEUE__STATE__FAILED, REPORT_FAILED },     { QUEUE__STATE__WAITING, REPORT_DELAYED },
		{ QUEUE__STATE__OUTBOUND, REPORT_DELAYED },  { QUEUE__STATE__RELAYED, REPORT_RELAYED },
		{ QUEUE__STATE__EXPANDED, REPORT_EXPANDED }, { QUEUE__STATE__DELIVERED, REPORT_DELIVERED }
	};
	const Queue__Item *item = st->next;
	size_t n = 0;

	for (size_t k = 0; k < ARRAY_SIZE(order); k++)
		for (size_t i = 0; i < item->n_recipients; i++) {
			const Queue__Recipient *r = item->recipients[i];

			if (r->state != order[k].state ||
			    (order[k].kind == REPORT_DELAYED && st->late == MERGE_IN_TIME))
				continue;
			if (report_is_wanted(item, r, order[k].kind))
				lines[n++] = (struct report_line){ r, order[k].kind };
		}
	return n;
}

static Queue__Recipient *report_recipient(const struct directory_target *t, const char *original)
{
	Queue__Recipient *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	queue__recipient__init(r);
	r->state = t->kind == TARGET_MAILBOX ? QUEUE__STATE__WAITING : QUEUE__STATE__OUTBOUND;
	if (queue_set_text(&r->address, t->address) < 0 || queue_set_text(&r->original, original) < 0) {
		queue__recipient__free_unpacked(r, NULL);
		return NULL;
	}
	return r;
}

/* Where a report goes: the sender, found as any recipient is. *ret_n 0: nowhere. */
static int resolve_sender(struct queue *q, struct arena *a, const char *sender, struct directory_targets *ret,
                          struct err *err)
{
	struct directory_target *remote;
	int r = directory_resolve(q->dir, a, span_of(sender), ret, err);

	if (r == 0 || r == -POD_E_IO || r == -POD_E_NOMEM || r == -POD_E_CORRUPT)
		return r;
	*ret = (struct directory_targets){ 0 };
	if (r != -POD_E_UNSUPPORTED)
		return 0;
	remote = arena_new(a, struct directory_target);
	if (!remote)
		return err_set(err, POD_E_NOMEM, "no memory for a report");
	remote->kind = TARGET_REMOTE;
	remote->address = sender;
	*ret = (struct directory_targets){ remote, 1 };
	return 0;
}

static int fill_report_item(Queue__Item *item, const struct directory_targets *t, const char *sender,
                            const char *trace)
{
	struct guid id = guid_new();

	item->id.data = malloc(ID_SIZE);
	item->recipients = calloc(t->n, sizeof(Queue__Recipient *));
	if (!item->id.data || !item->recipients || queue_set_text(&item->trace, trace) < 0)
		return -POD_E_NOMEM;
	memcpy(item->id.data, id.b, ID_SIZE);
	item->id.len = ID_SIZE;
	for (size_t i = 0; i < t->n; i++) {
		Queue__Recipient *r = report_recipient(&t->items[i], sender);

		if (!r)
			return -POD_E_NOMEM;
		item->recipients[item->n_recipients++] = r;
	}
	item->arrived_s = clock_wall_s();
	queue_item_set_parts(item);
	return 0;
}

static int put_report(struct shelf_change *change, Queue__Item *item, struct buf *body, struct arena *a)
{
	struct mime_summary ms;
	Queue__Summary sum = QUEUE__SUMMARY__INIT;
	struct shelf_put *p;
	uint8_t *to;

	item->size = body->len;
	if (mime_summarize(a, buf_span(body), &ms) < 0)
		return -POD_E_NOMEM;
	queue_summary_set(&sum, &ms);
	p = shelf_change_put(change, item);
	to = p ? buf_reserve(&p->summary, queue__summary__get_packed_size(&sum)) : NULL;
	if (!to)
		return -POD_E_NOMEM;
	p->summary.len = queue__summary__pack(&sum, to);
	p->is_new = true;
	p->body = *body;
	p->size = body->len;
	*body = BUF_INIT;
	return 0;
}

static int make_report(struct queue *q, struct settle *st, const struct report_line *lines, size_t n,
                       struct shelf_change *change, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	_cleanup_buf_ struct buf body = BUF_INIT;
	struct directory_targets targets;
	char trace[TRACE_ID_SIZE];
	Queue__Item *item;
	int r = a ? resolve_sender(q, a, st->next->sender, &targets, err) : -POD_E_NOMEM;

	if (r == 0 && targets.n == 0) {
		log_event(NULL, LOGL_WARNING, "report.discarded", F_STR("trace", st->next->trace),
		          F_STR("sender", st->next->sender), F_STR("error", "the sender does not exist"));
		return 0;
	}
	trace_id_new(trace);
	if (r == 0)
		r = report_write(&(struct report){ .hostname = q->hostname,
		                                   .trace = trace,
		                                   .now_s = clock_wall_s(),
		                                   .item = st->next,
		                                   .lines = lines,
		                                   .n = n,
		                                   .body_fd = st->body_fd },
		                 &body, err);
	item = r == 0 ? calloc(1, sizeof(*item)) : NULL;
	if (!item)
		return r < 0 ? r : err_set(err, POD_E_NOMEM, "no memory for a report");
	queue__item__init(item);
	r = fill_report_item(item, &targets, st->next->sender, trace);
	if (r == 0)
		r = put_report(change, item, &body, a);
	if (r < 0) {
		queue__item__free_unpacked(item, NULL);
		return err_set(err, POD_E_NOMEM, "no memory for a report");
	}
	log_event(NULL, LOGL_INFO, "report.made", F_STR("trace", st->next->trace), F_STR("report", trace),
	          F_STR("to", st->next->sender), F_UINT("recipients", n));
	st->report = item;
	return 0;
}

/* Those that are over leave the item. */
static void strip(Queue__Item *item)
{
	size_t kept = 0;

	for (size_t i = 0; i < item->n_recipients; i++) {
		Queue__Recipient *r = item->recipients[i];

		if (merge_is_open(r))
			item->recipients[kept++] = r;
		else
			queue__recipient__free_unpacked(r, NULL);
	}
	item->n_recipients = kept;
}

static int put_next(struct settle *st, struct shelf_change *change)
{
	struct shelf_put *p;
	uint8_t *to;

	st->stays = st->next->n_recipients > 0;
	if (!st->stays) {
		change->remove = !st->summary;
		memcpy(change->removed.b, st->next->id.data, ID_SIZE);
		return 0;
	}
	p = shelf_change_put(change, st->next);
	if (!p || !st->summary)
		return p ? 0 : -POD_E_NOMEM;
	to = buf_reserve(&p->summary, queue__summary__get_packed_size(st->summary));
	if (!to)
		return -POD_E_NOMEM;
	p->summary.len = queue__summary__pack(st->summary, to);
	p->is_new = true;
	p->size = st->next->size;
	p->body_fd = dup(st->body_fd);
	return p->body_fd < 0 ? -POD_E_NOMEM : 0;
}

int queue_settle(struct queue *q, struct settle *st, struct shelf_change **ret_change, struct err *err)
{
	struct shelf_change *change = shelf_change_new();
	_cleanup_(freep) struct report_line *lines = calloc(st->next->n_recipients + 1, sizeof(*lines));
	int r = change && lines ? 0 : -POD_E_NOMEM;
	size_t n = r == 0 ? gather_lines(st, lines) : 0;

	st->report = NULL;
	if (n)
		r = make_report(q, st, lines, n, change, err);
	if (r == 0) {
		strip(st->next);
		r = put_next(st, change);
		if (r < 0)
			(void) err_set(err, POD_E_NOMEM, "no memory for the queue");
	}
	if (r < 0) {
		if (st->report)
			queue__item__free_unpacked(st->report, NULL);
		st->report = NULL;
		shelf_change_free(change);
		return r;
	}
	*ret_change = change;
	return 0;
}
