#include "mta/podfilter/resolver.h"

#include <event2/thread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "proc/thread.h"

/* libunbound validates signatures on this thread. */
#define STACK_BYTES (2u << 20)

/* One resolver_ask; on the asker's stack. */
struct asked {
	STAILQ_ENTRY(asked) link;
	struct resolver *r;
	const struct resolver_query *queries;
	size_t n, open; /* open: not answered yet, guarded by the resolver's lock */
	uint64_t timeout_ms;
	pthread_cond_t answered;
};

/* A query under way: which one of which asking. */
struct flight {
	struct asked *a;
	const struct resolver_query *q;
};

STAILQ_HEAD(askings, asked);

/* One resolver_reload; on its caller's stack. */
struct reload {
	const struct dns_conf *conf;
	struct err *err;
	bool done;
	int r;
	pthread_cond_t changed;
};

struct resolver {
	struct event_base *base;
	struct event *wake;
	struct dns *dns;
	pthread_t thread;
	pthread_mutex_t lock;   /* of all below */
	struct askings waiting; /* not seen by the thread yet */
	struct reload *reload;  /* to be done before these; NULL: none */
	bool stopping;
};

/* ---- on the resolver's thread ---- */

static void settle(struct asked *a)
{
	(void) pthread_mutex_lock(&a->r->lock);
	if (--a->open == 0)
		(void) pthread_cond_signal(&a->answered);
	(void) pthread_mutex_unlock(&a->r->lock);
}

static void resolver_on_answer(void *arg, const struct dns_answer *answer)
{
	struct flight *f = arg;
	struct asked *a = f->a;

	f->q->take(f->q->arg, answer);
	free(f);
	settle(a);
}

static void answer_without_asking(const struct resolver_query *q, enum dns_outcome outcome, const char *why)
{
	const struct dns_answer answer = {
		.type = q->type, .outcome = outcome, .name = q->name, .canonical = q->name, .why = why
	};

	q->take(q->arg, &answer);
}

static void begin(struct resolver *r, struct asked *a, const struct resolver_query *q)
{
	struct flight *f = malloc(sizeof(*f));
	struct dns_lookup *lookup;
	int e = f ? 0 : -POD_E_NOMEM;

	if (f) {
		*f = (struct flight){ a, q };
		e = dns_lookup(r->dns, q->type, q->name, a->timeout_ms, resolver_on_answer, f, &lookup, NULL);
	}
	if (e == 0)
		return;
	free(f);
	answer_without_asking(q, e == -POD_E_SYNTAX ? DNS_NXDOMAIN : DNS_TEMPORARY,
	                      e == -POD_E_SYNTAX ? "" : "out of memory");
	settle(a);
}

static void reload(struct resolver *r, struct reload *l)
{
	int e = dns_reload(r->dns, l->conf, l->err);

	(void) pthread_mutex_lock(&r->lock);
	l->r = e;
	l->done = true;
	(void) pthread_cond_signal(&l->changed);
	(void) pthread_mutex_unlock(&r->lock);
}

static void resolver_on_wake(evutil_socket_t fd, short events, void *arg)
{
	struct resolver *r = arg;
	struct askings taken = STAILQ_HEAD_INITIALIZER(taken);
	struct reload *asked_for;
	bool stop;

	(void) pthread_mutex_lock(&r->lock);
	STAILQ_CONCAT(&taken, &r->waiting);
	asked_for = r->reload;
	r->reload = NULL;
	stop = r->stopping;
	(void) pthread_mutex_unlock(&r->lock);
	if (asked_for)
		reload(r, asked_for);
	for (struct asked *a = STAILQ_FIRST(&taken), *next; a; a = next) {
		size_t n = a->n; /* a is gone once the last is answered */
		const struct resolver_query *queries = a->queries;

		next = STAILQ_NEXT(a, link);
		for (size_t i = 0; i < n; i++)
			begin(r, a, &queries[i]);
	}
	if (stop)
		(void) event_base_loopbreak(r->base);
}

static void *resolver_thread(void *arg)
{
	struct resolver *r = arg;

	(void) event_base_loop(r->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

/* ---- on askers' threads ---- */

void resolver_ask(struct resolver *r, const struct resolver_query *queries, size_t n, uint64_t timeout_ms)
{
	struct asked a = { .r = r, .queries = queries, .n = n, .open = n, .timeout_ms = timeout_ms };

	if (n == 0)
		return;
	(void) pthread_cond_init(&a.answered, NULL);
	(void) pthread_mutex_lock(&r->lock);
	STAILQ_INSERT_TAIL(&r->waiting, &a, link);
	event_active(r->wake, EV_READ, 0);
	while (a.open)
		(void) pthread_cond_wait(&a.answered, &r->lock);
	(void) pthread_mutex_unlock(&r->lock);
	(void) pthread_cond_destroy(&a.answered);
}

int resolver_reload(struct resolver *r, const struct dns_conf *conf, struct err *err)
{
	struct reload l = { .conf = conf, .err = err };

	(void) pthread_cond_init(&l.changed, NULL);
	(void) pthread_mutex_lock(&r->lock);
	r->reload = &l;
	event_active(r->wake, EV_READ, 0);
	while (!l.done)
		(void) pthread_cond_wait(&l.changed, &r->lock);
	(void) pthread_mutex_unlock(&r->lock);
	(void) pthread_cond_destroy(&l.changed);
	return l.r;
}

/* ---- start and stop ---- */

static struct resolver *resolver_free(struct resolver *r)
{
	r->dns = dns_free(r->dns);
	if (r->wake)
		event_free(r->wake);
	if (r->base)
		event_base_free(r->base);
	(void) pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

int resolver_start(const struct dns_conf *conf, struct resolver **ret_resolver, struct err *err)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int e = 0;

	if (!r)
		return err_set(err, POD_E_NOMEM, "resolver");
	(void) pthread_mutex_init(&r->lock, NULL);
	STAILQ_INIT(&r->waiting);
	/* Before the base is made, or waking its loop from other threads does nothing. */
	(void) evthread_use_pthreads();
	r->base = event_base_new();
	r->wake = r->base ? event_new(r->base, -1, EV_PERSIST, resolver_on_wake, r) : NULL;
	if (!r->wake)
		e = err_set(err, POD_E_NOMEM, "resolver");
	if (e == 0)
		e = dns_create(r->base, conf, &r->dns, err);
	if (e == 0)
		e = thread_start_quiet(&r->thread, STACK_BYTES, resolver_thread, r, "thread of the resolver", err);
	if (e < 0)
		(void) resolver_free(r);
	else
		*ret_resolver = r;
	return e;
}

struct resolver *resolver_stop(struct resolver *r)
{
	if (!r)
		return NULL;
	(void) pthread_mutex_lock(&r->lock);
	r->stopping = true;
	event_active(r->wake, EV_READ, 0);
	(void) pthread_mutex_unlock(&r->lock);
	(void) pthread_join(r->thread, NULL);
	return resolver_free(r);
}
