#include "store/serve.h"

#include <errno.h>
#include <event2/event.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/metric.h"
#include "directory/directory.h"
#include "net/listener.h"
#include "net/tls.h"
#include "proc/proc.h"
#include "store/index/index.h"
#include "store/service/metrics.h"
#include "store/service/service.h"

#define RECORD_ARENA (64u << 10)
#define SOCKET_MODE 0660
#define SOCKET_GROUP "podmail" /* of the front ends' users */
#define DAY_MS (24ull * 60 * 60 * 1000)

struct serving {
	const struct conf *conf;
	struct arena *a;
	const char *name, *path, *endpoint;
	uint64_t token;
	uid_t started_as;
	int listen_fd, tls_fd; /* tls_fd -1: local front ends only */
	struct tls_context *tls;
	struct event_base *base;
	struct event *term, *interrupt;
	struct service *service;
	struct volume *volume;
};

/* ---- with privileges ---- */

static int volume_record(const struct conf *conf, struct arena *a, const char *volume, const Directory__Volume **ret,
                         struct err *err)
{
	const ProtobufCMessage *m = NULL;
	struct directory *dir = NULL;
	int r = directory_open(conf->pod.directory_dir, &dir, err);

	if (r == 0)
		r = directory_get(dir, a, DIRECTORY_VOLUME, span_of(volume), &m, err);
	(void) directory_close(dir);
	if (r < 0)
		return err_wrap(err, r, "volume %s", volume);
	*ret = (const Directory__Volume *) m;
	return 0;
}

int serve_volume_path(const struct conf *conf, struct arena *a, const char *volume, const char **ret_path,
                      struct err *err)
{
	const Directory__Volume *v;
	int r = volume_record(conf, a, volume, &v, err);

	if (r == 0)
		*ret_path = v->path;
	return r;
}

/* Only the front ends' group may connect; what each may ask for then goes by its uid. */
static int guard_socket(const char *path, struct err *err)
{
	const struct group *g = geteuid() == 0 ? getgrnam(SOCKET_GROUP) : NULL;

	if (g && lchown(path, (uid_t) -1, g->gr_gid) < 0)
		return err_errno(err, errno, "chown %s", path);
	return chmod(path, SOCKET_MODE) < 0 ? err_errno(err, errno, "chmod %s", path) : 0;
}

static int open_socket(struct serving *s, struct err *err)
{
	const char *path = arena_printf(s->a, "%s/store-%s.sock", s->conf->pod.run_dir, s->name);
	const char *endpoint = path ? arena_printf(s->a, "unix:%s", path) : NULL;
	struct net_addr addr;
	int r = endpoint ? net_addr_parse(span_of(endpoint), &addr, err) : err_set(err, POD_E_NOMEM, "no memory");

	if (r == 0)
		r = listener_open(&addr, 0, &s->listen_fd, err);
	return r < 0 ? r : guard_socket(path, err);
}

/* stored.tls_listen, at the port that the volume's place in the directory names. */
static int tls_address(const struct serving *s, struct net_addr *ret, struct err *err)
{
	const char *listen = s->conf->stored.tls_listen, *colon = strrchr(listen, ':');
	const char *port = strncmp(s->endpoint, "unix:", 5) == 0 ? NULL : strrchr(s->endpoint, ':');
	const char *at = port ? arena_printf(s->a, "%.*s%s", (int) (colon - listen), listen, port) : listen;

	return at ? net_addr_parse(span_of(at), ret, err) : err_set(err, POD_E_NOMEM, "no memory");
}

/* For front ends of other hosts: who has a certificate of the pod's CA, with one of the names that mean a role. */
static int open_tls(struct serving *s, struct err *err)
{
	const struct tls_server_options o = { .cert_file = s->conf->tls.cert, .key_file = s->conf->tls.key,
		                              .client_ca_file = s->conf->tls.ca };
	const char *listen = s->conf->stored.tls_listen;
	struct net_addr addr;
	int r;

	if (!*listen || strcmp(listen, "none") == 0)
		return 0;
	r = tls_address(s, &addr, err);
	if (r == 0)
		r = tls_server_create(&o, &s->tls, err);
	if (r == 0)
		r = listener_open(&addr, 0, &s->tls_fd, err);
	return r < 0 ? err_wrap(err, r, "stored.tls_listen") : 0;
}

static int open_metrics(struct serving *s, struct err *err)
{
	const char *path = arena_printf(s->a, "%s/metrics/stored.%s", s->conf->pod.run_dir, s->name);

	return path ? metric_open(path, store_metrics, STORE_METRIC_COUNT, err) : err_set(err, POD_E_NOMEM, "no memory");
}

int serve_prepare(const struct conf *conf, const char *volume, struct serving **ret_s, struct err *err)
{
	struct serving *s = calloc(1, sizeof(*s));
	const Directory__Volume *v = NULL;
	int r;

	if (!s || !(s->a = arena_create(RECORD_ARENA))) {
		free(s);
		return err_set(err, POD_E_NOMEM, "no memory");
	}
	s->conf = conf;
	s->name = volume;
	s->listen_fd = -1;
	s->tls_fd = -1;
	s->started_as = getuid();
	r = volume_record(conf, s->a, volume, &v, err);
	if (r == 0) {
		s->path = v->path;
		s->endpoint = v->endpoint;
		s->token = v->token;
		r = open_metrics(s, err);
	}
	if (r == 0)
		r = open_socket(s, err);
	if (r == 0)
		r = open_tls(s, err);
	if (r < 0) {
		(void) serve_free(s);
		return r;
	}
	*ret_s = s;
	return 0;
}

/* ---- without ---- */

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	log_event(NULL, LOGL_NOTICE, "stored.stopping", F_INT("signal", sig));
	(void) event_base_loopbreak(arg);
}

static int open_loop(struct serving *s, struct err *err)
{
	s->base = event_base_new();
	s->term = s->base ? evsignal_new(s->base, SIGTERM, on_signal, s->base) : NULL;
	s->interrupt = s->base ? evsignal_new(s->base, SIGINT, on_signal, s->base) : NULL;
	if (!s->term || !s->interrupt || event_add(s->term, NULL) < 0 || event_add(s->interrupt, NULL) < 0)
		return err_set(err, POD_E_NOMEM, "no event loop");
	(void) signal(SIGPIPE, SIG_IGN); /* a peer that is gone is an error of write */
	(void) signal(SIGHUP, SIG_IGN); /* nothing here is read again while it runs */
	return 0;
}

/* Where a program has no user of its own it runs as whoever started us. */
static uid_t uid_of(const struct serving *s, const char *user)
{
	return s->started_as == 0 && *user ? privilege_uid_of(user) : s->started_as;
}

static int open_service(struct serving *s, struct err *err)
{
	const struct pod_conf *pod = &s->conf->pod;
	const struct stored_conf *c = &s->conf->stored;
	const struct service_options o = {
		.base = s->base,
		.volume_name = s->name,
		.volume_path = s->path,
		.readers = c->readers,
		.users_max = c->users_max,
		.quota_default = c->quota_default,
		.auth_remember_ms = c->auth_cache_ms,
		.token = s->token,
		.uid_mta = uid_of(s, pod->user_mta),
		.uid_gateway = uid_of(s, pod->user_imap),
		.uid_filter = uid_of(s, pod->user_filter),
		.uid_admin = s->started_as, /* podd, who started us */
		.name_mta = c->tls_mta,
		.name_gateway = c->tls_gateway,
		.name_filter = c->tls_filter,
		.name_admin = c->tls_admin,
	};

	return service_create(&o, &s->service, err);
}

static void on_rebuild_problem(void *arg, const char *text)
{
	log_event(NULL, LOGL_WARNING, "rebuild.problem", F_STR("problem", text));
}

/* The index can be made from the files at any time; whoever starts the pod again should not have to know how. */
static int rebuild_missing_index(const struct serving *s, struct err *err)
{
	struct fsck_report report = { .problem = on_rebuild_problem };
	int r;

	if (!volume_lacks_index(s->path))
		return 0;
	log_event(NULL, LOGL_NOTICE, "rebuild.started", F_STR("volume", s->name));
	r = volume_rebuild(s->path, &report, err);
	if (r == 0)
		log_event(NULL, LOGL_NOTICE, "rebuild.done", F_STR("volume", s->name), F_UINT("users", report.users),
		          F_UINT("messages", report.messages), F_UINT("problems", report.problems));
	return r;
}

static int open_volume(struct serving *s, struct err *err)
{
	const struct stored_conf *c = &s->conf->stored;
	const struct volume_options o = {
		.path = s->path,
		.name = s->name,
		.token = s->token,
		.map_bytes = c->map_size,
		.users_max = c->users_max,
		.write_behind_ms = (unsigned int) c->write_behind_ms,
		.settle_ms = (unsigned int) c->delivery_settle_ms,
		.oof_repeat_s = c->oof_repeat_ms / 1000,
		.delivery_memory_days = (unsigned int) ((c->delivery_memory_ms + DAY_MS - 1) / DAY_MS),
		.commit_changes_max = c->commit_max_messages,
		.commit_window_ms = (unsigned int) c->commit_window_ms,
		.on_changed = service_on_changed,
		.is_watched = service_is_watched,
		.arg = s->service,
	};
	int r = rebuild_missing_index(s, err);

	if (r == 0)
		r = volume_open(&o, &s->volume, err);
	return r < 0 ? err_wrap(err, r, "volume %s", s->name) : 0;
}

/* The order matters: nothing may ask the volume once it is closed, and nothing may call back once that is gone. */
static void close_all(struct serving *s)
{
	if (s->service)
		service_stop(s->service);
	s->volume = volume_close(s->volume);
	s->service = service_free(s->service);
}

int serve_run(struct serving *s, struct err *err)
{
	int r = open_loop(s, err);

	if (r == 0)
		r = open_service(s, err);
	if (r == 0)
		r = open_volume(s, err);
	if (r == 0)
		r = service_start(s->service, s->volume, err);
	if (r == 0)
		r = service_listen(s->service, take_fd(&s->listen_fd), NULL, err);
	if (r == 0 && s->tls_fd >= 0)
		r = service_listen(s->service, take_fd(&s->tls_fd), s->tls, err);
	if (r == 0) {
		log_event(NULL, LOGL_NOTICE, "stored.ready", F_STR("volume", s->name), F_STR("path", s->path));
		proc_notify_ready();
		(void) event_base_dispatch(s->base);
	}
	close_all(s);
	return r;
}

struct serving *serve_free(struct serving *s)
{
	if (!s)
		return NULL;
	if (s->term)
		event_free(s->term);
	if (s->interrupt)
		event_free(s->interrupt);
	if (s->base)
		event_base_free(s->base);
	closep(&s->listen_fd);
	closep(&s->tls_fd);
	(void) tls_unref(s->tls);
	(void) arena_free(s->a);
	free(s);
	return NULL;
}
