/*
 * Connecting to a host that has several addresses (RFC 8305 5): when one has not answered for a while the
 * next is tried beside it, at once where it has failed, and whoever answers first is taken. An address that
 * is dead, or a whole version of IP that leads nowhere, costs a moment and no time-out. One thread; nothing
 * is called back inside a call.
 */
#ifndef POD_MTA_OUTBOUND_RACE_H
#define POD_MTA_OUTBOUND_RACE_H

#include <event2/event.h>

#include "base/err.h"
#include "net/listener.h"

#define RACE_MAX 16

struct race_settings {
	struct event_base *base;
	const struct net_addr *from_ipv4, *from_ipv6; /* len 0: the system's choice */
	unsigned int pause_ms;                        /* until the next address is tried as well */
	unsigned int limit_ms;                        /* for each address */
};

enum race_state {
	RACE_WAITS, /* not tried */
	RACE_RUNS,  /* tried, and had not answered at the end */
	RACE_FAILED,
	RACE_CONNECTED
};

struct race;

/* fd: the connection, which is the callee's; -1: there is none. The race is to be freed there, or later. */
typedef void race_fn(void *arg, int fd);

/* Addresses in the order in which they are to be tried, at most RACE_MAX; copied. NULL where memory is out.
 */
struct race *race_start(const struct race_settings *settings, const struct net_addr *addrs, size_t n,
                        race_fn *fn, void *arg);
/* No callback follows; closes what is under way. NULL is fine; returns NULL. */
struct race *race_free(struct race *r);

/* ---- what was seen of them ---- */

size_t race_n(const struct race *r);
const struct net_addr *race_addr(const struct race *r, size_t i);
enum race_state race_state(const struct race *r, size_t i);
/* Of one that failed: "Connection refused". */
const char *race_why(const struct race *r, size_t i);

#endif
