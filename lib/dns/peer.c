#include "dns/peer.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct dns_peer_lookup {
	struct dns *dns;
	struct net_addr addr;
	uint64_t until_ms;
	struct dns_lookup *lookup;
	char ptr[DNS_NAME_SIZE];
	dns_peer_fn *fn;
	void *arg;
};

static void finish(struct dns_peer_lookup *l, enum dns_peer_outcome outcome)
{
	const struct dns_peer peer = { .outcome = outcome, .ptr = l->ptr };

	l->fn(l->arg, &peer);
	free(l);
}

static bool is_same(const struct net_addr *a, const struct net_addr *b)
{
	if (a->ss.ss_family != b->ss.ss_family)
		return false;
	if (a->ss.ss_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *) (const void *) &a->ss)->sin6_addr,
		              &((const struct sockaddr_in6 *) (const void *) &b->ss)->sin6_addr,
		              sizeof(struct in6_addr)) == 0;
	return ((const struct sockaddr_in *) (const void *) &a->ss)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *) (const void *) &b->ss)->sin_addr.s_addr;
}

static bool failed(const struct dns_answer *answer)
{
	return answer->outcome == DNS_TEMPORARY || answer->outcome == DNS_BOGUS;
}

static void peer_on_addresses(void *arg, const struct dns_answer *answer)
{
	struct dns_peer_lookup *l = arg;

	l->lookup = NULL;
	for (size_t i = 0; answer->outcome == DNS_FOUND && i < answer->n; i++)
		if (is_same(&answer->addr[i], &l->addr)) {
			finish(l, DNS_PEER_CONFIRMED);
			return;
		}
	finish(l, failed(answer) ? DNS_PEER_TEMPORARY : DNS_PEER_FORGED);
}

static void peer_on_names(void *arg, const struct dns_answer *answer)
{
	struct dns_peer_lookup *l = arg;
	uint64_t now_ms = clock_mono_ms();
	enum dns_type type = l->addr.ss.ss_family == AF_INET6 ? DNS_AAAA : DNS_A;

	l->lookup = NULL;
	if (answer->outcome != DNS_FOUND || strlen(answer->names[0]) >= sizeof(l->ptr)) {
		finish(l, failed(answer) ? DNS_PEER_TEMPORARY : DNS_PEER_UNKNOWN);
		return;
	}
	(void) strcpy(l->ptr, answer->names[0]); /* its length was looked at */
	if (now_ms >= l->until_ms || dns_lookup(l->dns, type, l->ptr, l->until_ms - now_ms, peer_on_addresses,
	                                        l, &l->lookup, NULL) < 0)
		finish(l, DNS_PEER_TEMPORARY);
}

int dns_peer_find(struct dns *dns, const struct net_addr *addr, uint64_t timeout_ms, dns_peer_fn *fn,
                  void *arg, struct dns_peer_lookup **ret_lookup, struct err *err)
{
	struct dns_peer_lookup *l;
	char name[DNS_NAME_SIZE];
	int r = dns_reverse_name(addr, NULL, name, sizeof(name));

	if (r < 0)
		return err_set(err, POD_E_UNSUPPORTED, "a peer without an address");
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(err, POD_E_NOMEM, "name of a peer");
	*l = (struct dns_peer_lookup){
		.dns = dns, .addr = *addr, .until_ms = clock_mono_ms() + timeout_ms, .fn = fn, .arg = arg
	};
	r = dns_lookup(dns, DNS_PTR, name, timeout_ms, peer_on_names, l, &l->lookup, err);
	if (r < 0)
		free(l);
	else
		*ret_lookup = l;
	return r;
}

struct dns_peer_lookup *dns_peer_cancel(struct dns_peer_lookup *l)
{
	if (l) {
		(void) dns_lookup_cancel(l->lookup);
		free(l);
	}
	return NULL;
}
