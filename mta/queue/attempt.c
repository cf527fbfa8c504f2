/* One attempt at a message: its waiting recipients looked up anew, a DELIVER to each of their volumes. */
#include "mta/queue/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mta/deliver/deliver.h"
#include "mta/service/metrics.h"
#include "storeproto/frame.h"

#define ARENA_MAX (16u << 20)
#define LATE_AFTER_S (4 * 3600) /* the sender hears that it waits */

struct attempt;

/* What one volume gets. */
struct part {
	struct attempt *at;
	const char *volume;
	struct deliver_mailbox *mailboxes;
	size_t *rcpt_of; /* index into next->recipients */
	size_t n, cap;
};

struct attempt {
	struct queue *q;
	struct queued *it;
	struct arena *arena;
	Queue__Item *next; /* the record as it will be */
	int body_fd;
	Queue__Summary *summary;
	struct part *parts;
	size_t n_parts, cap_parts, pending;
	struct settle settle;
};

static void attempt_free(struct attempt *at)
{
	if (at->summary)
		queue__summary__free_unpacked(at->summary, NULL);
	if (at->next)
		queue__item__free_unpacked(at->next, NULL);
	closep(&at->body_fd);
	(void) arena_free(at->arena);
	free(at);
}

/* ---- the end: what came of it becomes durable ---- */

static void postpone(struct queue *q, struct queued *it)
{
	const struct mta_conf *c = &q->conf->mta;

	it->record->next_ms = clock_wall_ms() + (int64_t) queue_backoff_ms(1, c->queue_retry_min_ms, c->queue_retry_max_ms, 0);
}

static void on_committed(void *arg, struct shelf_change *change, int r, const struct err *err)
{
	struct attempt *at = arg;
	struct queue *q = at->q;
	struct queued *it = at->it;

	if (r < 0) {
		/* Nothing changed: what was delivered is delivered again, and the store recognises it. */
		log_event(NULL, LOGL_ERROR, "queue.commit_failed", F_STR("trace", it->record->trace), F_ERR(err));
		postpone(q, it);
		if (at->settle.report)
			queue__item__free_unpacked(at->settle.report, NULL);
	} else {
		if (at->settle.report)
			(void) queue_add(q, at->settle.report);
		if (at->settle.stays) {
			queue__item__free_unpacked(it->record, NULL);
			it->record = take_ptr(at->next);
		}
	}
	queue_end(q, it);
	if (r == 0 && !at->settle.stays) {
		log_event(NULL, LOGL_INFO, "queue.done", F_STR("trace", it->record->trace));
		queue_drop(q, it);
	}
	attempt_free(at);
}

static bool still_waits(const Queue__Recipient *r)
{
	return r->state == QUEUE__STATE__WAITING;
}

static void expire(struct attempt *at)
{
	for (size_t i = 0; i < at->next->n_recipients; i++) {
		Queue__Recipient *r = at->next->recipients[i];

		if (!still_waits(r))
			continue;
		r->state = QUEUE__STATE__FAILED;
		log_event(NULL, LOGL_WARNING, "rcpt.expired", F_STR("trace", at->next->trace), F_STR("rcpt", r->address));
	}
}

static void attempt_end(struct attempt *at)
{
	const struct mta_conf *c = &at->q->conf->mta;
	int64_t age_s = clock_wall_s() - at->next->arrived_s;
	struct shelf_change *change;
	struct err err = { 0 };
	uint32_t dice;

	random_bytes(&dice, sizeof(dice));
	at->next->attempts++;
	at->next->next_ms = clock_wall_ms() + (int64_t) queue_backoff_ms(at->next->attempts, c->queue_retry_min_ms,
	                                                                 c->queue_retry_max_ms, dice);
	if (age_s * 1000 >= (int64_t) c->queue_lifetime_ms)
		expire(at);
	at->settle = (struct settle){ .next = at->next, .body_fd = at->body_fd };
	at->settle.late = !at->next->warned && age_s >= LATE_AFTER_S;
	at->next->warned = at->next->warned || at->settle.late;
	if (queue_settle(at->q, &at->settle, &change, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "queue.settle_failed", F_STR("trace", at->next->trace), F_ERR(&err));
		postpone(at->q, at->it);
		queue_end(at->q, at->it);
		attempt_free(at);
		return;
	}
	change->done = on_committed;
	change->arg = at;
	shelf_commit(at->q->shelf, change);
}

/* ---- the middle: what volumes say ---- */

static void note(struct attempt *at, size_t no, int code, const char *text)
{
	Queue__Recipient *r = at->next->recipients[no];
	enum deliver_verdict v = deliver_judge(code);

	r->code = (uint32_t) abs(code);
	/* Without memory for the words the recipient keeps the old ones. */
	(void) queue_set_text(&r->text, text && *text ? text : code ? err_code_text(code) : "");
	if (v == DELIVER_DONE)
		r->state = QUEUE__STATE__DELIVERED;
	else if (v == DELIVER_REFUSE)
		r->state = QUEUE__STATE__FAILED;
	metric_add(v == DELIVER_DONE ? M_QUEUE_DELIVERED : v == DELIVER_REFUSE ? M_QUEUE_FAILED : M_QUEUE_DEFERRED, 1);
	log_event(NULL, LOGL_INFO, v == DELIVER_DONE ? "rcpt.delivered" : v == DELIVER_REFUSE ? "rcpt.failed" : "rcpt.deferred",
	          F_STR("trace", at->next->trace), F_STR("rcpt", r->address), F_STR("text", r->text));
}

static void on_delivered(void *arg, const struct deliver_result *results, size_t n)
{
	struct part *p = arg;
	struct attempt *at = p->at;

	for (size_t i = 0; i < p->n; i++) {
		int code = results ? results[i].code : -POD_E_UNAVAILABLE;

		note(at, p->rcpt_of[i], code, results ? results[i].text : "");
		if (deliver_judge(code) == DELIVER_QUEUE) {
			bool one = at->n_parts == 1;

			(void) snprintf(at->it->waits_for, sizeof(at->it->waits_for), "%s", one ? p->volume : "");
		}
	}
	if (--at->pending == 0)
		attempt_end(at);
}

static void part_fail(struct part *p, int code, const char *text)
{
	for (size_t i = 0; i < p->n; i++)
		note(p->at, p->rcpt_of[i], code, text);
}

/* A small message travels in the frame, a larger one as a descriptor. */
static int message_of(struct attempt *at, struct deliver_message *m, struct err *err)
{
	memcpy(m->id.b, at->next->id.data, ID_SIZE);
	m->trace = at->next->trace;
	m->sender = span_of(at->next->sender);
	m->size = at->next->size;
	m->arrived_s = at->next->arrived_s;
	m->fd = at->body_fd;
	m->blob = SPAN_NONE;
	if (m->size <= FRAME_BLOB_INLINE_MAX) {
		uint8_t *bytes = arena_alloc(at->arena, m->size + 1);
		ssize_t n = bytes ? pread(at->body_fd, bytes, m->size, 0) : -1;

		if (n < 0 || (uint64_t) n != m->size)
			return err_set(err, POD_E_CORRUPT, "the queued message's file cannot be read whole");
		m->blob = span_make(bytes, m->size);
		m->fd = -1;
	}
	return 0;
}

static void start_parts(struct attempt *at, const struct deliver_message *m)
{
	at->pending = 1; /* so that an answer inside the loop does not end it */
	for (size_t i = 0; i < at->n_parts; i++) {
		struct part *p = &at->parts[i];
		struct err err = { 0 };
		struct store_client *c = store_pool_get(at->q->pool, p->volume, &err);

		at->pending++;
		if (!c || !deliver_start(c, m, p->mailboxes, p->n, (unsigned int) at->q->conf->mta.store_timeout_ms,
		                         on_delivered, p)) {
			at->pending--;
			part_fail(p, -POD_E_UNAVAILABLE, c ? "out of memory" : err_text(&err));
		}
	}
	if (--at->pending == 0)
		attempt_end(at);
}

/* ---- the start: who waits, and where they live now ---- */

static struct part *part_for(struct attempt *at, const char *volume)
{
	struct part *grown;

	for (size_t i = 0; i < at->n_parts; i++)
		if (strcmp(at->parts[i].volume, volume) == 0)
			return &at->parts[i];
	if (at->n_parts == at->cap_parts) {
		grown = arena_grow(at->arena, at->parts, at->n_parts, at->cap_parts ? 2 * at->cap_parts : 4, sizeof(*grown));
		if (!grown)
			return NULL;
		at->cap_parts = at->cap_parts ? 2 * at->cap_parts : 4;
		at->parts = grown;
	}
	at->parts[at->n_parts] = (struct part){ .at = at, .volume = volume };
	return &at->parts[at->n_parts++];
}

static int part_add(struct attempt *at, struct part *p, const char *user_id, const char *detail, size_t no)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 4;
		struct deliver_mailbox *m = arena_grow(at->arena, p->mailboxes, p->n, cap, sizeof(*m));
		size_t *of = arena_grow(at->arena, p->rcpt_of, p->n, cap, sizeof(*of));

		if (!m || !of)
			return -POD_E_NOMEM;
		p->mailboxes = m;
		p->rcpt_of = of;
		p->cap = cap;
	}
	p->mailboxes[p->n] = (struct deliver_mailbox){ user_id, detail };
	p->rcpt_of[p->n++] = no;
	return 0;
}

static int place(struct attempt *at, size_t no)
{
	const Queue__Recipient *rcpt = at->next->recipients[no];
	struct directory_user user;
	struct err err = { 0 };
	struct part *p;
	int r = directory_user_find(at->q->dir, at->arena, span_of(rcpt->address), &user, &err);

	if (r == -POD_E_NOMEM)
		return r;
	if (r < 0) {
		/* Gone since it was accepted: NOTFOUND fails for good; suspended mailboxes may come back. */
		note(at, no, r == -POD_E_DENIED ? -POD_E_BUSY : r, err_text(&err));
		return 0;
	}
	p = part_for(at, user.volume);
	return p ? part_add(at, p, user.user_id, rcpt->detail, no) : -POD_E_NOMEM;
}

static int place_all(struct attempt *at, struct err *err)
{
	for (size_t i = 0; i < at->next->n_recipients; i++)
		if (still_waits(at->next->recipients[i]) && place(at, i) < 0)
			return err_set(err, POD_E_NOMEM, "no memory for an attempt");
	return 0;
}

static int prepare(struct attempt *at, struct deliver_message *m, struct err *err)
{
	int r;

	at->arena = arena_create(ARENA_MAX);
	at->next = queue_item_copy(at->it->record);
	if (!at->arena || !at->next)
		return err_set(err, POD_E_NOMEM, "no memory for an attempt");
	r = shelf_body(at->q->shelf, &at->it->id, &at->body_fd, err);
	if (r == 0)
		r = shelf_summary(at->q->shelf, &at->it->id, &at->summary, err);
	if (r == 0)
		r = place_all(at, err);
	return r < 0 ? r : message_of(at, m, err);
}

void queue_attempt(struct queue *q, struct queued *it)
{
	struct attempt *at = calloc(1, sizeof(*at));
	Podstore__Summary summary = PODSTORE__SUMMARY__INIT;
	struct deliver_message m = { .summary = &summary };
	struct err err = { 0 };

	if (!at) {
		postpone(q, it);
		queue_reconsider(q, it);
		return;
	}
	*at = (struct attempt){ .q = q, .it = it, .body_fd = -1 };
	it->waits_for[0] = '\0';
	queue_begin(q, it);
	if (prepare(at, &m, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "queue.attempt_failed", F_STR("trace", it->record->trace), F_ERR(&err));
		postpone(q, it);
		queue_end(q, it);
		attempt_free(at);
		return;
	}
	summary.envelope = at->summary->envelope;
	summary.bodystructure = at->summary->bodystructure;
	summary.parts = at->summary->parts;
	summary.headers = at->summary->headers;
	start_parts(at, &m);
}
