/*
 * A connection to a milter: packets in and out of a socket, with time limits. All on the thread of the
 * event_base; callbacks come from the event loop only, and may close the link.
 */
#ifndef POD_MTA_MILTER_LINK_H
#define POD_MTA_MILTER_LINK_H

#include <event2/event.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "mta/milter/packet.h"

struct milter_address {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* "inet:11332@127.0.0.1", "inet6:11332@::1", "unix:/path", "local:/path". -POD_E_SYNTAX with words. */
int milter_address_parse(struct span text, struct milter_address *ret_address, struct err *err);

struct milter_link;

struct milter_link_ops {
	void (*on_open)(void *owner);
	void (*on_packet)(void *owner, const struct milter_packet *packet);
	/* What was sent is on its way: there is room for more. */
	void (*on_room)(void *owner);
	/* It is over, and why in words; only milter_link_close may follow. */
	void (*on_lost)(void *owner, const char *why);
};

struct milter_limits {
	unsigned int connect_ms, send_ms;
};

/* Begins to connect: on_open or on_lost comes. NULL where memory or descriptors are out. */
struct milter_link *milter_link_open(struct event_base *base, const struct milter_address *to,
                                     const struct milter_limits *limits, const struct milter_link_ops *ops,
                                     void *owner, struct err *err);
/* Somebody else's from now on. */
void milter_link_give(struct milter_link *l, const struct milter_link_ops *ops, void *owner);
void milter_link_send(struct milter_link *l, struct span packets);
/* An answer is due within so many milliseconds, counted anew; 0: none is. */
void milter_link_expect(struct milter_link *l, unsigned int ms);
bool milter_link_is_full(const struct milter_link *l);
/* Closes at once; last (may be empty) is still sent where the connection is up. NULL is fine; returns NULL.
 */
struct milter_link *milter_link_close(struct milter_link *l, struct span last);

#endif
