/* A report as a message of the queue: where it goes, and what is written of it. */
#include "mta/queue/report_item.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mime/mime.h"
#include "mta/queue/own_mail.h"
#include "mta/service/metrics.h"
#include "mta/smtp/smtp.h"

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

/* Where a report goes: the sender, found as any recipient is. ret->n 0: nowhere. */
static int resolve_sender(struct queue *q, struct arena *a, const char *sender, struct directory_targets *ret,
                          struct err *err)
{
	int r = own_mail_resolve(q->dir, a, sender, ret, err);

	if (r == 0 || r == -POD_E_IO || r == -POD_E_NOMEM || r == -POD_E_CORRUPT)
		return r;
	*ret = (struct directory_targets){ 0 };
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

/* What became of it is told to nobody: it comes from nobody. */
static Queue__Item *new_item(struct report *rep, const struct directory_targets *targets)
{
	Queue__Item *item = calloc(1, sizeof(*item));

	if (!item)
		return NULL;
	queue__item__init(item);
	if (fill_report_item(item, targets, rep->to, rep->trace) == 0)
		return item;
	queue__item__free_unpacked(item, NULL);
	return NULL;
}

static void log_made(const struct report *rep)
{
	static const char *const events[] = { [REPORT_FAILED] = "dsn.failed",
		                              [REPORT_DELAYED] = "dsn.delayed",
		                              [REPORT_DELIVERED] = "dsn.delivered",
		                              [REPORT_RELAYED] = "dsn.relayed",
		                              [REPORT_EXPANDED] = "dsn.expanded" };

	metric_add(M_DSN_SENT, 1);
	log_event(NULL, LOGL_INFO, events[rep->lines[0].kind], F_STR("trace", rep->item->trace),
	          F_STR("report", rep->trace), F_STR("to", rep->to), F_UINT("recipients", rep->n));
}

int queue_report_make(struct queue *q, struct arena *a, struct report *rep, struct shelf_change *change,
                      Queue__Item **ret_item, struct err *err)
{
	_cleanup_buf_ struct buf body = BUF_INIT;
	struct directory_targets targets;
	char trace[TRACE_ID_SIZE];
	bool utf8, body8;
	Queue__Item *item;
	int r = resolve_sender(q, a, rep->to, &targets, err);

	if (r == 0 && targets.n == 0) {
		log_event(NULL, LOGL_WARNING, "dsn.discarded", F_STR("trace", rep->item->trace),
		          F_STR("to", rep->to), F_STR("error", "there is no such address"));
		return 0;
	}
	trace_id_new(trace);
	rep->trace = trace;
	if (r == 0)
		r = report_write(rep, &body, &utf8, &body8, err);
	item = r == 0 ? new_item(rep, &targets) : NULL;
	if (!item)
		return r < 0 ? r : err_set(err, POD_E_NOMEM, "no memory for a report");
	item->utf8 = utf8;
	item->body8 = body8;
	item->own = true;
	if (put_report(change, item, &body, a) < 0) {
		queue__item__free_unpacked(item, NULL);
		return err_set(err, POD_E_NOMEM, "no memory for a report");
	}
	log_made(rep);
	*ret_item = item;
	return 0;
}
