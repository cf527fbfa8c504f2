#include <stdlib.h>

#include "dns/internal.h"

static const char *const outcome_names[DNS_OUTCOMES] = {
	[DNS_FOUND] = "found",         [DNS_NODATA] = "no such record", [DNS_NXDOMAIN] = "no such name",
	[DNS_TEMPORARY] = "temporary", [DNS_BOGUS] = "bogus",
};

const char *dns_outcome_name(enum dns_outcome outcome)
{
	return outcome_names[outcome];
}

static int by_preference(const void *a, const void *b)
{
	return ((const struct dns_mx *) a)->preference - ((const struct dns_mx *) b)->preference;
}

/* RFC 5321 5.1: equals in random order, so that load spreads over them. */
void dns_mx_sort(struct dns_mx *mx, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = arc4random_uniform((uint32_t) i);
		struct dns_mx other = mx[j];

		mx[j] = mx[i - 1];
		mx[i - 1] = other;
	}
	qsort(mx, n, sizeof(*mx), by_preference);
}

static int addresses_join(struct dns_answer *into, const struct dns_answer *half, struct arena *a)
{
	struct net_addr *all = arena_array(a, into->n + half->n, sizeof(*all));

	if (!all)
		return -POD_E_LIMIT;
	if (into->n)
		memcpy(all, into->addr, into->n * sizeof(*all));
	if (half->n)
		memcpy(all + into->n, half->addr, half->n * sizeof(*all));
	into->addr = all;
	into->n += half->n;
	return 0;
}

static bool failed(enum dns_outcome o)
{
	return o == DNS_TEMPORARY || o == DNS_BOGUS;
}

int dns_answer_merge(struct dns_answer *into, const struct dns_answer *half, struct arena *a)
{
	bool found = into->outcome == DNS_FOUND || half->outcome == DNS_FOUND;
	int r = half->n ? addresses_join(into, half, a) : 0;

	if (r < 0)
		return r;
	if (half->outcome == DNS_FOUND && into->outcome != DNS_FOUND)
		into->canonical = half->canonical;
	into->incomplete = found && (failed(into->outcome) || failed(half->outcome));
	if (failed(half->outcome) && (!failed(into->outcome) || half->outcome == DNS_BOGUS))
		into->why = half->why;
	into->secure = into->secure && half->secure;
	if (half->ttl_s < into->ttl_s)
		into->ttl_s = half->ttl_s;
	/* The outcomes stand in the order of how bad they are. */
	into->outcome = found ? DNS_FOUND : into->outcome > half->outcome ? into->outcome : half->outcome;
	return 0;
}
