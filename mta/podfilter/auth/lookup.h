/*
 * How the checks ask the DNS: a function that waits for the answer. The program gives one that goes through
 * lib/dns, tests give a table, so that no library under here has a resolver of its own.
 */
#ifndef PODFILTER_AUTH_LOOKUP_H
#define PODFILTER_AUTH_LOOKUP_H

#include "base/arena.h"
#include "dns/dns.h"

struct lookup {
	/*
	 * Always answers, with DNS_TEMPORARY where it could not find out (and DNS_NXDOMAIN for what is no
	 * name of the DNS). All of the answer is in a. May be called from several threads.
	 */
	void (*ask)(void *ctx, enum dns_type type, const char *name, struct arena *a, struct dns_answer *ret);
	void *ctx;
};

static inline struct dns_answer lookup_ask(const struct lookup *l, enum dns_type type, const char *name,
                                           struct arena *a)
{
	struct dns_answer answer = {
		.type = type, .outcome = DNS_TEMPORARY, .name = name, .canonical = name, .why = ""
	};

	l->ask(l->ctx, type, name, a, &answer);
	return answer;
}

static inline bool lookup_is_void(const struct dns_answer *answer)
{
	return answer->outcome == DNS_NODATA || answer->outcome == DNS_NXDOMAIN;
}

static inline bool lookup_failed(const struct dns_answer *answer)
{
	return answer->outcome == DNS_TEMPORARY || answer->outcome == DNS_BOGUS;
}

#endif
