/*
 * The Sender Policy Framework (RFC 7208) through libspf2, whose DNS is ours (../lookup.h). Any thread; each
 * check has a server of its own, because libspf2 counts and caches in it.
 */
#ifndef PODFILTER_AUTH_SPF_H
#define PODFILTER_AUTH_SPF_H

#include "mta/podfilter/auth/lookup.h"

enum spf_result { /* RFC 7208 2.6 */
	          SPF_NONE,
	          SPF_NEUTRAL,
	          SPF_PASS,
	          SPF_FAIL,
	          SPF_SOFTFAIL,
	          SPF_TEMPERROR,
	          SPF_PERMERROR,
};

#define SPF_VOID_LOOKUPS_MAX 2 /* RFC 7208 4.6.4 */

enum spf_identity { SPF_MAILFROM, SPF_HELO };

struct spf_question {
	struct net_addr client;
	const char *helo;    /* as the client said it */
	const char *sender;  /* "local@domain", "" for the null path */
	uint64_t timeout_ms; /* for the whole check (4.6.4); after it the result is temperror */
};

struct spf_answer {
	enum spf_result result;
	enum spf_identity identity; /* whose domain it is: the null path's is HELO (2.4) */
	const char *domain;         /* in the arena; "" where there was nothing to check */
	const char *why;            /* temperror and permerror: in words; else "" */
};

/*
 * Checks MAIL FROM, or HELO where identity says so or the path is null. A client on a unix socket or a
 * loopback address gives SPF_NONE: there is no network to be believed. Fails only with -POD_E_NOMEM.
 */
int spf_check(const struct lookup *l, struct arena *a, const struct spf_question *q,
              enum spf_identity identity, struct spf_answer *ret_answer, struct err *err);

const char *spf_result_name(enum spf_result result);       /* "softfail" */
const char *spf_identity_name(enum spf_identity identity); /* "mailfrom", "helo" */

/* spf_layer.c: the DNS of one check as libspf2 takes it. */
struct spf_layer {
	const struct lookup *lookup;
	struct arena *a;      /* of the check; reset by nobody but its owner */
	uint64_t deadline_ms; /* of the monotonic clock */
	unsigned int voids, asked;
	bool over_limit, too_late;
	bool malformed; /* a record that libspf2 reads, and should not */
};

#endif
