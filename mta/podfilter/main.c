/* podfilter: the pod's own milter. One process; libmilter's threads ask the checks, the main thread does the
 * rest. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "conf/conf.h"
#include "mta/podfilter/filter_internal.h"
#include "mta/podfilter/metrics.h"
#include "proc/options.h"
#include "proc/proc.h"

#define PROBLEMS_ARENA (1u << 20)

static const struct daemon_words words = {
	.name = "podfilter",
	.what = "The pod's own milter: who sends, what for, and what becomes of the message.",
	.signals = "SIGHUP reads the configuration again; SIGTERM ends it. See podfilter(8) and podmail.conf(5).\n",
};

/* Nothing here needs root, so it goes before anything is opened. */
static int become_filter(const struct conf *c, struct err *err)
{
	char path[4200];
	int r = privilege_drop(c->pod.user_filter, err);

	if (r == 0)
		r = privilege_harden(err);
	(void) snprintf(path, sizeof(path), "%s/metrics/podfilter.0", c->pod.run_dir);
	return r == 0 ? metric_open(path, filter_metrics, FILTER_METRICS_N, err) : r;
}

static int run(const struct conf *conf, const char *config, struct err *err)
{
	struct filter *f = NULL;
	int r = become_filter(conf, err);

	if (r < 0) {
		(void) conf_free(conf);
		return r;
	}
	metric_set(FM_SESSIONS_OPEN, 0);
	r = filter_open(conf, &f, err);
	if (r == 0)
		r = callbacks_register(f, conf, err);
	if (r == 0)
		r = service_run(f, config, err);
	(void) filter_close(f);
	return r;
}

int main(int argc, char **argv)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(PROBLEMS_ARENA);
	const struct conf *conf = NULL;
	struct err err = { 0 };
	const char *config = NULL;
	int r = daemon_options(&words, argc, argv, &config);

	if (r >= 0)
		return r;
	log_setup("podfilter", STDERR_FILENO, LOG_FORMAT_TEXT, LOGL_INFO);
	proc_die_with_parent(getppid());
	r = a ? conf_load(config, a, NULL, &conf, &err) : -POD_E_NOMEM;
	if (r == 0) {
		log_setup("podfilter", STDERR_FILENO, conf->log.format, conf->log.level);
		r = run(conf, config, &err);
	}
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "podfilter.failed", F_ERR(&err));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
