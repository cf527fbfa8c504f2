/*
 * Finding a domain's MTA-STS policy (RFC 8461 3, 5.1): the record in the DNS, the policy over https, what is
 * on disk. All on base's thread.
 */
#ifndef POD_MTA_TLSPOLICY_STS_H
#define POD_MTA_TLSPOLICY_STS_H

#include "dns/dns.h"
#include "http/http.h"
#include "mta/tlspolicy/demand.h"
#include "mta/tlspolicy/sts_store.h"

struct sts;
struct sts_wait;

struct sts_options {
	struct event_base *base;
	struct dns *dns;
	struct http_client *http;
	const char *ca_file; /* for the policies' hosts; NULL for the system's CAs */
	struct kv *kv;
	uint16_t port; /* of the servers of policies: 443 */
	bool refresh;  /* fetch policies anew before their time is over, without being asked */
};

/* Valid during the callback. */
struct sts_finding {
	const struct sts_policy *policy; /* NULL: there is none */
	const char *text;
	/* SUCCESS, or why there is none where one was announced, or why an old one is all there is. */
	enum tls_result fault;
	const char *why;
};

typedef void sts_fn(void *arg, const struct sts_finding *finding);

int sts_create(const struct sts_options *o, struct sts **ret_sts, struct err *err);
/* The servers of policies are asked with these from now on. -POD_E_NOMEM changes nothing. */
int sts_reload(struct sts *s, const char *ca_file, uint16_t port, struct err *err);
/* No callback follows. Not from inside of one. NULL is fine; returns NULL. */
struct sts *sts_free(struct sts *s);
/* domain: lower case, a name that can be looked up. Calls back from the loop. -POD_E_NOMEM, -POD_E_SYNTAX. */
int sts_find(struct sts *s, const char *domain, sts_fn *fn, void *arg, struct sts_wait **ret_wait,
             struct err *err);
struct sts_wait *sts_cancel(struct sts_wait *w);

#endif
