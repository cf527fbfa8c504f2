/*
 * The TLS policy of other servers, for the processes that send mail: what a destination demands (demand.h),
 * found with DNSSEC and over https, and what came of it, for reports (RFC 8460).
 *
 * A destination's way: tlspolicy_domain() beside the MX lookup; for each host that is to be tried, once its
 * addresses are known, tlspolicy_host(); tls_demand_for_message(); the connection, with
 * stream_start_tls_check(..., &demand.check) and tlspolicy_tls() where TLS is to be had; tls_demand_is_met();
 * and tlspolicy_report() once for each connection that was tried, and for each host that was not because of
 * its policy (use is not TLS_USE_HOST).
 *
 * All on base's thread. Callbacks come from the loop, never from inside a call, and may start and cancel
 * others.
 */
#ifndef POD_MTA_TLSPOLICY_TLSPOLICY_H
#define POD_MTA_TLSPOLICY_TLSPOLICY_H

#include "conf/conf.h"
#include "dns/dns.h"
#include "mta/tlspolicy/demand.h"

struct tlspolicy;
struct tlspolicy_wait;

struct tlspolicy_options {
	struct event_base *base;
	const struct conf *conf; /* sections outbound and tls; stays */
	struct dns *dns;         /* stays */
	bool keeper;             /* this one of several processes keeps what is on disk fresh */
};

/* Opens what is on disk: after fork. -POD_E_CONFIG for CAs that cannot be read; else as kv_open. */
int tlspolicy_create(const struct tlspolicy_options *o, struct tlspolicy **ret_policy, struct err *err);
/* No callback follows; counters are written. Not from inside a callback. NULL is fine; returns NULL. */
struct tlspolicy *tlspolicy_free(struct tlspolicy *p);

/*
 * Wishes, CAs and the port of MTA-STS of another configuration, from now on; conf stays, the one before is
 * not looked at any more. Where its CAs cannot be read the old ones stay in force, and why is said.
 */
int tlspolicy_reload(struct tlspolicy *p, const struct conf *conf, struct err *err);

/* Shows no certificate, and knows the CAs of other servers (outbound.ca). */
struct tls_context *tlspolicy_tls(struct tlspolicy *p);

typedef void tlspolicy_domain_fn(void *arg, const struct tls_domain *domain);
/*
 * What the domain says: as it is after the @ (lower case, xn-- form), a smart host's name, or an address
 * without brackets (literal, never asked about). The result lives in a, which must outlive the callback or
 * the cancel. -POD_E_SYNTAX  no name of the DNS -POD_E_NOMEM
 */
int tlspolicy_domain(struct tlspolicy *p, const char *domain, bool literal, struct arena *a,
                     tlspolicy_domain_fn *fn, void *arg, struct tlspolicy_wait **ret_wait, struct err *err);

typedef void tlspolicy_host_fn(void *arg, const struct tls_demand *demand);
/*
 * What this host demands. domain stays until the callback; host is copied. The demand lives in a; NULL where
 * a is at its limit. Errors as above.
 */
int tlspolicy_host(struct tlspolicy *p, const struct tls_domain *domain, const struct tls_host *host,
                   struct arena *a, tlspolicy_host_fn *fn, void *arg, struct tlspolicy_wait **ret_wait,
                   struct err *err);

/* No callback follows. NULL is fine; returns NULL. */
struct tlspolicy_wait *tlspolicy_cancel(struct tlspolicy_wait *w);

struct tls_session {
	enum tls_result result;                                 /* tls_result_of() */
	const char *sending_ip, *receiving_ip, *receiving_helo; /* NULL where there was no connection */
	const char *reason;                                     /* in words, for who reads the report; NULL */
};
/* Counts a session under its policy, of today. */
void tlspolicy_report(struct tlspolicy *p, const struct tls_demand *demand,
                      const struct tls_session *session);

#endif
