/*
 * The name of who connected, as far as it can be believed: its address is looked up (PTR), the name found is
 * looked up in its turn, and is the peer's only where that leads back to the address (RFC 8601 2.7.3 calls it
 * iprev). As struct dns says: one thread, callbacks from the loop.
 */
#ifndef POD_DNS_PEER_H
#define POD_DNS_PEER_H

#include "dns/dns.h"

enum dns_peer_outcome {
	DNS_PEER_CONFIRMED,
	DNS_PEER_UNKNOWN,   /* it has no name */
	DNS_PEER_FORGED,    /* the name does not lead back to it */
	DNS_PEER_TEMPORARY, /* nobody answered in time */
};

struct dns_peer {
	enum dns_peer_outcome outcome;
	const char *ptr; /* the name found, confirmed or not; "" where none was */
};

/* peer is valid during the call. */
typedef void dns_peer_fn(void *arg, const struct dns_peer *peer);
struct dns_peer_lookup;

/*
 * Calls back after timeout_ms at the latest, never from inside. -POD_E_UNSUPPORTED for a unix socket,
 * -POD_E_NOMEM.
 */
int dns_peer_find(struct dns *dns, const struct net_addr *addr, uint64_t timeout_ms, dns_peer_fn *fn,
                  void *arg, struct dns_peer_lookup **ret_lookup, struct err *err);
/* No callback follows. NULL is fine; returns NULL. */
struct dns_peer_lookup *dns_peer_cancel(struct dns_peer_lookup *l);

#endif
