/*
 * The queue's part in the safety net (mta/safetynet): once a second it looks at what is kept of each volume. What the
 * standbys have goes, what a promoted standby may lack becomes a message of the queue again, with the GUID it has.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "mta/queue/control_internal.h"
#include "mta/queue/safety_flush.h"
#include "mta/service/metrics.h"
#include "mta/smtp/smtp.h"

#define SWEEP_S 1
#define CLEAN_S 600 /* between looks for drafts; those that are older are nobody's any more */
#define LOOK_AT 20000 /* entries of a volume in one turn */
#define AGAIN_AT_ONCE 200 /* of them delivered again in one turn */
#define SWEEP_ARENA (16u << 20)
#define MESSAGE_ARENA (48u << 20)

struct queue_safety {
	struct queue *q;
	struct event *timer;
	size_t kept; /* as of the last turn, for the metric */
	uint64_t bytes;
	int64_t newest_ms; /* of them */
	struct safety_flush *flush;
	uint64_t clean_ms; /* when drafts are looked for again */
	size_t under_way; /* entries that are being made messages of the queue */
};

/* One that is being put into the queue again. */
struct again {
	struct queue_safety *s;
	char *volume;
	struct safetynet_entry entry;
	Queue__Submission *submission;
	struct settle settle;
	int body_fd;
};

static void again_free(struct again *a)
{
	if (a->submission)
		queue__submission__free_unpacked(a->submission, NULL);
	closep(&a->body_fd);
	free(a->volume);
	free(a);
}

static void on_committed(void *arg, struct shelf_change *change, int r, const struct err *err)
{
	struct again *a = arg;
	struct queue *q = a->s->q;

	a->s->under_way--;
	if (r == 0 && !queue_add(q, a->settle.next))
		log_event(NULL, LOGL_ERROR, "queue.no_memory", F_STR("trace", a->settle.next->trace));
	if (r == 0) {
		metric_add(M_SAFETY_AGAIN, 1);
		log_event(NULL, LOGL_NOTICE, "safetynet.again", F_STR("trace", a->settle.next->trace),
		          F_STR("volume", a->volume), F_STR("sender", a->settle.next->sender));
		safetynet_forget(q->conf->mta.queue_dir, a->volume, &a->entry);
		queue_pump(q);
	} else if (r != -POD_E_EXISTS) {
		log_event(NULL, LOGL_ERROR, "safetynet.failed", F_STR("volume", a->volume), F_ERR(err));
	}
	again_free(a);
}

/* Its sender has had the answer: whatever happens now, he is not told a second time. */
static void make_quiet(Queue__Item *item)
{
	for (size_t i = 0; i < item->n_recipients; i++) {
		item->recipients[i]->state = QUEUE__STATE__WAITING;
		item->recipients[i]->notify = SMTP_NOTIFY_NEVER;
	}
}

static int read_kept(struct again *a, struct err *err)
{
	_cleanup_(arena_freep) struct arena *arena = arena_create(MESSAGE_ARENA);
	struct span envelope;
	int r = arena ? safetynet_open(a->s->q->conf->mta.queue_dir, a->volume, &a->entry, arena, &envelope, &a->body_fd, err)
	              : err_set(err, POD_E_NOMEM, "safety net");

	if (r < 0)
		return r;
	a->submission = queue__submission__unpack(NULL, envelope.len, envelope.p);
	if (!a->submission || !a->submission->item || !a->submission->summary || a->submission->item->id.len != ID_SIZE ||
	    !a->submission->item->n_recipients)
		return err_set(err, POD_E_CORRUPT, "an envelope in the safety net cannot be read");
	make_quiet(a->submission->item);
	return 0;
}

/* As a submission is, but for who hands it in. */
static int deliver_again(struct queue_safety *s, const char *volume, const struct safetynet_entry *e, struct err *err)
{
	struct again *a = calloc(1, sizeof(*a));
	struct shelf_change *change;
	int r;

	if (!a)
		return err_set(err, POD_E_NOMEM, "safety net");
	*a = (struct again){ .s = s, .volume = strdup(volume), .entry = *e, .body_fd = -1 };
	r = a->volume ? read_kept(a, err) : err_set(err, POD_E_NOMEM, "safety net");
	if (r == 0) {
		a->settle = (struct settle){ .next = a->submission->item, .body_fd = a->body_fd,
			                     .summary = a->submission->summary,
			                     .again = true };
		r = queue_settle(s->q, &a->settle, &change, err);
	}
	if (r < 0) {
		again_free(a);
		return r;
	}
	change->done = on_committed;
	change->arg = a;
	s->under_way++;
	shelf_commit(s->q->shelf, change);
	return 0;
}

/* ---- a turn ---- */

struct turn {
	struct queue_safety *s;
	struct arena *a;
	const char *volume;
	struct safetynet_mark mark;
	uint64_t token;
	bool known; /* the volume is in the directory */
	size_t kept, again;
	uint64_t bytes; /* kept */
	int64_t now_ms, oldest_ms;
};

static void lose(const struct turn *t, const struct safetynet_entry *e, const char *why)
{
	metric_add(M_SAFETY_LOST, 1);
	log_event(NULL, LOGL_WARNING, "safetynet.dropped", F_STR("volume", t->volume), F_STR("why", why),
	          F_UINT("age_s", (t->now_ms - e->acked_ms) / 1000));
	safetynet_forget(t->s->q->conf->mta.queue_dir, t->volume, e);
}

static void keep(struct turn *t, const struct safetynet_entry *e)
{
	t->kept++;
	t->bytes += e->size;
	if (e->acked_ms > t->s->newest_ms)
		t->s->newest_ms = e->acked_ms;
}

/* One that is in the queue for others of its recipients comes back when it has left. */
static void try_again(struct turn *t, const struct safetynet_entry *e)
{
	struct err err = { 0 };
	int r;

	keep(t, e);
	if (t->again >= AGAIN_AT_ONCE || t->s->under_way >= AGAIN_AT_ONCE || queue_find(t->s->q, &e->id))
		return;
	t->again++;
	r = deliver_again(t->s, t->volume, e, &err);
	if (r == 0)
		return;
	log_event(NULL, LOGL_ERROR, "safetynet.failed", F_STR("volume", t->volume), F_ERR(&err));
	if (r == -POD_E_CORRUPT)
		lose(t, e, "cannot be read");
}

static void look_at(struct turn *t, const struct safetynet_entry *e, uint64_t bytes_left)
{
	const struct mta_conf *conf = &t->s->q->conf->mta;

	switch (t->known ? safetynet_judge(e, &t->mark, t->token) : SAFETYNET_GOES) {
	case SAFETYNET_GOES: safetynet_forget(conf->queue_dir, t->volume, e); return;
	case SAFETYNET_AGAIN: try_again(t, e); return;
	case SAFETYNET_STAYS: break;
	}
	if (bytes_left > conf->safetynet_size) {
		lose(t, e, "too much is kept");
	} else if (t->now_ms - e->acked_ms > (int64_t) conf->safetynet_keep_ms) {
		lose(t, e, "kept too long");
	} else {
		keep(t, e);
		if (!t->oldest_ms)
			t->oldest_ms = e->acked_ms;
	}
}

/* Fills what is known of the volume. */
static int begin(struct turn *t, struct safetynet_entries *ret, struct err *err)
{
	const struct conf *conf = t->s->q->conf;
	struct directory_volume v;
	int r = directory_volume_find(t->s->q->dir, t->a, span_of(t->volume), &v, err);

	if (r < 0 && r != -POD_E_NOTFOUND)
		return r;
	t->known = r == 0;
	t->token = r == 0 ? v.token : 0;
	t->now_ms = clock_wall_ms();
	if (!safetynet_mark_read(conf->pod.run_dir, t->volume, &t->mark))
		t->mark = (struct safetynet_mark){ 0, 0 };
	return safetynet_list(conf->mta.queue_dir, t->volume, LOOK_AT, t->a, ret, err);
}

static void sweep_volume(struct queue_safety *s, const char *volume)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SWEEP_ARENA);
	struct turn t = { .s = s, .a = a, .volume = volume };
	struct safetynet_entries entries;
	struct err err = { 0 };
	uint64_t bytes;
	int r = a ? begin(&t, &entries, &err) : err_set(&err, POD_E_NOMEM, "safety net");

	if (r < 0) {
		log_event(NULL, LOGL_ERROR, "safetynet.failed", F_STR("volume", volume), F_ERR(&err));
		return;
	}
	bytes = entries.bytes;
	for (size_t i = 0; i < entries.n; i++) {
		look_at(&t, &entries.items[i], bytes);
		bytes -= entries.items[i].size;
	}
	s->kept += t.kept;
	s->bytes += t.bytes;
}

/* Now and at every start, for what a worker that was killed left half written. */
static void clean(struct queue_safety *s, const char *const *volumes, size_t n)
{
	if (clock_mono_ms() < s->clean_ms)
		return;
	s->clean_ms = clock_mono_ms() + CLEAN_S * 1000;
	for (size_t i = 0; i < n; i++)
		safetynet_clean(s->q->conf->mta.queue_dir, volumes[i], CLEAN_S);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct queue_safety *s = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(SWEEP_ARENA);
	size_t n = 0, kept_before = s->kept;
	uint64_t bytes_before = s->bytes;
	int64_t newest_before = s->newest_ms;
	const char **volumes = NULL;

	s->kept = 0;
	s->bytes = 0;
	if (!s->q->draining && a && safetynet_volumes(s->q->conf->mta.queue_dir, a, &volumes, &n, NULL) == 0)
		for (size_t i = 0; i < n; i++)
			sweep_volume(s, volumes[i]);
	clean(s, volumes, n);
	if (s->kept && (s->newest_ms != newest_before || s->kept != kept_before || s->bytes != bytes_before))
		safety_flush_want(s->flush);
	metric_add(M_SAFETY_MESSAGES, (int64_t) s->kept - (int64_t) kept_before);
	metric_add(M_SAFETY_BYTES, (int64_t) s->bytes - (int64_t) bytes_before);
}

int queue_safety_start(struct queue *q, struct queue_safety **ret_safety, struct err *err)
{
	struct queue_safety *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, POD_E_NOMEM, "safety net");
	s->q = q;
	r = safety_flush_start(q->conf->mta.queue_dir, &s->flush, err);
	if (r < 0) {
		(void) queue_safety_stop(s);
		return r;
	}
	metric_set(M_SAFETY_MESSAGES, 0);
	metric_set(M_SAFETY_BYTES, 0);
	s->timer = event_new(q->base, -1, EV_PERSIST, on_turn, s);
	if (!s->timer || event_add(s->timer, &(struct timeval){ SWEEP_S, 0 }) < 0) {
		(void) queue_safety_stop(s);
		return err_set(err, POD_E_NOMEM, "safety net");
	}
	*ret_safety = s;
	return 0;
}

struct queue_safety *queue_safety_stop(struct queue_safety *s)
{
	if (!s)
		return NULL;
	if (s->timer)
		event_free(s->timer);
	s->flush = safety_flush_stop(s->flush);
	free(s);
	return NULL;
}

/* ---- an attempt of the queue's that succeeded ---- */

/* Those of the attempt that the volume has now. */
static Queue__Item *delivered_part(const struct attempt *at)
{
	Queue__Item *item = queue_item_copy(at->it->record);
	size_t n = 0;

	for (size_t i = 0; item && i < item->n_recipients; i++) {
		Queue__Recipient *r = item->recipients[i];
		bool delivered = false;

		for (size_t k = 0; k < at->n; k++)
			delivered |= at->said[k].state == QUEUE__STATE__DELIVERED && strcmp(at->said[k].address, r->address) == 0;
		if (delivered)
			item->recipients[n++] = r;
		else
			queue__recipient__free_unpacked(r, NULL);
	}
	if (item)
		item->n_recipients = n;
	return item;
}

void queue_safety_keep(const struct attempt *at)
{
	const char *queue_dir = at->q->conf->mta.queue_dir;
	Queue__Submission submission = QUEUE__SUBMISSION__INIT;
	struct safetynet_message m = { .volume = at->work->unit.lane->name, .id = at->it->id, .token = at->safety.token,
		                       .acked_ms = clock_wall_ms(), .fd = at->body_fd, .size = at->it->record->size };
	struct err err = { 0 };
	uint8_t *packed = NULL;
	int r = 0;

	if (!safetynet_wants(&at->safety, at->q->dir, at->arena, m.volume))
		return;
	submission.item = delivered_part(at);
	submission.summary = at->summary;
	if (submission.item && submission.item->n_recipients) {
		m.envelope.len = queue__submission__get_packed_size(&submission);
		packed = malloc(m.envelope.len);
		if (packed) {
			(void) queue__submission__pack(&submission, packed);
			m.envelope.p = packed;
			r = safetynet_keep(queue_dir, &m, &err);
		}
	}
	if (r < 0 || !submission.item || (submission.item->n_recipients && !packed))
		log_event(NULL, LOGL_ERROR, "safetynet.failed", F_STR("trace", at->it->record->trace), F_STR("volume", m.volume),
		          F_ERR(&err));
	free(packed);
	if (submission.item)
		queue__item__free_unpacked(submission.item, NULL);
}

struct safetynet_watch queue_safety_watch(struct queue *q, struct arena *a, const char *volume)
{
	return q->conf->mta.safetynet ? safetynet_watch(q->dir, a, volume) : (struct safetynet_watch){ 0, false };
}

/* ---- what it looks like ---- */

static json_t *volume_json(const struct turn *t, size_t again)
{
	const char *state = again ? "delivering again" : t->kept ? "waiting for the standby" : "covered";

	return json_pack("{ss, sI, sI, sI, sI, ss}", "volume", t->volume, "messages", (json_int_t) t->kept, "bytes",
	                 (json_int_t) t->bytes, "oldest", (json_int_t) (t->oldest_ms / 1000), "safe_until",
	                 (json_int_t) (t->mark.safe_ms / 1000), "state", state);
}

static void describe(struct control_call *c, struct arena *a, const char *volume, json_t *volumes)
{
	struct queue_safety probe = { .q = c->q };
	struct turn t = { .s = &probe, .a = a, .volume = volume };
	struct safetynet_entries entries;
	size_t again = 0;

	if (begin(&t, &entries, NULL) < 0)
		return;
	for (size_t i = 0; i < entries.n; i++) {
		enum safetynet_fate fate = t.known ? safetynet_judge(&entries.items[i], &t.mark, t.token) : SAFETYNET_GOES;

		if (fate == SAFETYNET_GOES)
			continue;
		again += fate == SAFETYNET_AGAIN;
		t.kept++;
		t.bytes += entries.items[i].size;
		if (!t.oldest_ms)
			t.oldest_ms = entries.items[i].acked_ms;
	}
	(void) json_array_append_new(volumes, volume_json(&t, again));
}

void control_safetynet(struct control_call *c)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(SWEEP_ARENA);
	json_t *volumes = json_array();
	const char **names = NULL;
	size_t n = 0;

	if (a && safetynet_volumes(c->q->conf->mta.queue_dir, a, &names, &n, NULL) == 0)
		for (size_t i = 0; i < n; i++)
			describe(c, a, names[i], volumes);
	control_reply(c->rq, HTTP_OK, json_pack("{so}", "volumes", volumes));
}
