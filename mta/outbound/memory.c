#include "mta/outbound/memory.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/fnv.h"
#include "base/id.h"

#define SLOTS 4096 /* a power of two */

struct slot {
	struct net_addr addr;
	uint64_t until_ms; /* 0: empty */
};

struct memory {
	uint32_t seed; /* so that nobody chooses addresses that displace each other */
	struct slot slots[SLOTS];
};

struct memory *memory_create(void)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (m)
		random_bytes(&m->seed, sizeof(m->seed));
	return m;
}

struct memory *memory_free(struct memory *m)
{
	free(m);
	return NULL;
}

/* Family, port and address; the rest of a sockaddr need not be the same. */
static struct span bytes_of(const struct net_addr *a)
{
	if (a->ss.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) (const void *) &a->ss;

		return span_make(&in6->sin6_addr, sizeof(in6->sin6_addr));
	}
	return span_make(&((const struct sockaddr_in *) (const void *) &a->ss)->sin_addr,
	                 sizeof(struct in_addr));
}

static bool same(const struct net_addr *a, const struct net_addr *b)
{
	return a->ss.ss_family == b->ss.ss_family && net_addr_port(a) == net_addr_port(b) &&
	       span_eq(bytes_of(a), bytes_of(b));
}

static size_t slot_of(const struct memory *m, const struct net_addr *addr)
{
	uint32_t h = fnv32(m->seed ^ FNV32_START ^ net_addr_port(addr), bytes_of(addr));

	return (h ^ h >> 16) & (SLOTS - 1);
}

void memory_mark_silent(struct memory *m, const struct net_addr *addr, uint64_t until_ms)
{
	m->slots[slot_of(m, addr)] = (struct slot){ *addr, until_ms };
}

void memory_mark_alive(struct memory *m, const struct net_addr *addr)
{
	struct slot *s = &m->slots[slot_of(m, addr)];

	if (s->until_ms && same(&s->addr, addr))
		s->until_ms = 0;
}

bool memory_is_silent(const struct memory *m, const struct net_addr *addr, uint64_t now_ms)
{
	const struct slot *s = &m->slots[slot_of(m, addr)];

	return s->until_ms > now_ms && same(&s->addr, addr);
}
