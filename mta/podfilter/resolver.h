/*
 * Questions to the DNS from threads that may wait: a thread of its own runs lib/dns and its event loop.
 *
 * Threads: resolver_ask by any number of them at once.
 */
#ifndef POD_FILTER_RESOLVER_H
#define POD_FILTER_RESOLVER_H

#include "base/arena.h"
#include "dns/dns.h"

struct resolver;

struct resolver_query {
	enum dns_type type;
	const char *name;
	/* Called on the resolver's thread while the asker waits, so it may write what the asker reads
	 * afterwards. */
	dns_answer_fn *take;
	void *arg;
};

/* conf is read now only. Errors are those of dns_create. */
int resolver_start(const struct dns_conf *conf, struct resolver **ret_resolver, struct err *err);
/* dns_reload, which it waits for; conf is read now only. Threads: one at a time, while others ask. */
int resolver_reload(struct resolver *r, const struct dns_conf *conf, struct err *err);
/* Nobody asks any more. NULL is fine; returns NULL. */
struct resolver *resolver_stop(struct resolver *r);
/*
 * Asks all at once and returns when each has been answered, which takes timeout_ms at most (0: as
 * configured). A name that cannot be asked for, or that there is no memory for, is answered as DNS_NXDOMAIN
 * or DNS_TEMPORARY.
 */
void resolver_ask(struct resolver *r, const struct resolver_query *queries, size_t n, uint64_t timeout_ms);

/*
 * One question, answered into an arena. resolver is a struct resolver (void so that it fits callbacks).
 * Always answers, with DNS_TEMPORARY where the arena is full.
 */
void resolver_lookup(void *resolver, enum dns_type type, const char *name, struct arena *a,
                     struct dns_answer *ret_answer);

#endif
