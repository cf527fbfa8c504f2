#include "store/service/watch.h"

#include <stdlib.h>

#include "base/fnv.h"
#include "store/service/service_internal.h"

#define BUCKETS 1024u /* a volume has at most 1,000 users */

struct joined {
	uint32_t mailbox;
	uint64_t modseq;
	bool account; /* see struct volume_event */
};

/* In its request's arena but for `joined`. */
struct watcher {
	struct watcher *next, **at; /* of its bucket */
	struct watches *watches;
	struct task *task;
	struct span user_id;
	const uint32_t *mailboxes; /* none: all */
	size_t mailboxes_n;
	struct joined *joined; /* not sent yet */
	size_t joined_n, joined_cap;
};

struct watches {
	struct post *post;
	_Atomic size_t count;
	_Atomic unsigned int counts[BUCKETS];
	struct watcher *buckets[BUCKETS];
};

/* Copies of a commit's events on their way to the loop. */
struct event_note {
	struct note note;
	struct watches *watches;
	size_t n;
	struct {
		struct joined what;
		char user_id[65];
	} items[];
};

struct watches *watches_create(struct post *post)
{
	struct watches *w = calloc(1, sizeof(*w));

	if (w)
		w->post = post;
	return w;
}

struct watches *watches_free(struct watches *w)
{
	free(w);
	return NULL;
}

static size_t bucket_of(struct span user_id)
{
	return fnv32(FNV32_START, user_id) % BUCKETS;
}

bool watches_may_have(struct watches *w, struct span user_id)
{
	return atomic_load_explicit(&w->counts[bucket_of(user_id)], memory_order_relaxed) > 0;
}

/* ---- sending ---- */

static void send_event(struct watcher *w, struct joined j)
{
	Podstore__WatchEvent e = PODSTORE__WATCH_EVENT__INIT;

	e.mailbox = j.mailbox;
	e.highestmodseq = j.modseq;
	e.account = j.account;
	metric_add(STORE_METRIC_EVENTS, 1);
	store_request_more(w->task->rq, &e.base, SPAN_NONE, -1);
}

/* Where memory is out the watch ends, so that the front end starts it anew and looks for itself. */
static void join(struct watcher *w, struct joined j)
{
	for (size_t i = 0; i < w->joined_n; i++) {
		if (w->joined[i].mailbox == j.mailbox && w->joined[i].account == j.account) {
			w->joined[i].modseq = j.modseq;
			return;
		}
	}
	if (w->joined_n == w->joined_cap) {
		size_t cap = w->joined_cap ? w->joined_cap * 2 : 8;
		struct joined *list = realloc(w->joined, cap * sizeof(*list));

		if (!list) {
			method_watch_cancel(w->task);
			return;
		}
		w->joined = list;
		w->joined_cap = cap;
	}
	w->joined[w->joined_n++] = j;
}

static bool watched(const struct watcher *w, uint32_t mailbox)
{
	if (w->mailboxes_n == 0)
		return true;
	for (size_t i = 0; i < w->mailboxes_n; i++)
		if (w->mailboxes[i] == mailbox)
			return true;
	return false;
}

static void tell(struct watcher *w, struct joined j)
{
	if (!watched(w, j.mailbox))
		return;
	if (w->joined_n == 0 && store_request_has_room(w->task->rq))
		send_event(w, j);
	else
		join(w, j);
}

void watcher_on_room(struct watcher *w)
{
	size_t sent = 0;

	while (sent < w->joined_n && store_request_has_room(w->task->rq))
		send_event(w, w->joined[sent++]);
	w->joined_n -= sent;
	memmove(w->joined, w->joined + sent, w->joined_n * sizeof(*w->joined));
}

/* ---- events ---- */

static void on_events(struct note *note)
{
	struct event_note *e =
		(struct event_note *) (void *) ((char *) note - offsetof(struct event_note, note));

	for (size_t i = 0; i < e->n; i++) {
		struct span user_id = span_of(e->items[i].user_id);
		struct watcher *next;

		for (struct watcher *w = e->watches->buckets[bucket_of(user_id)]; w; w = next) {
			next = w->next;
			if (span_eq(w->user_id, user_id))
				tell(w, e->items[i].what);
		}
	}
	free(e);
}

void watches_on_changed(struct watches *w, const struct volume_event *events, size_t n)
{
	struct event_note *e;

	if (n == 0 || atomic_load_explicit(&w->count, memory_order_relaxed) == 0)
		return;
	e = malloc(sizeof(*e) + n * sizeof(e->items[0]));
	if (!e)
		return; /* the next commit tells of this one too: modseqs only grow */
	e->note.run = on_events;
	e->watches = w;
	e->n = n;
	for (size_t i = 0; i < n; i++) {
		e->items[i].what =
			(struct joined){ events[i].mailbox, events[i].highestmodseq, events[i].account };
		(void) snprintf(e->items[i].user_id, sizeof(e->items[i].user_id), "%s", events[i].user_id);
	}
	post_send(w->post, &e->note);
}

/* ---- WATCH ---- */

void method_watch(struct task *t)
{
	const Podstore__Watch *m = (const Podstore__Watch *) t->message;
	struct watcher *w = arena_new(t->a, struct watcher), **bucket;

	if (!w) {
		task_fail(t, -POD_E_NOMEM);
		return;
	}
	*w = (struct watcher){
		.watches = t->svc->watches,
		.task = t,
		.user_id = t->user_id,
		.mailboxes = m->mailboxes,
		.mailboxes_n = m->n_mailboxes,
	};
	bucket = &w->watches->buckets[bucket_of(w->user_id)];
	w->next = *bucket;
	w->at = bucket;
	if (w->next)
		w->next->at = &w->next;
	*bucket = w;
	t->state = w;
	atomic_fetch_add(&w->watches->counts[bucket_of(w->user_id)], 1);
	atomic_fetch_add(&w->watches->count, 1);
	metric_add(STORE_METRIC_WATCHES, 1);
}

void method_watch_cancel(struct task *t)
{
	struct watcher *w = t->state;

	*w->at = w->next;
	if (w->next)
		w->next->at = w->at;
	free(w->joined);
	atomic_fetch_sub(&w->watches->counts[bucket_of(w->user_id)], 1);
	atomic_fetch_sub(&w->watches->count, 1);
	metric_add(STORE_METRIC_WATCHES, -1);
	task_fail(t, -POD_E_CANCELLED);
}
