/*
 * Connections of trusted proxies whose PROXY header is not there yet. Inside lib/net: a listener has one
 * set of them and hands each connection over when its header is read.
 */
#ifndef POD_NET_PROXY_WAIT_H
#define POD_NET_PROXY_WAIT_H

#include "net/listener.h"

struct proxy_wait;

struct proxy_waits {
	struct proxy_wait *first;
};

void proxy_waits_init(struct proxy_waits *w);
/* Closes those still waiting. */
void proxy_waits_done(struct proxy_waits *w);
/*
 * Takes conn->fd. on_accept comes from the event loop, with the header's addresses; a header that is wrong
 * or not complete within 5 s, or memory out, closes the connection without a call.
 */
void proxy_wait_start(struct proxy_waits *w, struct event_base *base, const struct accepted *conn,
                      listener_accept_fn *on_accept, void *arg);

#endif
