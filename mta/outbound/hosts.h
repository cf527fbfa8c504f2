/*
 * The hosts that mail for a domain goes to (RFC 5321 5.1): its MX in the order of preference, the domain
 * itself where it has none; nobody where it says so (RFC 7505) or where we are the best one.
 */
#ifndef POD_MTA_OUTBOUND_HOSTS_H
#define POD_MTA_OUTBOUND_HOSTS_H

#include "dns/dns.h"

enum hosts_outcome {
	HOSTS_FOUND,
	HOSTS_NONE,      /* a null MX: the domain takes no mail */
	HOSTS_NO_DOMAIN, /* there is no such domain */
	HOSTS_LOOP,      /* we are its best MX, and do not know it */
	HOSTS_TEMPORARY, /* the DNS does not answer, or what it answers is forged */
};

#define HOSTS_MAX 20 /* of a domain; further ones are never reached */

/* All of it lives until the callback returns. */
struct hosts {
	enum hosts_outcome outcome;
	const char *why;       /* in words for a log or a report; "" where it was found */
	const char *canonical; /* where aliases of the domain led */
	bool secure;           /* DNSSEC proves the list (RFC 7672 2.2.1) */
	bool implicit;         /* no MX: the domain's own addresses */
	size_t n;
	const char *names[HOSTS_MAX]; /* best first */
};

typedef void hosts_fn(void *arg, const struct hosts *hosts);
struct hosts_lookup;

/*
 * Looks up; us: our own name. The callback comes from the loop, and never after hosts_cancel. NULL where
 * memory is out or domain is no name of the DNS (err says which).
 */
int hosts_find(struct dns *dns, const char *domain, const char *us, hosts_fn *fn, void *arg,
               struct hosts_lookup **ret_lookup, struct err *err);
struct hosts_lookup *hosts_cancel(struct hosts_lookup *l); /* NULL is fine; returns NULL */

#endif
