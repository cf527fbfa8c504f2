#include "imapd/conn/worker.h"

#include <signal.h>
#include <stdio.h>

#include "base/version.h"
#include "imapd/conn/conn.h"
#include "imapd/conn/https.h"
#include "imapd/metrics.h"

static void on_imap(void *arg, const struct accepted *accepted)
{
	imap_conn_accept(arg, accepted, false);
}

static void on_imaps(void *arg, const struct accepted *accepted)
{
	imap_conn_accept(arg, accepted, true);
}

/* ---- signals ---- */

static void close_listeners(struct imapd_worker *w)
{
	for (size_t i = 0; i < CONF_LISTENERS; i++)
		w->listeners[i] = listener_free(w->listeners[i]);
}

void imapd_worker_end_if_idle(struct imapd_worker *w)
{
	if (w->draining && w->connections == 0 && https_is_idle(w->https))
		(void) event_base_loopexit(w->base, NULL);
}

static void on_https_idle(void *arg)
{
	imapd_worker_end_if_idle(arg);
}

/* No more connections; those that are in a command finish it. */
static void on_term(evutil_socket_t sig, short what, void *arg)
{
	struct imapd_worker *w = arg;
	struct imap_conn *next;

	if (w->draining)
		return;
	w->draining = true;
	close_listeners(w);
	for (struct imap_conn *c = w->conns; c; c = next) {
		next = c->next;
		imap_conn_drain(c);
	}
	https_drain(w->https, on_https_idle, w);
	imapd_worker_end_if_idle(w);
}

/* New certificates; running connections keep what they have. Other options take effect at the next start. */
static void on_hup(evutil_socket_t sig, short what, void *arg)
{
	struct imapd_worker *w = arg;
	struct tls_context *fresh = NULL;
	struct err err = { 0 };

	if (tls_server_create(w->o->tls, &fresh, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "tls.reload_failed", F_ERR(&err));
		return;
	}
	(void) tls_unref(w->tls);
	w->tls = fresh;
	https_set_tls(w->https, fresh);
	log_event(NULL, LOGL_NOTICE, "tls.reloaded");
}

/* ---- set-up ---- */

static int open_listener(struct imapd_worker *w, const struct imapd_listen *l, struct err *err)
{
	if (l->which == CONF_LISTEN_HTTPS)
		return https_create(w, l->fd, &w->https, err);
	return listener_create(w->base, l->fd, w->proxy_from,
	                       l->which == CONF_LISTEN_IMAPS ? on_imaps : on_imap, w, &w->listeners[l->which],
	                       err);
}

static int open_parts(struct imapd_worker *w, unsigned int index, struct err *err)
{
	const struct conf *conf = w->conf;
	char metrics[512];
	int r;

	(void) snprintf(metrics, sizeof(metrics), "%s/metrics/imapd.%u", conf->pod.run_dir, index);
	r = imapd_metrics_open(metrics, err);
	if (r == 0)
		r = directory_open(conf->pod.directory_dir, &w->directory, err);
	if (r == 0 && conf->pod.proxy_protocol_from[0])
		r = net_set_parse(span_of(conf->pod.proxy_protocol_from), &w->proxy_from, err);
	if (r == 0 && conf->guard.exempt[0])
		r = net_set_parse(span_of(conf->guard.exempt), &w->exempt, err);
	if (r == 0)
		r = tls_server_create(w->o->tls, &w->tls, err);
	if (r == 0)
		r = store_pool_create(w->base, w->directory, "imapd", "gateway", w->o->store_tls, &w->stores,
		                      err);
	for (size_t i = 0; r == 0 && i < w->o->listen_n; i++)
		if (w->o->listen[i].fd >= 0)
			r = open_listener(w, &w->o->listen[i], err);
	return r;
}

static void close_parts(struct imapd_worker *w)
{
	struct imap_conn *next;

	close_listeners(w);
	w->https = https_free(w->https);
	for (struct imap_conn *c = w->conns; c; c = next) {
		next = c->next;
		imap_conn_close(c);
		imap_conn_pump(c);
	}
	(void) store_pool_free(w->stores);
	(void) directory_close(w->directory);
	(void) tls_unref(w->tls);
	(void) net_set_free(w->proxy_from);
	(void) net_set_free(w->exempt);
	(void) users_free(w->users);
}

static int run(struct imapd_worker *w, unsigned int index)
{
	struct event *term = evsignal_new(w->base, SIGTERM, on_term, w);
	struct event *hup = evsignal_new(w->base, SIGHUP, on_hup, w);
	struct err err = { 0 };
	int r = term && hup && w->users ? open_parts(w, index, &err) : err_set(&err, POD_E_NOMEM, "worker");

	if (r == 0 && (event_add(term, NULL) < 0 || event_add(hup, NULL) < 0))
		r = err_set(&err, POD_E_NOMEM, "signals");
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "worker.failed", F_ERR(&err));
	else
		(void) event_base_dispatch(w->base);
	close_parts(w);
	if (term)
		event_free(term);
	if (hup)
		event_free(hup);
	return r < 0;
}

int imapd_worker_run(const struct imapd_options *o, unsigned int index)
{
	struct imapd_worker w = {
		.o = o,
		.conf = o->conf,
		.index = index,
		.settings = { .max_literal = o->conf->imapd.max_literal,
		              .max_line = o->conf->imapd.max_line,
		              .temp_dir = "/var/tmp",
		              .version = POD_VERSION },
	};
	int status = 1;

	w.base = event_base_new();
	w.users = users_create();
	if (w.base)
		status = run(&w, index);
	if (w.base)
		event_base_free(w.base);
	return status;
}
