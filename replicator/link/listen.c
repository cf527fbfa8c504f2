/* Where primaries reach us. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "replicator/link/link_internal.h"

int listen_open(struct replication *r, struct err *err)
{
	struct net_addr addr = { 0 };
	int ret = net_addr_parse(span_of(r->o.listen), &addr, err);

	if (ret < 0)
		return err_set(err, POD_E_CONFIG, "\"%s\" is no address to listen on", r->o.listen);
	ret = listener_open(&addr, 0, &r->listen_fd, err);
	if (ret < 0)
		return ret;
	addr.len = sizeof(addr.ss);
	if (getsockname(r->listen_fd, (struct sockaddr *) &addr.ss, &addr.len) < 0)
		return err_errno(err, errno, "%s", r->o.listen);
	r->port = net_addr_port(&addr);
	return 0;
}

void listen_close(struct replication *r)
{
	for (size_t i = 0; i < SESSIONS_MAX; i++) {
		struct session *s = &r->sessions[i];

		if (s->used)
			(void) pthread_join(s->thread, NULL);
		s->wire = wire_free(s->wire);
		if (s->used)
			(void) close(s->stop_fd);
		s->used = false;
	}
	if (r->listen_fd >= 0)
		(void) close(r->listen_fd);
	r->listen_fd = -1;
}

/* A place whose thread is gone or was never there; NULL: all are taken. */
static struct session *free_session(struct replication *r)
{
	struct session *found = NULL;

	(void) pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < SESSIONS_MAX && !found && !r->stopping; i++)
		if (!r->sessions[i].used || r->sessions[i].done)
			found = &r->sessions[i];
	(void) pthread_mutex_unlock(&r->lock);
	if (found && found->used) {
		(void) pthread_join(found->thread, NULL);
		(void) close(found->stop_fd);
	}
	return found;
}

static int begin(struct replication *r, struct session *s, int fd)
{
	struct wire *wire = s->wire;
	int e;

	if (!wire && wire_create(&wire, NULL) < 0)
		return -1;
	(void) pthread_mutex_lock(&r->lock);
	*s = (struct session){
		.r = r, .fd = fd, .wire = wire, .stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
	};
	s->stop = r->stopping;
	e = s->stop_fd < 0 ? errno : pthread_create(&s->thread, NULL, session_main, s);
	s->used = e == 0;
	(void) pthread_mutex_unlock(&r->lock);
	if (e && s->stop_fd >= 0)
		(void) close(s->stop_fd);
	return e ? -1 : 0;
}

static void take_connection(struct replication *r)
{
	int fd = accept4(r->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct session *s;

	if (fd < 0)
		return; /* it has gone again, or there are too many files: the next one will tell */
	s = free_session(r);
	if (!s || begin(r, s, fd) < 0) {
		log_event(r->o.log, LOGL_WARNING, "replication.too_many_connections");
		(void) close(fd);
	}
}

void *acceptor_main(void *arg)
{
	struct replication *r = arg;

	for (;;) {
		struct pollfd fds[2] = { { .fd = r->listen_fd, .events = POLLIN },
			                 { .fd = r->stop.fd, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (fds[1].revents)
			return NULL;
		if (fds[0].revents)
			take_connection(r);
	}
}

void sessions_end(struct replication *r, const struct session *except)
{
	uint64_t one = 1;
	bool some;

	do {
		some = false;
		for (size_t i = 0; i < SESSIONS_MAX; i++) {
			struct session *s = &r->sessions[i];

			if (!s->used || s->done || s == except)
				continue;
			some = true;
			if (s->stop)
				continue;
			s->stop = true;
			if (write(s->stop_fd, &one, sizeof(one)) < 0)
				wire_shutdown(s->wire); /* it will notice that, too */
		}
		if (some) {
			(void) pthread_cond_broadcast(&r->changed); /* it may wait for a change of role */
			(void) pthread_cond_wait(&r->changed, &r->lock);
		}
	} while (some);
}
