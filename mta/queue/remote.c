/* An attempt at another server, made by the outbound processes: a job there, and what its result means here.
 */
#include "mta/queue/internal.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mta/service/metrics.h"

#define JOB_TARGETS_MAX 100

/* Generated structs want pointers to char that they never write through. */
static char *unconst(const char *s)
{
	return (char *) (uintptr_t) s;
}

static const struct {
	Queue__State state;
	enum mta_metric metric;
	const char *event;
} outcomes[] = {
	[OUTBOUND__STATE__DEFERRED] = { QUEUE__STATE__OUTBOUND, M_QUEUE_DEFERRED, "rcpt.deferred" },
	[OUTBOUND__STATE__DELIVERED] = { QUEUE__STATE__PASSED, M_QUEUE_DELIVERED, "rcpt.sent" },
	[OUTBOUND__STATE__RELAYED] = { QUEUE__STATE__RELAYED, M_QUEUE_DELIVERED, "rcpt.sent" },
	[OUTBOUND__STATE__FAILED] = { QUEUE__STATE__FAILED, M_QUEUE_FAILED, "rcpt.failed" },
};

static const enum sched_outcome troubles[] = {
	[OUTBOUND__TROUBLE__NONE] = SCHED_OK,       [OUTBOUND__TROUBLE__LOCAL] = SCHED_NOTHING,
	[OUTBOUND__TROUBLE__LOOKUP] = SCHED_DOWN,   [OUTBOUND__TROUBLE__UNREACHABLE] = SCHED_DOWN,
	[OUTBOUND__TROUBLE__GREETING] = SCHED_DOWN, [OUTBOUND__TROUBLE__CLOSING] = SCHED_LESS,
	[OUTBOUND__TROUBLE__RATE] = SCHED_SLOWER,   [OUTBOUND__TROUBLE__TLS] = SCHED_DOWN,
	[OUTBOUND__TROUBLE__AUTH] = SCHED_DOWN,
};

static const char *keep(struct attempt *at, const char *s)
{
	const char *copy = arena_str(at->arena, span_of(s));

	return copy ? copy : "";
}

static void note(struct attempt *at, struct said *s, const Outbound__Outcome *o)
{
	size_t k = (size_t) o->state < ARRAY_SIZE(outcomes) ? (size_t) o->state : 0;

	s->state = outcomes[k].state;
	s->reply = o->code;
	s->status = keep(at, o->enhanced);
	s->text = keep(at, o->text);
	s->remote = keep(at, o->mta);
	metric_add(outcomes[k].metric, 1);
	log_event(NULL, LOGL_INFO, outcomes[k].event, F_STR("trace", at->it->record->trace),
	          F_STR("rcpt", s->address), F_STR("destination", at->work->unit.lane->name),
	          F_STR("remote", s->remote), F_UINT("code", o->code), F_STR("status", s->status),
	          F_STR("text", s->text));
}

static void on_result(void *arg, const Outbound__Result *result)
{
	struct attempt *at = arg;
	const Outbound__Feedback *f = result->feedback;
	struct lane *lane = at->work->unit.lane;
	size_t trouble = (size_t) f->trouble < ARRAY_SIZE(troubles) ? (size_t) f->trouble : 0;
	enum sched_outcome outcome = troubles[trouble];

	at->outbound_call = NULL;
	for (size_t i = 0; i < at->n && i < result->n_outcomes; i++)
		note(at, &at->said[i], result->outcomes[i]);
	if (f->recipients_max)
		lane->recipients_max = f->recipients_max;
	if (outcome > SCHED_OK)
		log_event(NULL, LOGL_NOTICE, "destination.trouble", F_STR("destination", lane->name),
		          F_STR("host", f->host), F_STR("address", f->address), F_STR("text", f->text));
	queue_attempt_end(at, outcome, *f->text ? f->text : at->n ? at->said[0].text : "");
}

static size_t targets_max(const struct lane *lane)
{
	return lane->recipients_max && lane->recipients_max < JOB_TARGETS_MAX ? lane->recipients_max
	                                                                      : JOB_TARGETS_MAX;
}

static bool is_of(const struct attempt *at, const Queue__Recipient *r)
{
	const struct unit *u = &at->work->unit;

	return r->state == QUEUE__STATE__OUTBOUND && r->part == u->part &&
	       span_eq_nocase(queue_domain_of(r->address), span_of(u->lane->name));
}

static int add_target(struct attempt *at, Outbound__Job *job, const Queue__Recipient *r)
{
	Outbound__Target *t = arena_new(at->arena, Outbound__Target);

	if (!t || !queue_attempt_add(at, r))
		return -POD_E_NOMEM;
	if (!job->n_targets)
		at->first = r;
	outbound__target__init(t);
	t->address = r->address;
	t->orcpt = r->orcpt;
	t->notify = r->notify;
	job->targets[job->n_targets++] = t;
	return 0;
}

/* Those whose time has come; where none's has, somebody is in a hurry, and all go. */
static int add_targets(struct attempt *at, Outbound__Job *job, int64_t due_ms)
{
	const Queue__Item *item = at->it->record;
	size_t max = targets_max(at->work->unit.lane);

	job->targets = arena_array(at->arena, max, sizeof(*job->targets));
	if (!job->targets)
		return -POD_E_NOMEM;
	for (size_t i = 0; i < item->n_recipients && job->n_targets < max; i++)
		if (is_of(at, item->recipients[i]) && item->recipients[i]->next_ms <= due_ms &&
		    !queue_is_closing(at->it, i) && add_target(at, job, item->recipients[i]) < 0)
			return -POD_E_NOMEM;
	return job->n_targets || due_ms == INT64_MAX ? 0 : add_targets(at, job, INT64_MAX);
}

/*
 * Mail of a sender elsewhere that an alias or group of ours sends on comes from us: its envelope sender is
 * one that leads back to him. All targets of a work came by aliases of one domain, or none did. Where there
 * is no rewriting it, he stays who he is.
 */
static char *sender_of(struct attempt *at, const Queue__Recipient *first)
{
	const Queue__Item *item = at->it->record;
	struct address sender, rewritten;
	struct err err = { 0 };
	struct span text;
	char *copy;

	if (!at->q->srs || !first->forwarded || !*item->sender ||
	    directory_domain_find(at->q->dir, queue_domain_of(item->sender), NULL) == 0 ||
	    address_parse_path(at->arena, span_of(item->sender), true, &sender, NULL) < 0)
		return item->sender;
	if (srs_forward(at->q->srs, at->arena, &sender, queue_domain_of(first->original), clock_wall_s(),
	                &rewritten, &err) < 0) {
		log_event(NULL, LOGL_WARNING, "queue.sender_kept", F_STR("trace", item->trace), F_ERR(&err));
		return item->sender;
	}
	text = address_format(at->arena, &rewritten);
	copy = text.p ? arena_str(at->arena, text) : NULL;
	return copy ? copy : item->sender;
}

static void fill_job(struct attempt *at, Outbound__Job *job)
{
	const Queue__Item *item = at->it->record;

	job->id = item->id;
	job->trace = item->trace;
	job->sender = sender_of(at, at->first);
	job->envid = item->envid;
	job->ret = item->ret_full   ? OUTBOUND__RET__RET_FULL
	           : item->ret_hdrs ? OUTBOUND__RET__RET_HDRS
	                            : OUTBOUND__RET__RET_UNSAID;
	job->utf8 = item->utf8;
	job->body8 = item->body8;
	job->size = item->size;
	job->require_tls = item->require_tls;
	job->own = item->own;
	job->priority = item->priority;
	job->destination = unconst(at->work->unit.lane->name);
	if (item->by && item->by->at_s && !item->by->told) {
		job->by_mode =
			item->by->give_up ? OUTBOUND__BY_MODE__BY_RETURN : OUTBOUND__BY_MODE__BY_NOTIFY;
		job->by_trace = item->by->tell_relay;
		job->by_deadline_ms = item->by->at_s * 1000;
	}
}

static int ask(struct attempt *at, Outbound__Job *job, struct err *err)
{
	struct span body = SPAN_NONE;
	int r = shelf_body_in_memory(at->q->shelf, &at->it->id, &body)
	                ? 0
	                : shelf_body(at->q->shelf, &at->it->id, &at->body_fd, err);

	if (r < 0)
		return r;
	fill_job(at, job);
	at->outbound_call = outbound_send(at->q->outbound, job, body, at->body_fd, on_result, at);
	return at->outbound_call ? 0 : err_set(err, POD_E_NOMEM, "no memory for a job");
}

void queue_try_remote(struct queue *q, struct work *w)
{
	struct attempt *at = queue_attempt_begin(q, w);
	Outbound__Job job = OUTBOUND__JOB__INIT;
	struct err err = { 0 };
	int r;

	if (!at)
		return;
	r = at->arena && add_targets(at, &job, clock_wall_ms() + 1000) == 0
	            ? 0
	            : err_set(&err, POD_E_NOMEM, "no memory for an attempt");
	if (r == 0 && !job.n_targets) {
		queue_attempt_end(at, SCHED_NOTHING, NULL); /* removed meanwhile */
		return;
	}
	if (r == 0)
		r = ask(at, &job, &err);
	if (r < 0)
		queue_attempt_fail(at, &err);
}
