#include "mta/podfilter/control/door.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/thread.h"

#define BACKLOG 128

struct door {
	struct door_options o;
	struct event_base *base;
	struct evhttp *http;
	pthread_t thread;
	bool running;
	void (*first)(void *arg);
};

static int listen_at(struct door *d, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int r;

	if ((size_t) snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/%s", d->o.run_dir, d->o.name) >=
	    sizeof(sun.sun_path))
		return err_set(err, POD_E_LIMIT, "%s: too long for a socket in it", d->o.run_dir);
	(void) unlink(sun.sun_path);
	mask = umask(0777 & ~d->o.mode);
	r = fd < 0 ? -1 : bind(fd, (const struct sockaddr *) &sun, sizeof(sun));
	(void) umask(mask);
	if (r < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(err, errno, "%s", sun.sun_path);
	if (evhttp_accept_socket(d->http, fd) < 0)
		return err_set(err, POD_E_NOMEM, "%s", sun.sun_path);
	(void) take_fd(&fd);
	return 0;
}

int door_open(const struct door_options *o, struct door **ret_door, struct err *err)
{
	struct door *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return err_set(err, POD_E_NOMEM, "%s", o->name);
	d->o = *o;
	d->base = event_base_new();
	d->http = d->base ? evhttp_new(d->base) : NULL;
	if (!d->http) {
		(void) door_free(d);
		return err_set(err, POD_E_NOMEM, "%s", o->name);
	}
	evhttp_set_allowed_methods(d->http, EVHTTP_REQ_POST);
	evhttp_set_max_body_size(d->http, o->body_max);
	evhttp_set_gencb(d->http, o->on_request, o->arg);
	r = listen_at(d, err);
	if (r < 0)
		(void) door_free(d);
	else
		*ret_door = d;
	return r;
}

struct event_base *door_base(struct door *d)
{
	return d->base;
}

static void *door_thread(void *arg)
{
	struct door *d = arg;

	if (d->first)
		d->first(d->o.arg);
	(void) event_base_dispatch(d->base);
	return NULL;
}

int door_start(struct door *d, void (*first)(void *arg), struct err *err)
{
	int r;

	d->first = first;
	r = thread_start_quiet(&d->thread, 0, door_thread, d, d->o.name, err);
	d->running = r == 0;
	return r;
}

void door_close(struct door *d)
{
	if (!d->running)
		return;
	/* Unlike a break, it is not forgotten where the thread has not come to its loop yet. */
	(void) event_base_loopexit(d->base, NULL);
	(void) pthread_join(d->thread, NULL);
	d->running = false;
}

struct door *door_free(struct door *d)
{
	if (!d)
		return NULL;
	door_close(d);
	if (d->http)
		evhttp_free(d->http);
	if (d->base)
		event_base_free(d->base);
	free(d);
	return NULL;
}
