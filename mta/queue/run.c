/* The queue's process: what it opens, and the loop. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "mta/queue/internal.h"
#include "net/listener.h"
#include "net/loop.h"

/* Drain: what volumes and other servers were asked gets this long to be answered and written down. */
#define DRAIN_S             10
#define OWN_TIMEOUT_MS      30000
#define CONF_PROBLEMS_ARENA (256u << 10)

static int make_folder(const char *path, const char *owner, struct err *err)
{
	struct passwd *pw;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(err, errno, "making %s", path);
	if (geteuid() != 0 || !*owner)
		return 0;
	pw = getpwnam(owner);
	if (!pw)
		return err_set(err, POD_E_NOTFOUND, "no user %s to own %s", owner, path);
	return chown(path, pw->pw_uid, pw->pw_gid) < 0 ? err_errno(err, errno, "giving %s to %s", path, owner)
	                                               : 0;
}

int queue_prepare(const char *queue_dir, const char *owner, struct err *err)
{
	static const char *const folders[] = { "", "/tmp", "/messages", "/index", "/safety" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(folders); i++) {
		char path[4096];

		if (snprintf(path, sizeof(path), "%s%s", queue_dir, folders[i]) >= (int) sizeof(path))
			return err_set(err, POD_E_LIMIT, "%s: path too long", queue_dir);
		r = make_folder(path, owner, err);
	}
	return r;
}

char *queue_submit_path(const struct conf *conf, char *buf, size_t size)
{
	(void) snprintf(buf, size, "%s/mta-submit.sock", conf->pod.run_dir);
	return buf;
}

static int listen_unix(const char *path, int type, mode_t mode, int *ret_fd, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(sun.sun_path))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket's name", path);
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, errno, "removing a stale %s", path);
	if (fd < 0 || bind(fd, (const struct sockaddr *) &sun, sizeof(sun)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, 128) < 0)
		return err_errno(err, errno, "listening on %s", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int give_to(const char *path, const char *owner, struct err *err)
{
	struct passwd *pw = geteuid() == 0 && *owner ? getpwnam(owner) : NULL;

	return pw && chown(path, pw->pw_uid, pw->pw_gid) < 0
	               ? err_errno(err, errno, "giving %s to %s", path, owner)
	               : 0;
}

int queue_listen(const struct conf *conf, int *ret_submit_fd, int *ret_control_fd, struct err *err)
{
	_cleanup_(closep) int submit = -1, control = -1;
	char path[256];
	/* the group's, for podfilter; who of it is listened to, submit.c says */
	int r = listen_unix(queue_submit_path(conf, path, sizeof(path)), SOCK_SEQPACKET, 0660, &submit, err);

	if (r == 0)
		r = give_to(path, conf->pod.user_mta, err);
	if (r == 0) {
		(void) snprintf(path, sizeof(path), "%s/mta-queue.sock", conf->pod.run_dir);
		r = listen_unix(path, SOCK_STREAM, 0600, &control, err);
	}
	if (r < 0)
		return r;
	*ret_submit_fd = take_fd(&submit);
	*ret_control_fd = take_fd(&control);
	return 0;
}

static void end_loop(evutil_socket_t fd, short what, void *queue)
{
	(void) event_base_loopbreak(((struct queue *) queue)->base);
}

/* Attempts under way come to their end; what is not done stays in the queue as it was. */
static void on_check_drained(evutil_socket_t fd, short what, void *queue)
{
	if (((struct queue *) queue)->busy == 0)
		end_loop(fd, what, queue);
}

struct signals {
	struct event *term, *hup, *check, *late;
	struct queue *q;
	const struct conf *reloaded; /* by SIGHUP; NULL: the parent's holds */
};

static void on_term(evutil_socket_t signum, short what, void *arg)
{
	struct signals *s = arg;

	queue_drain(s->q);
	(void) event_add(s->check, &(struct timeval){ 0, 20000 });
	(void) event_add(s->late, &(struct timeval){ DRAIN_S, 0 });
}

/* SIGHUP: new times for retries. A file with mistakes changes nothing. */
static void on_hup(evutil_socket_t signum, short what, void *arg)
{
	struct signals *s = arg;
	_cleanup_(arena_freep) struct arena *a = arena_create(CONF_PROBLEMS_ARENA);
	const struct conf *conf = NULL;
	struct err err = { 0 };

	if (!a || conf_load(s->q->conf->file, a, NULL, &conf, &err) < 0) {
		log_event(NULL, LOGL_ERROR, "config.not_reloaded", F_ERR(&err));
		return;
	}
	s->reloaded = conf_free(s->reloaded);
	s->reloaded = conf;
	s->q->conf = conf;
	queue_set_limits(s->q);
	queue_pump(s->q);
	log_event(NULL, LOGL_NOTICE, "config.reloaded");
}

static int add_signals(struct queue *q, struct signals *s)
{
	s->q = q;
	s->term = evsignal_new(q->base, SIGTERM, on_term, s);
	s->hup = evsignal_new(q->base, SIGHUP, on_hup, s);
	s->check = event_new(q->base, -1, EV_PERSIST, on_check_drained, q);
	s->late = evtimer_new(q->base, end_loop, q);
	return s->term && s->hup && s->check && s->late && event_add(s->term, NULL) == 0 &&
	                       event_add(s->hup, NULL) == 0
	               ? 0
	               : -POD_E_NOMEM;
}

static void event_freep(struct event **ev)
{
	if (*ev)
		event_free(*ev);
}

static int open_all(struct queue *q, const struct queue_options *o, struct err *err)
{
	char path[256];
	int r = directory_open(o->conf->pod.directory_dir, &q->dir, err);

	if (r == 0)
		r = shelf_open(q->base, o->conf->mta.queue_dir, &q->shelf, err);
	if (r == 0)
		r = store_pool_create(q->base, q->dir, "mta-queue", "mta", o->store_tls, &q->pool, err);
	if (r == 0) {
		store_pool_on_state(q->pool, queue_on_volume, q);
		r = outbound_client_create(q->base, o->conf, &q->outbound, err);
	}
	if (r == 0)
		r = queue_client_create(q->base, queue_submit_path(o->conf, path, sizeof(path)), OWN_TIMEOUT_MS, &q->own, err);
	return r == 0 ? queue_load(q, err) : r;
}

static int serve(struct queue *q, const struct queue_options *o, struct err *err)
{
	struct queue_submit *submit = NULL;
	struct queue_control *control = NULL;
	struct queue_safety *safety = NULL;
	int r = queue_submit_serve(q, o->submit_fd, &submit, err);

	queue_pump_start(q);
	if (r == 0)
		r = queue_control_serve(q, o->control_fd, &control, err);
	if (r == 0)
		r = queue_safety_start(q, &safety, err);
	if (r == 0 && loop_run(q->base) < 0)
		r = err_set(err, POD_E_INTERNAL, "the queue's event loop failed");
	(void) queue_safety_stop(safety);
	(void) queue_submit_stop(submit);
	(void) queue_control_stop(control);
	return r;
}

int queue_run(const struct queue_options *o)
{
	struct queue q = { .conf = o->conf, .hostname = o->hostname, .srs = o->srs };
	struct signals s = { 0 };
	struct err err = { 0 };
	int r;

	q.base = event_base_new();
	LIST_INIT(&q.attempts);
	LIST_INIT(&q.commits);
	sched_init(&q.local, &(struct sched_options){ 0 });
	sched_init(&q.remote, &(struct sched_options){ 0 });
	queue_set_limits(&q);
	if (!q.base || add_signals(&q, &s) < 0)
		r = err_set(&err, POD_E_NOMEM, "no memory for the queue");
	else
		r = open_all(&q, o, &err);
	if (r == 0)
		r = serve(&q, o, &err);
	if (r < 0)
		log_event(NULL, LOGL_ERROR, "queue.failed", F_ERR(&err));
	/* In this order: calls that end now still find the shelf; what they commit no more is done again. */
	queue_drain(&q);
	q.pool = store_pool_free(q.pool);
	q.own = queue_client_free(q.own);
	q.shelf = shelf_close(q.shelf);
	queue_unload(&q); /* cancels jobs under way, for which their client has to be there */
	q.outbound = outbound_client_free(q.outbound);
	q.dir = directory_close(q.dir);
	event_freep(&s.term);
	event_freep(&s.hup);
	event_freep(&s.check);
	event_freep(&s.late);
	s.reloaded = conf_free(s.reloaded);
	if (q.base)
		event_base_free(q.base);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
