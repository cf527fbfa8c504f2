#include "mta/queue/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mta/queue/report.h"
#include "mta/queue/report_item.h"
#include "mta/service/metrics.h"
#include "mta/smtp/smtp.h"

#define ARENA_MAX (8u << 20)

/* A report, or other mail from nobody, that failed: not to be lost without a word in the log. */
static bool is_double_bounce(const Queue__Item *item, const Queue__Recipient *r)
{
	return !*item->sender && r->state == QUEUE__STATE__FAILED && !(r->notify & SMTP_NOTIFY_NEVER);
}

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
			if (report_is_wanted(item, r, order[k].kind) || is_double_bounce(item, r))
				lines[n++] = (struct report_line){ r, order[k].kind };
		}
	return n;
}

/* Where the sender is to hear in his language: his own, his domain's, else the configured one. */
static const struct report_words *words_for(struct queue *q, struct arena *a, const char *to)
{
	const ProtobufCMessage *user = NULL, *domain = NULL;
	const struct report_words *w = NULL;

	if (directory_get(q->dir, a, DIRECTORY_USER, span_of(to), &user, NULL) == 0)
		w = report_words_of(((const Directory__User *) user)->language);
	if (!w && directory_get(q->dir, a, DIRECTORY_DOMAIN, queue_domain_of(to), &domain, NULL) == 0)
		w = report_words_of(((const Directory__Domain *) domain)->language);
	return w ? w : report_words_of(conf_language_name(q->conf->mta.dsn_language));
}

/* A report that cannot be delivered ends here: nobody is told, or the postmaster, who is not told of his own.
 */
static const char *receiver_of(const struct queue *q, const struct settle *st,
                               const struct report_line *lines, size_t n)
{
	if (*st->next->sender)
		return st->next->sender;
	for (size_t i = 0; i < n; i++)
		if (!q->conf->mta.double_bounces ||
		    span_starts_nocase(span_of(lines[i].rcpt->original), SPAN_LIT("postmaster")))
			return NULL;
	return "postmaster";
}

/* A message whose file is damaged away can still be reported on. */
static int open_body(struct queue *q, const Queue__Item *item, const struct guid *id, int *ret_fd,
                     struct err *err)
{
	int r = shelf_body(q->shelf, id, ret_fd, err);

	if (r != -POD_E_NOTFOUND)
		return r;
	log_event(NULL, LOGL_ERROR, "queue.body_missing", F_STR("trace", item->trace));
	*ret_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_errno(err, errno, "/dev/null") : 0;
}

static int make_report(struct queue *q, struct settle *st, const struct report_line *lines, size_t n,
                       struct shelf_change *change, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(ARENA_MAX);
	_cleanup_(closep) int fd = -1;
	struct merge_times t = queue_times(q);
	struct report rep = { .hostname = q->hostname,
		              .now_s = clock_wall_s(),
		              .until_s = merge_end_s(st->next, &t),
		              .item = st->next,
		              .lines = lines,
		              .n = n,
		              .body_fd = st->body_fd };
	struct guid id;
	int r = 0;

	rep.to = receiver_of(q, st, lines, n);
	if (!rep.to) {
		metric_add(M_DSN_DOUBLE_BOUNCES, 1);
		log_event(NULL, LOGL_WARNING, "dsn.double_bounce", F_STR("trace", st->next->trace),
		          F_STR("rcpt", lines[0].rcpt->address), F_STR("text", lines[0].rcpt->text));
		return 0;
	}
	rep.words = a ? words_for(q, a, rep.to) : NULL;
	memcpy(id.b, st->next->id.data, ID_SIZE);
	if (!a)
		r = err_set(err, POD_E_NOMEM, "no memory for a report");
	else if (rep.body_fd < 0 && st->body.p)
		r = shelf_memory_file(st->body, &fd, err);
	else if (rep.body_fd < 0)
		r = open_body(q, st->next, &id, &fd, err);
	if (r == 0 && rep.body_fd < 0)
		rep.body_fd = fd;
	return r < 0 ? r : queue_report_make(q, a, &rep, change, &st->report, err);
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
		change->over = st->summary != NULL;
		memcpy(change->removed.b, st->next->id.data, ID_SIZE);
		change->over_id = change->removed;
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
	p->again = st->again;
	p->size = st->next->size;
	if (st->body_fd < 0) {
		buf_add(&p->body, st->body);
		return p->body.failed ? -POD_E_NOMEM : 0;
	}
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
