#include "mta/conn/conn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "mta/conn/admin.h"
#include "mta/conn/gateway.h"
#include "mta/conn/internal.h"
#include "mta/conn/own_filter.h"
#include "net/loop.h"

#define ERRORS_SLOW 3
#define PROBLEMS_ARENA (256u << 10)
#define QUEUE_TIMEOUT_MS 30000
#define CHECK_MS 50
#define DRAINED_CHECKS 3

static enum smtp_service service_of(enum conf_listener which)
{
	switch (which) {
	case CONF_LISTEN_LMTP: return SMTP_SERVICE_LMTP;
	case CONF_LISTEN_SUBMISSION:
	case CONF_LISTEN_SUBMISSIONS: return SMTP_SERVICE_SUBMISSION;
	default: return SMTP_SERVICE_MX;
	}
}

const char *smtp_door_name(const struct door *d)
{
	return d->gateway ? "gateway" : conf_listener_name(d->which);
}

static void door_configure(struct door *d)
{
	const struct mta_conf *m = &d->w->conf->mta;
	const struct submission_conf *sub = &d->w->conf->submission;
	enum smtp_service service = service_of(d->which);

	d->implicit_tls = d->which == CONF_LISTEN_SUBMISSIONS;
	d->settings = (struct smtp_settings){
		.service = service,
		.hostname = m->hostname,
		.message_size_max = m->max_message_size,
		.header_max = (uint32_t) m->max_header_size,
		.hide_client = sub->hide_client_address,
		.recipients_max = m->max_recipients,
		.messages_max = service == SMTP_SERVICE_LMTP ? 0 : m->max_messages,
		.future_release_max_s = (uint32_t) (sub->future_release_max_ms / 1000),
		.priority_user_max = (int) sub->priority_user_max,
		.errors_max = m->max_errors,
		.errors_slow = ERRORS_SLOW,
		.hops_max = m->max_hops,
		.starttls = d->w->tls != NULL && !d->gateway,
		.auth = service == SMTP_SERVICE_SUBMISSION && !d->gateway,
		.trusts_login = d->gateway,
		.cleartext_auth = m->allow_cleartext_auth,
		.mend_line_ends = service == SMTP_SERVICE_SUBMISSION,
	};
}

#define MILTERS_ARENA (1u << 20)

static const struct conf_records *milters_of(const struct door *d)
{
	const struct mta_conf *m = &d->w->conf->mta;

	switch (service_of(d->which)) {
	case SMTP_SERVICE_SUBMISSION: return &m->submission_milters;
	case SMTP_SERVICE_LMTP: return &m->lmtp_milters;
	default: return &m->milters;
	}
}

/* Sessions under way go on with those they began with. */
static int door_set_milters(struct door *d, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(MILTERS_ARENA); /* the set copies what it keeps */
	struct conf_records all = { 0 };
	const struct milter_set_options o = { .milters = &all,
		                              .memory_per_message = d->w->conf->mta.memory_per_message,
		                              .tmp_dir = d->w->tmp_dir,
		                              .counted = d->w->counted };
	struct milter_set *set;
	int r = a ? own_filter_add(a, d->w->conf, milters_of(d), &all) : -POD_E_NOMEM;

	if (r == 0)
		r = milter_set_create(d->w->base, &o, &set, err);
	if (r < 0)
		return err_wrap(err, r, "milters of %s", smtp_door_name(d));
	d->milters = milter_set_unref(d->milters);
	d->milters = set;
	return 0;
}

static void on_accept(void *arg, const struct accepted *a)
{
	struct door *d = arg;

	if (d->gateway && !smtp_gateway_may_enter(d->w->conf, a->fd))
		(void) close(a->fd);
	else
		smtp_conn_open(d, a);
}

static int door_open(struct door *d, int fd, struct err *err)
{
	int own, r;

	door_configure(d);
	r = door_set_milters(d, err);
	if (r < 0)
		return r;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return err_set(err, POD_E_LIMIT, "no descriptor for listener %s", smtp_door_name(d));
	return listener_create(d->w->base, own, d->w->proxy_from, on_accept, d, &d->listener, err);
}

static int open_doors(struct worker *w, const struct smtp_door *doors, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < SMTP_DOORS; i++) {
		w->doors[i].w = w;
		w->doors[i].which = doors[i].which;
		w->doors[i].gateway = doors[i].gateway;
		if (doors[i].fd >= 0 && (w->tls || doors[i].which != CONF_LISTEN_SUBMISSIONS))
			r = door_open(&w->doors[i], doors[i].fd, err);
	}
	return r;
}

/* Connections to the volumes before the first message needs them. */
static int warm_up(void *arg, const char *name, const ProtobufCMessage *record)
{
	struct worker *w = arg;
	struct err err = { 0 };

	if (!store_pool_get(w->pool, name, &err))
		log_event(NULL, LOGL_WARNING, "volume.unavailable", F_STR("volume", name), F_ERR(&err));
	return 0;
}

static int open_back(struct worker *w, struct err *err)
{
	char path[256];
	int r = directory_open(w->conf->pod.directory_dir, &w->dir, err);

	if (r == 0)
		r = store_pool_create(w->base, w->dir, "mta", "mta", w->store_tls, &w->pool, err);
	if (r == 0)
		r = queue_client_create(w->base, queue_submit_path(w->conf, path, sizeof(path)), QUEUE_TIMEOUT_MS, &w->queue, err);
	if (r == 0 && *w->conf->pod.proxy_protocol_from)
		r = net_set_parse(span_of(w->conf->pod.proxy_protocol_from), &w->proxy_from, err);
	if (r == 0)
		r = directory_each(w->dir, DIRECTORY_VOLUME, SPAN_NONE, warm_up, w, err);
	return r;
}

/* SIGTERM: nobody new; who does nothing is told, messages under way are finished. */
static void on_term(evutil_socket_t signum, short what, void *arg)
{
	struct worker *w = arg;
	struct timeval often = { 0, CHECK_MS * 1000 };
	struct smtp_conn *c, *next;

	w->draining = true;
	if (event_add(w->check, &often) < 0)
		(void) event_base_loopbreak(w->base);
	for (size_t i = 0; i < SMTP_DOORS; i++)
		if (w->doors[i].listener)
			listener_pause(w->doors[i].listener);
	for (c = LIST_FIRST(&w->conns); c; c = next) {
		next = LIST_NEXT(c, link);
		smtp_conn_shut_down(c);
	}
}

/*
 * A connection that is finished is gone from the list while its last replies are still being written, by
 * events of this loop: it turns a few more times before it ends, or a 250 that was promised is lost.
 */
static void on_check_drained(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	if (w->draining && w->n_conns == 0 && w->idle_checks++ >= DRAINED_CHECKS)
		(void) event_base_loopbreak(w->base);
}

static void reload_tls(struct worker *w)
{
	struct tls_server_options o = { .cert_file = w->conf->tls.cert, .key_file = w->conf->tls.key,
		                        .sni_dir = w->conf->tls.sni_dir };
	struct tls_context *tls;
	struct err err = { 0 };

	memcpy(o.ticket_key, w->ticket_key, sizeof(o.ticket_key));
	if (tls_server_create(&o, &tls, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "tls.not_reloaded", F_ERR(&err));
		return;
	}
	w->tls = tls_unref(w->tls);
	w->tls = tls;
}

/* One that is not made yet is made as the new configuration says, also where making it failed before. */
static void reload_dns(struct worker *w)
{
	struct err err = { 0 };

	w->dns_failed = false;
	if (w->dns && dns_reload(w->dns, &w->conf->dns, &err) < 0)
		log_event(NULL, LOGL_ERROR, "dns.not_reloaded", F_ERR(&err));
}

static void door_reconfigure(struct door *d)
{
	struct err err = { 0 };

	door_configure(d);
	if (d->listener && door_set_milters(d, &err) < 0)
		log_event(NULL, LOGL_ERROR, "milters.not_reloaded", F_ERR(&err));
}

/* SIGHUP: settings and certificates for connections from now on. A file with mistakes changes nothing. */
static void on_hup(evutil_socket_t signum, short what, void *arg)
{
	struct worker *w = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(PROBLEMS_ARENA);
	const struct conf *conf = NULL;
	struct err err = { 0 };

	if (!a || conf_load(w->conf->file, a, NULL, &conf, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "config.not_reloaded", F_ERR(&err));
		return;
	}
	if (LIST_EMPTY(&w->conns))
		w->reloaded = conf_free(w->reloaded);
	w->reloaded = conf;
	w->conf = conf;
	if (w->tls)
		reload_tls(w);
	reload_dns(w);
	for (size_t i = 0; i < SMTP_DOORS; i++)
		door_reconfigure(&w->doors[i]);
	log_event(NULL, LOGL_NOTICE, "config.reloaded");
}

struct worker_events {
	struct event *term, *hup, *check;
};

static int add_events(struct worker *w, struct worker_events *e)
{
	w->check = e->check = event_new(w->base, -1, EV_PERSIST, on_check_drained, w);
	e->term = evsignal_new(w->base, SIGTERM, on_term, w);
	e->hup = evsignal_new(w->base, SIGHUP, on_hup, w);
	return e->term && e->hup && e->check && event_add(e->term, NULL) == 0 && event_add(e->hup, NULL) == 0
	               ? 0
	               : -POD_E_NOMEM;
}

static void close_all(struct worker *w, struct worker_events *e)
{
	while (!LIST_EMPTY(&w->conns))
		smtp_conn_free(LIST_FIRST(&w->conns));
	for (size_t i = 0; i < SMTP_DOORS; i++) {
		w->doors[i].listener = listener_free(w->doors[i].listener);
		w->doors[i].milters = milter_set_unref(w->doors[i].milters);
	}
	smtp_guard_stop(w);
	w->dns = dns_free(w->dns);
	w->queue = queue_client_free(w->queue);
	w->pool = store_pool_free(w->pool);
	w->dir = directory_close(w->dir);
	w->proxy_from = net_set_free(w->proxy_from);
	w->tls = tls_unref(w->tls);
	if (e->term)
		event_free(e->term);
	if (e->hup)
		event_free(e->hup);
	if (e->check)
		event_free(e->check);
	if (w->base)
		event_base_free(w->base);
	w->reloaded = conf_free(w->reloaded);
}

int smtp_worker_run(const struct smtp_worker_options *o)
{
	struct worker w = { .conf = o->conf,
		            .counted = o->counted,
		            .store_tls = o->store_tls,
		            .tally = o->tally,
		            .srs = o->srs };
	struct worker_events e = { 0 };
	struct smtp_admin *admin = NULL;
	struct err err = { 0 };
	int r;

	tally_take_slot(w.tally, o->index);
	memcpy(w.ticket_key, o->ticket_key, sizeof(w.ticket_key));
	w.tls = o->tls ? tls_ref(o->tls) : NULL;
	(void) snprintf(w.tmp_dir, sizeof(w.tmp_dir), "%s/tmp", o->conf->mta.queue_dir);
	LIST_INIT(&w.conns);
	w.base = event_base_new();
	if (!w.base || add_events(&w, &e) < 0)
		r = err_set(&err, POD_E_NOMEM, "no memory for a worker");
	else
		r = open_back(&w, &err);
	if (r == 0)
		r = smtp_guard_start(&w, &err);
	if (r == 0)
		r = open_doors(&w, o->doors, &err);
	if (r == 0)
		r = smtp_admin_serve(&w, o->admin_fd, &admin, &err);
	if (r == 0 && loop_run(w.base) < 0)
		r = err_set(&err, POD_E_INTERNAL, "the event loop failed");
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "worker.failed", F_ERR(&err));
	(void) smtp_admin_stop(admin);
	close_all(&w, &e);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
