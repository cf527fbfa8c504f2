/*
 * imapd: the IMAP gateway. The parent binds the ports and reads the certificates, gives up its privileges,
 * and forks workers that parse what clients send. None of them has a mail file or a password: the store does.
 */
#include <stdio.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "base/log.h"
#include "imapd/conn/worker.h"
#include "imapd/eas/park/mesh.h"
#include "proc/options.h"
#include "proc/proc.h"

#define DRAIN_MS 5000

static const struct daemon_words words = {
	.name = "imapd",
	.what = "The IMAP gateway of a podmail pod: serves IMAP clients and phones with what the volumes' "
	        "stores hold.\n"
		"It is started by podd; podctl up starts a whole pod.",
	.signals = "SIGTERM lets commands under way finish and ends; SIGHUP reads certificates again.\n"
		   "Exit status: 0 after SIGTERM, 1 where it could not start, 2 for wrong usage. See "
	           "imapd(8).\n",
};

/* One address for each service that is on. The parent keeps the sockets, so that nobody is refused while a
 * worker restarts. */
static int open_listeners(const struct conf *conf, struct imapd_listen *listen, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct conf_endpoint *at = conf_listen(conf, listen[i].which);
		struct net_addr addr;
		int r;

		if (!at)
			continue;
		r = net_addr_parse(span_of(at->address), &addr, err);
		if (r == 0)
			r = listener_open(&addr, 0, &listen[i].fd, err);
		if (r < 0)
			return err_wrap(err, r, "%s", at->name);
	}
	return 0;
}

static int run_worker(void *arg, unsigned int index)
{
	return imapd_worker_run(arg, index);
}

/* What we show to stores on other hosts, read here as workers may not be able to; NULL without a certificate.
 */
static int open_store_tls(const struct tls_conf *c, struct tls_context **ret_tls, struct err *err)
{
	const struct tls_client_options o = { .ca_file = c->ca,
		                              .cert_file = c->client_cert,
		                              .key_file = c->client_key };

	return c->client_cert ? tls_client_create(&o, ret_tls, err) : 0;
}

static int open_tally(const struct conf *conf, struct tally **ret_tally, struct err *err)
{
	char path[4096];

	(void) snprintf(path, sizeof(path), "%s/" TALLY_FILE, conf->pod.run_dir);
	return tally_open(path, ret_tally, err);
}

static int prepare(const struct conf *conf, const struct tls_server_options *tls, struct imapd_listen *listen,
                   size_t n, struct err *err)
{
	struct tls_context *checked = NULL;
	int r = open_listeners(conf, listen, n, err);

	/* The workers make their own from the same files; what is wrong with those is told now. */
	if (r == 0)
		r = tls_server_create(tls, &checked, err);
	(void) tls_unref(checked);
	if (r == 0)
		r = privilege_drop(conf->pod.user_imap, err);
	return r == 0 ? privilege_harden(err) : r;
}

static int serve(const char *file, const struct conf *conf)
{
	struct tls_server_options tls = { .cert_file = conf->tls.cert,
		                          .key_file = conf->tls.key,
		                          .sni_dir = conf->tls.sni_dir };
	struct imapd_listen listen[] = { { CONF_LISTEN_IMAP, -1 },
		                         { CONF_LISTEN_IMAPS, -1 },
		                         { CONF_LISTEN_HTTPS, -1 } };
	struct imapd_options o = { .config_file = file,
		                   .conf = conf,
		                   .tls = &tls,
		                   .listen = listen,
		                   .listen_n = ARRAY_SIZE(listen) };
	struct worker_kind kind = {
		.name = "imap", .count = conf->imapd.workers, .run = run_worker, .arg = &o
	};
	struct err err = { 0 };
	int r;

	random_bytes(tls.ticket_key, sizeof(tls.ticket_key));
	r = open_store_tls(&conf->tls, &o.store_tls, &err);
	if (r == 0)
		r = open_tally(conf, &o.tally, &err);
	if (r == 0)
		r = mesh_create(conf->imapd.workers, &o.mesh, &err);
	if (r == 0)
		r = prepare(conf, &tls, listen, ARRAY_SIZE(listen), &err);
	if (r == 0) {
		proc_notify_ready();
		log_event(NULL, LOGL_NOTICE, "imapd.started", F_UINT("workers", conf->imapd.workers));
		r = workers_run(&kind, 1, DRAIN_MS, NULL, NULL, &err);
	}
	(void) mesh_free(o.mesh);
	(void) tls_unref(o.store_tls);
	(void) tally_close(o.tally);
	if (r < 0) {
		log_event(NULL, LOGL_ERROR, "imapd.failed", F_ERR(&err));
		return 1;
	}
	log_event(NULL, LOGL_NOTICE, "imapd.stopped");
	return 0;
}

int main(int argc, char **argv)
{
	const char *file = NULL;
	const struct conf *conf = NULL;
	struct err err = { 0 };
	int r = daemon_options(&words, argc, argv, &file);

	if (r >= 0)
		return r;
	r = conf_load(file, NULL, NULL, &conf, &err);
	if (r < 0) {
		(void) fprintf(stderr, "imapd: %s\n", err_text(&err));
		return 1;
	}
	log_setup("imapd", STDERR_FILENO, conf->log.format, conf->log.level);
	r = serve(file, conf);
	(void) conf_free(conf);
	return r;
}
