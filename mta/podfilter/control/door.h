/*
 * A thread with an event loop that answers HTTP on a unix socket: the control socket is one, signatures are
 * asked for at another, so that neither waits for the other's work.
 */
#ifndef POD_FILTER_CONTROL_DOOR_H
#define POD_FILTER_CONTROL_DOOR_H

#include <event2/event.h>
#include <event2/http.h>
#include <sys/types.h>

#include "base/err.h"

struct door;

struct door_options {
	const char *run_dir, *name; /* of the socket */
	mode_t mode;                /* 0600: our own user and root connect */
	ev_ssize_t body_max;
	void (*on_request)(struct evhttp_request *rq, void *arg); /* POST; on the door's thread */
	void *arg;
};

/* Listens; nothing is answered before door_start. evthread is in use. */
int door_open(const struct door_options *o, struct door **ret_door, struct err *err);
/* For events of the opener's, which he frees before door_free. */
struct event_base *door_base(struct door *d);
/* Calls first(arg), if there is one, on the new thread. */
int door_start(struct door *d, void (*first)(void *arg), struct err *err);
/* Waits for the answer under way; no call follows. Fine for one that was not started. */
void door_close(struct door *d);
/* NULL is fine; returns NULL. */
struct door *door_free(struct door *d);

#endif
