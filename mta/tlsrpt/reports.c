#include "mta/tlsrpt/reports.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fnv.h"
#include "base/log.h"
#include "mta/tlspolicy/state.h"
#include "mta/tlsrpt/internal.h"
#include "net/listener.h"

#define LOOK_S \
	300 /* how often it is looked whether a day's reports are due, and those that failed come again */
#define SPREAD_S         (4 * 3600) /* RFC 8460 4.1: not all at midnight */
#define GIVE_UP_S        (20 * 3600)
#define QUEUE_TIMEOUT_MS 60000
#define PROBLEMS_ARENA   (256u << 10)

int reports_listen(const struct conf *conf, int *ret_fd, struct err *err)
{
	char path[256];

	(void) snprintf(path, sizeof(path), "%s/" REPORTS_SOCKET_NAME, conf->pod.run_dir);
	return listener_open_local(path, 0600, ret_fd, err);
}

struct tlsrpt_about reports_about(const struct reports *r, const char *domain, uint32_t day)
{
	return (struct tlsrpt_about){ .domain = domain,
		                      .day = day,
		                      .organization = r->conf->pod.domain,
		                      .contact = r->contact,
		                      .hostname = r->conf->mta.hostname };
}

/* ---- every day ---- */

/* When in the day ours are sent: the same every day, another for each pod. */
static uint32_t offset_s(const struct reports *r)
{
	return fnv32(FNV32_START, span_of(r->conf->mta.hostname)) % SPREAD_S;
}

static void daily_on_done(void *arg, const struct round_result *result)
{
	struct reports *r = arg;
	uint32_t now_s = (uint32_t) (clock_wall_s() % DAY_S), day = (uint32_t) (clock_wall_s() / DAY_S) - 1;
	struct err err = { 0 };

	r->daily = NULL;
	log_event(NULL, LOGL_INFO, "tlsrpt.round", F_UINT("domains", result->domains),
	          F_UINT("asked", result->asked), F_UINT("sent", result->sent),
	          F_UINT("failed", result->failed));
	if (result->failed && now_s < GIVE_UP_S)
		return;
	if (state_finish(r, day, &err) < 0)
		log_event(NULL, LOGL_ERROR, "tlsrpt.not_noted", F_ERR(&err));
}

static void reports_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct reports *r = arg;
	uint32_t now_s = (uint32_t) (clock_wall_s() % DAY_S), day = (uint32_t) (clock_wall_s() / DAY_S) - 1;
	struct err err = { 0 };

	(void) fd;
	(void) what;
	kv_reap_readers(r->kv);
	if (!r->conf->outbound.tls_reports || r->daily || now_s < offset_s(r) || state_is_finished(r, day))
		return;
	r->daily = round_start(r, day, false, daily_on_done, r, &err);
	if (!r->daily)
		log_event(NULL, LOGL_ERROR, "tlsrpt.not_made", F_ERR(&err));
}

/* ---- the process ---- */

static void end_loop(evutil_socket_t signum, short what, void *arg)
{
	(void) signum;
	(void) what;
	(void) event_base_loopbreak(arg);
}

/* SIGHUP: whether reports are sent, and in whose name. A file with mistakes changes nothing. */
static void reports_on_hup(evutil_socket_t signum, short what, void *arg)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(PROBLEMS_ARENA);
	const struct conf *conf = NULL;
	struct reports *r = arg;
	struct err err = { 0 };

	(void) signum;
	(void) what;
	if (!a || conf_load(r->conf->file, a, NULL, &conf, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "config.not_reloaded", F_ERR(&err));
		return;
	}
	r->reloaded = conf_free(r->reloaded);
	r->conf = r->reloaded = conf;
	(void) snprintf(r->contact, sizeof(r->contact), "postmaster@%s", conf->pod.domain);
	if (dns_reload(r->dns, &conf->dns, &err) < 0)
		log_event(NULL, LOGL_ERROR, "dns.not_reloaded", F_ERR(&err));
	log_event(NULL, LOGL_NOTICE, "config.reloaded");
}

static int open_all(struct reports *r, int control_fd, struct err *err)
{
	const struct timeval every = { .tv_sec = LOOK_S };
	char path[256];
	int e = directory_open(r->conf->pod.directory_dir, &r->dir, err);

	e = e ?: dns_create(r->base, &r->conf->dns, &r->dns, err);
	e = e ?: http_client_create(r->base, &r->http, err);
	e = e ?: tls_state_open(r->conf, &r->kv, err);
	e = e ?: state_open(r, err);
	e = e ?: tls_sessions_open(r->kv, &r->sessions, err);
	e = e
	            ?: queue_client_create(r->base, queue_submit_path(r->conf, path, sizeof(path)),
	                                   QUEUE_TIMEOUT_MS, &r->queue, err);
	e = e ?: reports_control_serve(r, control_fd, &r->control, err);
	if (e < 0)
		return e;
	r->timer = event_new(r->base, -1, EV_PERSIST, reports_on_timer, r);
	if (!r->timer || event_add(r->timer, &every) < 0)
		return err_set(err, POD_E_NOMEM, "TLS reports");
	reports_on_timer(-1, 0, r);
	return 0;
}

static void close_all(struct reports *r)
{
	(void) round_free(r->daily);
	(void) reports_control_stop(r->control);
	if (r->timer)
		event_free(r->timer);
	(void) queue_client_free(r->queue);
	(void) tls_sessions_free(r->sessions);
	(void) kv_close(r->kv);
	(void) http_client_free(r->http);
	(void) dns_free(r->dns);
	(void) directory_close(r->dir);
}

int reports_run(const struct reports_options *o)
{
	struct reports r = { .conf = o->conf, .base = event_base_new() };
	struct event *term = r.base ? evsignal_new(r.base, SIGTERM, end_loop, r.base) : NULL;
	struct event *hup = r.base ? evsignal_new(r.base, SIGHUP, reports_on_hup, &r) : NULL;
	struct err err = { 0 };
	int e;

	(void) snprintf(r.contact, sizeof(r.contact), "postmaster@%s", o->conf->pod.domain);
	if (!term || !hup || event_add(term, NULL) < 0 || event_add(hup, NULL) < 0)
		e = err_set(&err, POD_E_NOMEM, "TLS reports");
	else
		e = open_all(&r, o->control_fd, &err);
	if (e == 0 && event_base_dispatch(r.base) < 0)
		e = err_set(&err, POD_E_INTERNAL, "the reports' event loop failed");
	if (e < 0)
		log_event(NULL, LOGL_ERROR, "tlsrpt.failed", F_ERR(&err));
	close_all(&r);
	if (term)
		event_free(term);
	if (hup)
		event_free(hup);
	r.reloaded = conf_free(r.reloaded);
	if (r.base)
		event_base_free(r.base);
	return e < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
