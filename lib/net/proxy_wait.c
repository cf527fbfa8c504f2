#include "net/proxy_wait.h"

#include <stdlib.h>
#include <unistd.h>

#define HEADER_TIMEOUT_S 5

struct proxy_wait {
	struct proxy_wait *next, **at; /* in the listener's list */
	struct accepted conn;
	listener_accept_fn *on_accept;
	void *arg;
	struct event *readable, *deadline;
	struct proxy_header header;
};

void proxy_waits_init(struct proxy_waits *w)
{
	w->first = NULL;
}

static void wait_free(struct proxy_wait *p)
{
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	if (p->readable)
		event_free(p->readable);
	if (p->deadline)
		event_free(p->deadline);
	if (p->conn.fd >= 0)
		(void) close(p->conn.fd);
	free(p);
}

void proxy_waits_done(struct proxy_waits *w)
{
	while (w->first)
		wait_free(w->first);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct proxy_wait *p = arg;
	int len = proxy_header_read(&p->header, fd, &p->conn.peer, &p->conn.local);
	listener_accept_fn *on_accept = p->on_accept;
	void *on_accept_arg = p->arg;
	struct accepted conn = p->conn;

	if (len == 0)
		return;
	if (len > 0)
		p->conn.fd = -1;
	wait_free(p); /* before the call, which may free the listener */
	if (len > 0)
		on_accept(on_accept_arg, &conn);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	wait_free(arg);
}

void proxy_wait_start(struct proxy_waits *w, struct event_base *base, const struct accepted *conn,
                      listener_accept_fn *on_accept, void *arg)
{
	static const struct timeval limit = {.tv_sec = HEADER_TIMEOUT_S};
	struct proxy_wait *p = malloc(sizeof(*p));

	if (!p) {
		(void) close(conn->fd);
		return;
	}
	p->conn = *conn;
	p->on_accept = on_accept;
	p->arg = arg;
	p->header.have = 0;
	p->next = w->first;
	p->at = &w->first;
	if (p->next)
		p->next->at = &p->next;
	w->first = p;
	p->readable = event_new(base, conn->fd, EV_READ | EV_PERSIST, on_readable, p);
	p->deadline = evtimer_new(base, on_deadline, p);
	if (!p->readable || !p->deadline || event_add(p->readable, NULL) < 0 ||
	    event_add(p->deadline, &limit) < 0)
		wait_free(p);
}
