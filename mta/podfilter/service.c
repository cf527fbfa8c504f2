/*
 * The main thread: signals, beside libmilter's threads. The main thread is where the kernel delivers a signal
 * of the process as long as it does not block it (signal(7)), so libmilter's own signal thread, which would
 * end the process at SIGHUP, never sees one.
 */
#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <signal.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "mta/podfilter/answers.h"
#include "mta/podfilter/checks.h"
#include "mta/podfilter/control/signing.h"
#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/sender.h"
#include "proc/proc.h"
#include "proc/thread.h"

/* Hundreds of callbacks may wait at once; the MIME parser, which does not recurse, needs a fraction of this.
 */
#define STACK_BYTES (256u << 10)
#define STACK_MOST  (8u << 20)

/* Entries looked at in a second: half a million in less than ten minutes. */
#define PRUNE_MAX 1000

struct service {
	struct filter *filter;
	const char *config_file;
	struct event_base *base;
	pthread_t milter, stopper;
	struct key pruned_to, greylist_pruned_to; /* where pruning goes on in its table */
	bool flush_failing;                       /* said once, not every second */
	struct event *wake;                       /* not NULL: we are asked to end */
	int milter_result;
	struct err milter_err;
};

static void *milter_thread(void *arg)
{
	struct service *v = arg;

	v->milter_result = callbacks_run(&v->milter_err);
	(void) event_base_loopexit(
		v->base,
		NULL); /* also before the loop has begun: where nobody asked for its end, it is ours */
	return NULL;
}

static void *stopper_thread(void *arg)
{
	callbacks_stop();
	return NULL;
}

static void service_on_wake(evutil_socket_t fd, short events, void *arg)
{
	callbacks_wake();
}

/* libmilter's listener holds the lock that a stop waits for; it is woken until it has let go. */
static void service_on_stop(evutil_socket_t sig, short events, void *arg)
{
	static const struct timeval often = { .tv_usec = 20000 };
	struct service *v = arg;
	struct event *wake = v->wake ? NULL : event_new(v->base, -1, EV_PERSIST, service_on_wake, NULL);

	if (!wake)
		return;
	if (pthread_create(&v->stopper, NULL, stopper_thread, NULL) != 0) {
		event_free(wake); /* asked again, it may be possible */
		return;
	}
	v->wake = wake;
	(void) event_add(wake, &often);
}

static void service_on_reload(evutil_socket_t sig, short events, void *arg)
{
	struct service *v = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	const struct conf *conf;
	struct err err = { 0 };
	int r = a ? conf_load(v->config_file, a, NULL, &conf, &err) : err_set(&err, POD_E_NOMEM, "reload");

	if (r == 0)
		r = filter_reload(v->filter, conf, &err);
	if (r == 0)
		log_event(NULL, LOGL_INFO, "filter.reloaded");
	else
		log_event(NULL, LOGL_ERROR, "filter.not_reloaded", F_ERR(&err));
}

static void prune(struct service *v)
{
	struct settings *s = settings_take(v->filter);
	const struct filter_conf *c = &s->conf->filter;
	struct err err = { 0 };
	int r = sender_prune(v->filter->memory, &v->pruned_to, PRUNE_MAX, c->reputation_entries,
	                     clock_wall_s(), (double) c->reputation_half_life_ms / 1000, &err);

	if (r >= 0)
		r = greylist_prune(v->filter->memory, c, &v->greylist_pruned_to, PRUNE_MAX, &err);
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "filter.not_pruned", F_ERR(&err));
	settings_release(v->filter, s);
}

/* Counters wait in memory for a second, so that any number of messages costs one commit. */
static void service_on_flush(evutil_socket_t fd, short events, void *arg)
{
	struct service *v = arg;
	struct err err = { 0 };
	int r = memory_flush(v->filter->memory, &err);

	if (r < 0 && !v->flush_failing)
		log_event(NULL, LOGL_ERROR, "filter.not_remembered", F_ERR(&err));
	v->flush_failing = r < 0;
	prune(v);
}

static void *nothing(void *arg)
{
	return arg;
}

/*
 * libmilter's threads have no other way to be told how much stack they get. What else lies on it (the
 * thread-local data of all libraries, and much more under a sanitizer) may leave none, which libmilter would
 * only tell syslog.
 */
static int set_stack(struct err *err)
{
	int r = -POD_E_INTERNAL;

	for (size_t bytes = STACK_BYTES; r < 0 && bytes <= STACK_MOST; bytes *= 2) {
		pthread_attr_t attr;
		pthread_t probe;

		(void) pthread_attr_init(&attr);
		(void) pthread_attr_setstacksize(&attr, bytes);
		(void) pthread_setattr_default_np(&attr);
		(void) pthread_attr_destroy(&attr);
		r = thread_start_quiet(&probe, 0, nothing, NULL, "a thread for libmilter", err);
		if (r == 0)
			(void) pthread_join(probe, NULL);
	}
	return r;
}

static int start_milter(struct service *v, struct err *err)
{
	int r = set_stack(err);

	return r < 0 ? r : thread_start_quiet(&v->milter, 0, milter_thread, v, "thread of libmilter", err);
}

static int run_loop(struct service *v, struct err *err)
{
	static const struct {
		int signal;
		event_callback_fn on_signal;
	} signals[] = { { SIGTERM, service_on_stop },
		        { SIGINT, service_on_stop },
		        { SIGHUP, service_on_reload } };
	static const struct timeval second = { .tv_sec = 1 };
	struct event *events[ARRAY_SIZE(signals)] = { NULL };
	struct event *flush = event_new(v->base, -1, EV_PERSIST, service_on_flush, v);
	int r = flush && event_add(flush, &second) == 0 ? 0 : err_set(err, POD_E_NOMEM, "clock");

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++) {
		events[i] = evsignal_new(v->base, signals[i].signal, signals[i].on_signal, v);
		if (!events[i] || event_add(events[i], NULL) < 0)
			r = err_set(err, POD_E_NOMEM, "signals");
	}
	if (r == 0)
		r = start_milter(v, err);
	if (r == 0) {
		proc_notify_ready();
		(void) event_base_dispatch(v->base);
		(void) pthread_join(v->milter, NULL);
		/* Once asked to end, its listener may find its socket closed under it and call that a
		 * failure. */
		r = v->wake ? 0 : v->milter_result;
		if (r < 0 && err)
			*err = v->milter_err;
	}
	if (v->wake) {
		(void) pthread_join(v->stopper, NULL);
		event_free(v->wake);
	}
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (events[i])
			event_free(events[i]);
	if (flush)
		event_free(flush);
	return r;
}

static const struct conf *service_conf_take(void *filter, void **ret_hold)
{
	struct settings *s = settings_take(filter);

	*ret_hold = s;
	return s->conf;
}

static void service_conf_release(void *filter, void *hold)
{
	settings_release(filter, hold);
}

static int start_control(struct filter *f, struct control **ret_control, struct err *err)
{
	const struct control_options o = { .auth = f->mailauth,
		                           .extra = answers_methods,
		                           .lookup = { .ask = resolver_lookup, .ctx = f->resolver },
		                           .reports = f->reports,
		                           .directory = f->directory,
		                           .conf_take = service_conf_take,
		                           .conf_release = service_conf_release,
		                           .arg = f };

	return control_start(&o, f->settings->conf->pod.run_dir, ret_control, err);
}

int service_run(struct filter *f, const char *config_file, struct err *err)
{
	struct service v = { .filter = f, .config_file = config_file };
	struct control *control = NULL;
	struct signing *signing = NULL;
	int r;

	if (evthread_use_pthreads() < 0 || !(v.base = event_base_new()))
		return err_set(err, POD_E_NOMEM, "event loop");
	r = start_control(f, &control, err);
	if (r == 0)
		r = signing_start(f->mailauth, f->settings->conf, &signing, err);
	if (r == 0)
		r = run_loop(&v, err);
	(void) signing_stop(signing);
	(void) control_stop(control);
	event_base_free(v.base);
	return r;
}
