#include "podctl/podd/podd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/tls.h"
#include "podctl/pod/pidfile.h"
#include "podctl/podd/api.h"
#include "podctl/podd/bootstrap.h"
#include "podctl/podd/folders.h"
#include "podctl/podd/mounts.h"
#include "podctl/podd/restores.h"
#include "podctl/podd/stack.h"
#include "podctl/podd/users.h"
#include "podctl/podd/volumes.h"
#include "podctl/podd/replica_program.h"
#include "podctl/podd/tracebook.h"
#include "proc/proc.h"

#define STABLE_MS       10000
#define LAST_ANSWERS_MS 300

/* The filter first: the mta asks it from its first message on. */
static const struct {
	const char *name;
	enum child_rank rank;
} programs[] = { { "podfilter", CHILD_FILTER }, { "mta", CHILD_FRONT }, { "imapd", CHILD_FRONT } };

const char *podd_program(const struct podd *p, const char *name, char *buf, size_t size)
{
	(void) snprintf(buf, size, "%s/%s", p->options->bin_dir, name);
	return buf;
}

/* ---- the log ---- */

static void podd_on_own_line(void *arg, struct span line)
{
	logbook_write(arg, line);
}

static struct tracebook_limits trace_limits(const struct conf *conf)
{
	return (struct tracebook_limits){ conf->log.trace_keep_ms, conf->log.trace_size };
}

/* podd's own events take the way that the children's take: into a pipe, and from there into the log. */
static int log_start(struct podd *p, struct err *err)
{
	struct logbook_options o = {
		.path = p->conf->log.file,
		.max_bytes = p->conf->log.max_size,
		.keep = p->conf->log.keep,
		.copy_fd = p->options->log_to_stderr || !p->conf->log.file ? STDERR_FILENO : -1,
	};
	struct tracebook_limits limits = trace_limits(p->conf);
	int pipe_fds[2], r = 0;

	if (p->conf->log.trace_dir)
		r = tracebook_open(p->conf->log.trace_dir, &limits, clock_wall_ms(), &p->traces, err);
	o.traces = p->traces;
	if (r == 0)
		r = logbook_open(&o, &p->log, err);
	if (r < 0)
		return r;
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_errno(err, errno, "log");
	p->own_log_fd = pipe_fds[1];
	log_setup("podd", p->own_log_fd, p->conf->log.format, p->conf->log.level);
	return lines_create(p->base, pipe_fds[0], podd_on_own_line, p->log, &p->own_log, err);
}

/* ---- what happens ---- */

static void podd_on_child_ready(void *arg, const struct child *child)
{
	struct podd *p = arg;

	stacks_on_child_ready(p, child);
	volumes_on_ready(p, child);
	if (podd_is_ready(p))
		log_event(NULL, LOGL_INFO, "pod.ready");
}

static void podd_on_child_end(void *arg, const struct child *child, int status)
{
	stacks_on_child_end(arg, child, status);
}

bool podd_is_ready(const struct podd *p)
{
	return children_all_ready(p->children) && stacks_all_serve(p);
}

/* The stores are gone: what still waits for one is answered so, and after a moment for the answers we end. */
static void podd_on_all_stopped(void *arg)
{
	static const struct timeval moment = { .tv_usec = LAST_ANSWERS_MS * 1000 }, at_once = { 0 };
	struct podd *p = arg;

	log_event(NULL, LOGL_INFO, "pod.stopped");
	p->stores = store_pool_free(p->stores);
	volumes_stop_waiting(p);
	(void) event_base_loopexit(p->base, api_is_busy(p->api) ? &moment : &at_once);
}

static void podd_on_stop(evutil_socket_t signal, short events, void *arg)
{
	struct podd *p = arg;

	if (p->stopping)
		return;
	p->stopping = true;
	log_event(NULL, LOGL_INFO, "pod.stopping");
	mounts_stop(p->mounts);
	stacks_stop(p);
	children_stop(p->children);
}

static struct supervise_times restart_times(const struct conf *conf)
{
	return (struct supervise_times){
		.drain_ms = conf->podd.drain_timeout_ms,
		.stable_ms = STABLE_MS,
		.backoff_first_ms = conf->podd.restart_min_ms,
		.backoff_max_ms = conf->podd.restart_max_ms,
	};
}

int podd_reload(struct podd *p, struct err *err)
{
	struct supervise_times times;
	struct tracebook_limits limits;
	const struct conf *conf;
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	int r = a ? conf_load(p->options->config_file, a, NULL, &conf, err)
	          : err_set(err, POD_E_NOMEM, "reload");

	if (r < 0)
		return r;
	r = logbook_reopen(p->log, conf->log.max_size, conf->log.keep, err);
	if (r < 0) {
		(void) conf_free(conf);
		return r;
	}
	(void) conf_free(p->conf);
	p->conf = conf;
	limits = trace_limits(conf);
	if (p->traces)
		tracebook_set_limits(p->traces, &limits);
	log_setup("podd", p->own_log_fd, conf->log.format, conf->log.level);
	log_event(NULL, LOGL_INFO, "pod.reloaded", F_STR("config", conf->file));
	times = restart_times(conf);
	children_reload(p->children, &times);
	return 0;
}

static void podd_on_reload(evutil_socket_t signal, short events, void *arg)
{
	struct podd *p = arg;
	struct err err = { 0 };

	if (!p->stopping && podd_reload(p, &err) < 0)
		log_event(NULL, LOGL_ERROR, "pod.not_reloaded", F_ERR(&err));
}

/* ---- from start to end ---- */

static int programs_check(const struct podd *p, struct err *err)
{
	static const char *const names[] = { "stored", "podfilter", "mta", "imapd" };
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (access(podd_program(p, names[i], path, sizeof(path)), X_OK) < 0)
			return err_errno(err, errno, "%s", path);
	return 0;
}

static int front_ends_start(struct podd *p, struct err *err)
{
	char path[PATH_MAX];

	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(programs); i++) {
		const char *const argv[] = { podd_program(p, programs[i].name, path, sizeof(path)),
			                     "--config", p->options->config_file, NULL };
		const struct child_spec spec = { .rank = programs[i].rank, .process = { .argv = argv } };

		if (programs[i].rank != CHILD_FILTER || p->conf->filter.enabled)
			r = children_run(p->children, programs[i].name, &spec, err);
	}
	return r;
}

static int programs_start(struct podd *p, struct err *err)
{
	const struct children_options o = {
		.base = p->base,
		.log = p->log,
		.times = restart_times(p->conf),
		.on_ready = podd_on_child_ready,
		.on_end = podd_on_child_end,
		.on_all_stopped = podd_on_all_stopped,
		.arg = p,
	};
	int r = children_create(&o, &p->children, err);

	if (r < 0 || (r = volumes_start(p, err)) < 0)
		return r;
	return front_ends_start(p, err);
}

/* Volumes that are reached over TLS want our certificate; those with a unix socket know us by our uid. */
static int open_stores(struct podd *p, struct err *err)
{
	const struct tls_conf *c = &p->conf->tls;
	const struct tls_client_options o = { .ca_file = c->ca,
		                              .cert_file = c->client_cert,
		                              .key_file = c->client_key };
	struct tls_context *tls = NULL;
	int r = c->client_cert ? tls_client_create(&o, &tls, err) : 0;

	if (r == 0)
		r = store_pool_create(p->base, p->dir, "podd", "admin", tls, &p->stores, err);
	(void) tls_unref(tls);
	return r;
}

static int state_open(struct podd *p, struct err *err)
{
	char pidfile[PATH_MAX];
	int r = folders_make(p->conf, err);

	if (r < 0)
		return r;
	(void) snprintf(pidfile, sizeof(pidfile), "%s/" PIDFILE_NAME, p->conf->pod.run_dir);
	if ((r = pidfile_acquire(pidfile, &p->pid_fd, err)) < 0 || (r = certificate_make(p->conf, err)) < 0 ||
	    (r = log_start(p, err)) < 0 ||
	    (r = directory_open_writer(p->conf->pod.directory_dir, &p->dir, err)) < 0 ||
	    (r = directory_bootstrap(p->dir, p->conf, err)) < 0)
		return r;
	return open_stores(p, err);
}

static int podd_start(struct podd *p, struct err *err)
{
	int r = programs_check(p, err);

	if (r < 0 || (r = state_open(p, err)) < 0)
		return r;
	log_event(NULL, LOGL_INFO, "pod.starting", F_STR("config", p->options->config_file));
	if ((r = replica_program_place(p, err)) < 0 || (r = mounts_create(p, &p->mounts, err)) < 0 ||
	    (r = restores_create(p, &p->restores, err)) < 0)
		return r;
	/* The API first: a port that is taken is known before anything runs. */
	if ((r = api_start(p, &p->api, err)) < 0 || (r = programs_start(p, err)) < 0)
		return r;
	return users_cleaner_start(p, err);
}

static int podd_loop(struct podd *p, struct err *err)
{
	static const struct {
		int signal;
		event_callback_fn on_signal;
	} signals[] = { { SIGTERM, podd_on_stop }, { SIGINT, podd_on_stop }, { SIGHUP, podd_on_reload } };
	struct event *events[ARRAY_SIZE(signals)] = { NULL };
	int r = 0;

	(void) signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(signals); i++) {
		events[i] = evsignal_new(p->base, signals[i].signal, signals[i].on_signal, p);
		if (!events[i] || event_add(events[i], NULL) < 0)
			r = err_set(err, POD_E_NOMEM, "signals");
	}
	if (r == 0)
		r = podd_start(p, err);
	if (r == 0) {
		proc_notify_ready();
		(void) event_base_dispatch(p->base);
	}
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (events[i])
			event_free(events[i]);
	return r;
}

/* After a start that failed half way, children that run already end with us: see process.c. */
static void podd_done(struct podd *p)
{
	p->api = api_free(p->api);
	p->stores = store_pool_free(p->stores);
	p->restores = restores_free(p->restores);
	stacks_free(p);
	p->mounts = mounts_free(p->mounts);
	p->children = children_free(p->children);
	if (p->cleaner)
		event_free(p->cleaner);
	p->dir = directory_close(p->dir);
	closep(&p->own_log_fd); /* so that the other end meets its end, and is freed by that */
	lines_flush(p->own_log);
	p->log = logbook_close(p->log);
	p->traces = tracebook_close(p->traces);
	closep(&p->pid_fd);
	event_base_free(p->base);
	p->conf = conf_free(p->conf);
}

int podd_run(const struct podd_options *o, struct err *err)
{
	_cleanup_(arena_freep) struct arena *a = arena_create(1 << 20);
	struct podd p = {
		.options = o,
		.own_log_fd = -1,
		.pid_fd = -1,
		.started_ms = clock_mono_ms(),
	};
	int r = a ? conf_load(o->config_file, a, NULL, &p.conf, err)
	          : err_set(err, POD_E_NOMEM, "configuration");

	if (r < 0)
		return r;
	(void) umask(027);
	/* Workers whose parent was killed become our children, so that we see when the last of them is gone.
	 */
	(void) prctl(PR_SET_CHILD_SUBREAPER, 1);
	LIST_INIT(&p.user_ops);
	LIST_INIT(&p.volume_additions);
	LIST_INIT(&p.stacks);
	p.base = event_base_new();
	if (!p.base) {
		p.conf = conf_free(p.conf);
		return err_set(err, POD_E_NOMEM, "event loop");
	}
	r = podd_loop(&p, err);
	podd_done(&p);
	return r;
}
