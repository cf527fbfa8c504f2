#include "replicator/plugin/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "net/listener.h"
#include "replicator/plugin/control_internal.h"

#define THREAD_STACK    (512u << 10)
#define SEND_WAIT_S     10 /* a client that does not read so long is gone */
#define TROUBLE_WAIT_MS 100

/* ---- connections ---- */

static void connection_reap(struct control_connection *c)
{
	(void) pthread_join(c->thread, NULL);
	closep(&c->fd);
	c->fd = -1;
	c->used = false;
}

/* A free place, those that have ended made free first. */
static struct control_connection *connection_place(struct control *c)
{
	struct control_connection *found = NULL;

	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
		struct control_connection *each = &c->connections[i];

		if (each->used && atomic_load(&each->done))
			connection_reap(each);
		if (!each->used && !found)
			found = each;
	}
	return found;
}

static int thread_start(pthread_t *ret_thread, void *(*run)(void *), void *arg, struct err *err)
{
	pthread_attr_t attr;
	int r;

	(void) pthread_attr_init(&attr);
	(void) pthread_attr_setstacksize(&attr, THREAD_STACK);
	r = pthread_create(ret_thread, &attr, run, arg);
	(void) pthread_attr_destroy(&attr);
	return r ? err_errno(err, r, "a thread") : 0;
}

static int check_client(int fd, struct err *err)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return err_errno(err, errno, "who is it");
	if (who.uid != 0 && who.uid != geteuid())
		return err_set(err, POD_E_DENIED, "uid %u may not give orders here", who.uid);
	return 0;
}

static int connection_start(struct control *c, int fd, struct err *err)
{
	const struct timeval wait = { .tv_sec = SEND_WAIT_S };
	struct control_connection *place;
	int r = check_client(fd, err);

	if (r < 0)
		return r;
	place = connection_place(c);
	if (!place)
		return err_set(err, POD_E_BUSY, "%d connections are open already", CONTROL_CONNECTIONS_MAX);
	(void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	place->fd = fd;
	atomic_store(&place->done, false);
	r = thread_start(&place->thread, control_connection_main, place, err);
	place->used = r == 0;
	if (r < 0)
		place->fd = -1; /* still the caller's */
	return r;
}

static void refuse(int fd, int code, const struct err *why)
{
	json_t *answer =
		json_pack("{sb, ss, ss}", "ok", 0, "error", err_code_name(code), "text", err_text(why));

	(void) control_send(fd, answer, NULL);
	json_decref(answer);
	(void) close(fd);
	log_event(NULL, LOGL_WARNING, "control.refused", F_ERR(why));
}

static void accept_one(struct control *c)
{
	struct err err = { 0 };
	int r, fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED)
			(void) poll(NULL, 0, TROUBLE_WAIT_MS); /* no descriptors: the socket stays readable */
		return;
	}
	r = connection_start(c, fd, &err);
	if (r < 0)
		refuse(fd, r, &err);
}

static void *listen_main(void *arg)
{
	struct control *c = arg;
	struct pollfd fds[] = {
		{ .fd = c->listen_fd, .events = POLLIN },
		{ .fd = c->stop_fd, .events = POLLIN },
		{ .fd = c->ended_fd, .events = POLLIN },
	};
	eventfd_t n;

	while (!atomic_load(&c->stop)) {
		if (poll(fds, ARRAY_SIZE(fds), -1) <= 0)
			continue;
		if (fds[2].revents) {
			(void) eventfd_read(c->ended_fd, &n);
			(void) connection_place(c); /* joins those that have ended */
		}
		if (fds[0].revents)
			accept_one(c);
	}
	return NULL;
}

/* ---- life ---- */

int control_create(struct replica *r, struct control **ret_c, struct err *err)
{
	struct control *c = calloc(1, sizeof(*c));
	int rc = 0;

	if (!c)
		return err_set(err, POD_E_NOMEM, "control socket");
	c->replica = r;
	c->listen_fd = -1;
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	c->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->stop_fd < 0 || c->ended_fd < 0)
		rc = err_errno(err, errno, "eventfd");
	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++) {
		c->connections[i].control = c;
		c->connections[i].fd = c->connections[i].queue.wake_fd = -1;
	}
	for (size_t i = 0; rc == 0 && i < CONTROL_CONNECTIONS_MAX; i++)
		rc = control_queue_init(&c->connections[i].queue, err);
	if (rc < 0) {
		(void) control_free(c);
		return rc;
	}
	*ret_c = c;
	return 0;
}

/* The mode from the first moment on: nobody else can have connected before it was set. */
static int listen_at(struct control *c, const char *path, struct err *err)
{
	struct net_addr addr;
	char text[sizeof(c->path) + 5];
	mode_t before;
	int r;

	if (strlen(path) >= sizeof(c->path))
		return err_set(err, POD_E_LIMIT, "%s: the path of a socket has at most %zu bytes", path,
		               sizeof(c->path) - 1);
	(void) snprintf(text, sizeof(text), "unix:%s", path);
	r = net_addr_parse(span_of(text), &addr, err);
	if (r < 0)
		return r;
	before = umask(0177);
	r = listener_open(&addr, 0, &c->listen_fd, err);
	(void) umask(before);
	if (r == 0)
		(void) snprintf(c->path, sizeof(c->path), "%s", path);
	return r;
}

int control_start(struct control *c, const char *path, struct err *err)
{
	int r = listen_at(c, path, err);

	if (r == 0)
		r = thread_start(&c->thread, listen_main, c, err);
	c->runs = r == 0;
	return r < 0 ? err_wrap(err, r, "control socket") : 0;
}

void control_stop(struct control *c)
{
	if (!c)
		return;
	atomic_store(&c->stop, true);
	(void) eventfd_write(c->stop_fd, 1);
	if (c->runs)
		(void) pthread_join(c->thread, NULL);
	c->runs = false;
	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		if (c->connections[i].used)
			connection_reap(&c->connections[i]);
	if (*c->path)
		(void) unlink(c->path);
	c->path[0] = '\0';
	closep(&c->listen_fd);
	c->listen_fd = -1;
}

struct control *control_free(struct control *c)
{
	if (!c)
		return NULL;
	control_stop(c);
	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		control_queue_done(&c->connections[i].queue);
	closep(&c->stop_fd);
	closep(&c->ended_fd);
	free(c);
	return NULL;
}

void control_publish(struct control *c, const struct control_event *e)
{
	for (size_t i = 0; i < CONTROL_CONNECTIONS_MAX; i++)
		control_queue_put(&c->connections[i].queue, e);
}
