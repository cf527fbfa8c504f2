/*
 * mta: the SMTP front end. A small parent binds the ports, forks workers that parse, one process that owns
 * the queue and those that send to other servers, and restarts what dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/log.h"
#include "conf/conf.h"
#include "mta/conn/admin.h"
#include "mta/conn/conn.h"
#include "mta/conn/gateway.h"
#include "mta/conn/own_filter.h"
#include "mta/outbound/outbound.h"
#include "mta/queue/queue.h"
#include "mta/service/metrics.h"
#include "mta/tlsrpt/reports.h"
#include "net/listener.h"
#include "net/tls.h"
#include "proc/options.h"
#include "proc/proc.h"
#include "tally/tally.h"

#define DRAIN_MS 20000
#define PROBLEMS_ARENA (1u << 20)

static const struct smtp_door door_kinds[SMTP_DOORS] = {
	{ CONF_LISTEN_SMTP, false, -1 },       { CONF_LISTEN_LMTP, false, -1 },
	{ CONF_LISTEN_SUBMISSION, false, -1 }, { CONF_LISTEN_SUBMISSIONS, false, -1 },
	{ CONF_LISTEN_SUBMISSION, true, -1 },
};

struct mta {
	const struct conf *conf;
	struct tls_context *tls;
	struct tls_context *store_tls; /* towards volumes on other hosts; NULL: no certificate for it */
	struct tally *tally;
	uint8_t ticket_key[80];
	struct smtp_door (*doors)[SMTP_DOORS]; /* of each worker */
	struct srs *srs; /* NULL: forwarded mail keeps its sender */
	struct queue_options queue;
	int *outbound_fds; /* of each outbound process */
	int reports_fd, gateway_fd, admin_fd, outbound_admin_fd;
	const struct metric_item *metrics; /* of every process of the mta */
	size_t n_metrics;
	struct milter_counted counted;
};

static const struct daemon_words words = {
	.name = "mta",
	.what = "The SMTP front end of a pod: mail in (SMTP, LMTP), submission, and the queue.",
	.signals = "SIGHUP reads the configuration and certificates again; SIGTERM ends it when the messages\n"
	           "under way are done. See mta(8) and podmail.conf(5).\n",
};

static int open_door(const struct conf *conf, struct smtp_door *door, struct err *err)
{
	const struct conf_endpoint *e = conf_listen(conf, door->which);
	struct net_addr addr;
	int r;

	if (!e)
		return 0;
	r = net_addr_parse(span_of(e->address), &addr, err);
	if (r == 0)
		r = listener_open(&addr, LISTEN_REUSEPORT, &door->fd, err);
	return r < 0 ? err_wrap(err, r, "%s", e->name) : 0;
}

/* A unix socket is one for all of them. */
static int open_gateway(struct mta *m, struct smtp_door *door, struct err *err)
{
	int r = m->gateway_fd < 0 ? smtp_gateway_listen(m->conf, &m->gateway_fd, err) : 0;

	if (r < 0)
		return err_wrap(err, r, "gateway");
	door->fd = fcntl(m->gateway_fd, F_DUPFD_CLOEXEC, 0);
	return door->fd < 0 ? err_errno(err, errno, "gateway") : 0;
}

/* Each worker has sockets of its own, so that the kernel spreads connections; the parent keeps them all. */
static int open_doors(struct mta *m, struct err *err)
{
	unsigned int n = m->conf->mta.workers;
	int r = 0;

	m->doors = calloc(n, sizeof(*m->doors));
	if (!m->doors)
		return err_set(err, POD_E_NOMEM, "no memory for listeners");
	for (unsigned int i = 0; i < n; i++)
		for (size_t k = 0; k < SMTP_DOORS; k++) {
			m->doors[i][k] = door_kinds[k];
			if (r == 0)
				r = door_kinds[k].gateway ? open_gateway(m, &m->doors[i][k], err)
				                          : open_door(m->conf, &m->doors[i][k], err);
		}
	return r;
}

static int open_tls(struct mta *m, struct err *err)
{
	struct tls_server_options o = { .cert_file = m->conf->tls.cert, .key_file = m->conf->tls.key,
		                        .sni_dir = m->conf->tls.sni_dir };

	random_bytes(m->ticket_key, sizeof(m->ticket_key));
	memcpy(o.ticket_key, m->ticket_key, sizeof(o.ticket_key));
	return tls_server_create(&o, &m->tls, err);
}

static int open_store_tls(struct mta *m, struct err *err)
{
	const struct tls_conf *c = &m->conf->tls;
	const struct tls_client_options o = { .ca_file = c->ca, .cert_file = c->client_cert, .key_file = c->client_key };

	return c->client_cert ? tls_client_create(&o, &m->store_tls, err) : 0;
}

static int open_outbound(struct mta *m, struct err *err)
{
	unsigned int n = m->conf->outbound.workers;
	int r = 0;

	m->outbound_fds = calloc(n, sizeof(*m->outbound_fds));
	if (!m->outbound_fds)
		return err_set(err, POD_E_NOMEM, "no memory for the outbound processes");
	for (unsigned int i = 0; i < n; i++) {
		m->outbound_fds[i] = -1;
		if (r == 0)
			r = outbound_listen(m->conf, i, &m->outbound_fds[i], err);
	}
	return r;
}

/* Counts that all front ends of the host share. */
static int open_tally(struct mta *m, struct err *err)
{
	char path[4096];

	(void) snprintf(path, sizeof(path), "%s/" TALLY_FILE, m->conf->pod.run_dir);
	return tally_open(path, &m->tally, err);
}

/* Everything that needs privileges. */
static int prepare(struct mta *m, struct err *err)
{
	const struct conf *c = m->conf;
	int r = open_doors(m, err);

	if (r == 0 && c->mta.srs)
		r = srs_open(c->mta.srs_secret, &m->srs, err);
	m->queue.srs = m->srs;
	m->queue.conf = c;
	m->queue.hostname = c->mta.hostname;
	if (r == 0)
		r = open_tls(m, err);
	if (r == 0)
		r = open_store_tls(m, err);
	m->queue.store_tls = m->store_tls;
	if (r == 0)
		r = open_tally(m, err);
	if (r == 0)
		r = queue_prepare(c->mta.queue_dir, c->pod.user_mta, err);
	if (r == 0)
		r = queue_listen(c, &m->queue.submit_fd, &m->queue.control_fd, err);
	if (r == 0)
		r = open_outbound(m, err);
	if (r == 0)
		r = reports_listen(c, &m->reports_fd, err);
	if (r == 0)
		r = smtp_admin_listen(c, &m->admin_fd, err);
	if (r == 0)
		r = outbound_admin_listen(c, &m->outbound_admin_fd, err);
	return r;
}

static int open_metrics(const struct mta *m, const char *kind, unsigned int index, struct err *err)
{
	char path[4096];

	(void) snprintf(path, sizeof(path), "%s/metrics/mta-%s.%u", m->conf->pod.run_dir, kind, index);
	return metric_open(path, m->metrics, m->n_metrics, err);
}

/* The table of all: what is the mta's own, and each milter. */
static int make_metrics(struct mta *m, struct arena *a, struct err *err)
{
	const char *own = m->conf->filter.enabled ? OWN_FILTER_NAME : NULL;
	int r = milter_counted_make(a, &m->conf->mta, own, MTA_METRICS_N, &m->counted);

	m->metrics = r == 0 ? milter_counted_rows(a, mta_metrics, &m->counted, &m->n_metrics) : NULL;
	return m->metrics ? 0 : err_set(err, POD_E_NOMEM, "no memory for metrics");
}

/* What every child does before it reads a byte from outside. */
static int become_worker(const struct mta *m, const char *kind, unsigned int index)
{
	struct err err = { 0 };
	int r = open_metrics(m, kind, index, &err);

	if (r == 0)
		r = privilege_drop(m->conf->pod.user_mta, &err);
	if (r == 0)
		r = privilege_harden(&err);
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "worker.failed", F_ERR(&err));
	return r;
}

static int run_smtp(void *arg, unsigned int index)
{
	const struct mta *m = arg;
	struct smtp_worker_options o = { .conf = m->conf,
		                         .doors = m->doors[index],
		                         .tls = m->tls,
		                         .srs = m->srs,
		                         .store_tls = m->store_tls,
		                         .tally = m->tally,
		                         .admin_fd = m->admin_fd,
		                         .index = index,
		                         .counted = &m->counted };

	if (become_worker(m, "smtp", index) < 0)
		return EXIT_FAILURE;
	memcpy(o.ticket_key, m->ticket_key, sizeof(o.ticket_key));
	return smtp_worker_run(&o);
}

static int run_queue(void *arg, unsigned int index)
{
	const struct mta *m = arg;

	return become_worker(m, "queue", index) < 0 ? EXIT_FAILURE : queue_run(&m->queue);
}

static int run_outbound(void *arg, unsigned int index)
{
	const struct mta *m = arg;
	const struct outbound_options o = { .conf = m->conf, .index = index, .listen_fd = m->outbound_fds[index], .admin_fd = m->outbound_admin_fd };

	return become_worker(m, "outbound", index) < 0 ? EXIT_FAILURE : outbound_run(&o);
}

static int run_reports(void *arg, unsigned int index)
{
	const struct mta *m = arg;
	const struct reports_options o = { .conf = m->conf, .control_fd = m->reports_fd };

	return become_worker(m, "reports", index) < 0 ? EXIT_FAILURE : reports_run(&o);
}

static void close_all(struct mta *m)
{
	for (unsigned int i = 0; m->doors && i < m->conf->mta.workers; i++)
		for (size_t k = 0; k < SMTP_DOORS; k++)
			closep(&m->doors[i][k].fd);
	free(m->doors);
	for (unsigned int i = 0; m->outbound_fds && i < m->conf->outbound.workers; i++)
		closep(&m->outbound_fds[i]);
	free(m->outbound_fds);
	closep(&m->queue.submit_fd);
	closep(&m->queue.control_fd);
	closep(&m->reports_fd);
	closep(&m->gateway_fd);
	closep(&m->admin_fd);
	closep(&m->outbound_admin_fd);
	m->tally = tally_close(m->tally);
	m->tls = tls_unref(m->tls);
	m->store_tls = tls_unref(m->store_tls);
	m->srs = srs_free(m->srs);
}

static int run(struct mta *m, struct err *err)
{
	struct worker_kind kinds[] = { { .name = "queue", .count = 1, .run = run_queue, .arg = m },
		                       { .name = "outbound", .count = m->conf->outbound.workers, .run = run_outbound, .arg = m },
		                       { .name = "reports", .count = 1, .run = run_reports, .arg = m },
		                       { .name = "smtp", .count = m->conf->mta.workers, .run = run_smtp, .arg = m } };
	int r = prepare(m, err);

	if (r < 0)
		return r;
	/* From here on connections are taken by the kernel and wait for a worker. */
	proc_notify_ready();
	return workers_run(kinds, ARRAY_SIZE(kinds), DRAIN_MS, NULL, NULL, err);
}

int main(int argc, char **argv)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(PROBLEMS_ARENA);
	struct mta m = { .queue = { .submit_fd = -1, .control_fd = -1 }, .reports_fd = -1, .gateway_fd = -1, .admin_fd = -1,
		         .outbound_admin_fd = -1 };
	struct err err = { 0 };
	const char *config = NULL;
	int r = daemon_options(&words, argc, argv, &config);

	if (r >= 0)
		return r;
	log_setup("mta", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO);
	proc_die_with_parent(getppid());
	r = a ? conf_load(config, a, NULL, &m.conf, &err) : -POD_E_NOMEM;
	if (r == 0) {
		log_setup("mta", STDERR_FILENO, m.conf->log.format, m.conf->log.level);
		r = make_metrics(&m, a, &err);
		if (r == 0)
			r = run(&m, &err);
		close_all(&m);
	}
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "mta.failed", F_ERR(&err));
	m.conf = conf_free(m.conf);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
