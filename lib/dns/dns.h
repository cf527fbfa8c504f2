/*
 * Name lookups by a validating resolver inside the process (libunbound on the caller's event loop): no
 * threads, no second process, and DNSSEC checked here rather than believed of somebody else (RFC 4033 4.9.3).
 *
 * A struct dns belongs to the thread of its event_base; make it after fork. Callbacks run from the loop,
 * never inside dns_lookup(), once for each lookup that is not cancelled. In a callback anything is allowed,
 * dns_free too.
 */
#ifndef POD_DNS_DNS_H
#define POD_DNS_DNS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/span.h"
#include "conf/dns.h"
#include "net/listener.h"

/* A name as text, without the last dot (the root is "."): RFC 1035 3.1, escapes of 5.1 included, and a NUL.
 */
#define DNS_NAME_SIZE 1025

enum dns_type {
	DNS_MX,    /* mx: sorted by preference, the order of equals mixed (RFC 5321 5.1) */
	DNS_A,     /* addr */
	DNS_AAAA,  /* addr */
	DNS_ADDR,  /* addr: AAAA and A at once, IPv6 first */
	DNS_TLSA,  /* tlsa */
	DNS_TXT,   /* txt: the strings of a record put together (RFC 7208 3.3) */
	DNS_PTR,   /* names */
	DNS_CNAME, /* names: the alias' own target, one step only */
	DNS_NS,    /* names */
	DNS_TYPES
};

enum dns_outcome {
	DNS_FOUND,     /* there is at least one record */
	DNS_NODATA,    /* the name is there, without such records */
	DNS_NXDOMAIN,  /* there is no such name */
	DNS_TEMPORARY, /* nobody answered in time, or with a failure: try again later */
	DNS_BOGUS, /* there was an answer that DNSSEC says is forged or broken; to be treated as temporary */
	DNS_OUTCOMES
};

struct dns_mx {
	uint16_t preference;
	const char *host; /* "." for a null MX (RFC 7505), which has preference 0 and is alone */
};

struct dns_tlsa { /* RFC 6698 2.1; the fields as they are, usable or not */
	uint8_t usage, selector, matching;
	struct span data;
};

/* All of it lives until the callback returns. Names in it are in lower case. */
struct dns_answer {
	enum dns_type type;
	enum dns_outcome outcome;
	/*
	 * DNSSEC proves this answer, also that of NODATA and NXDOMAIN; every alias on the way is proven too.
	 * Of DNS_ADDR: both halves are.
	 */
	bool secure;
	bool incomplete;  /* DNS_ADDR, found: the lookup of the other family failed or was bogus */
	const char *name; /* what was asked for, and where aliases led from there */
	const char *canonical;
	uint32_t ttl_s;  /* the least of all records; of no use where nothing was found */
	const char *why; /* temporary and bogus: in words for a log; else "" */
	size_t n;        /* records in the array that the type names; the others are NULL */
	const struct dns_mx *mx;
	const struct net_addr *addr; /* port 0 */
	const struct dns_tlsa *tlsa;
	const struct span *txt;
	const char *const *names;
};

typedef void dns_answer_fn(void *arg, const struct dns_answer *answer);

struct dns;
struct dns_lookup;

/*
 * Reads the trust anchor and makes the resolver; conf is read now only.
 *   -POD_E_CONFIG  a file is not there or holds something else; err names it
 *   -POD_E_NOMEM
 */
int dns_create(struct event_base *base, const struct dns_conf *conf, struct dns **ret_dns, struct err *err);
/*
 * Takes in a configuration that may have changed: lookups from now on are made as it says, with an empty
 * cache where more than the timeout is new; those under way end as they began. Errors are those of
 * dns_create, and leave everything as it was.
 */
int dns_reload(struct dns *dns, const struct dns_conf *conf, struct err *err);
/* Ends all its lookups without calling back. NULL is fine; returns NULL. */
struct dns *dns_free(struct dns *dns);

/*
 * Looks name up: as in an address or a record, at the end of which a dot may stand; international names in
 * their xn-- form. timeout_ms 0: the configured one. *ret_lookup is good until the callback begins or it is
 * cancelled. -POD_E_SYNTAX  no name of the DNS (an empty or too long label, too long) -POD_E_NOMEM
 */
int dns_lookup(struct dns *dns, enum dns_type type, const char *name, uint64_t timeout_ms,
               dns_answer_fn *on_answer, void *arg, struct dns_lookup **ret_lookup, struct err *err);
/* The callback will not come. NULL is fine; returns NULL. */
struct dns_lookup *dns_lookup_cancel(struct dns_lookup *l);

/*
 * The name that an address is asked for under suffix: "1.2.0.192.in-addr.arpa" where suffix is NULL (RFC
 * 1035 3.5, RFC 3596 2.5: ip6.arpa), "1.2.0.192.zone" for a DNSBL's (RFC 5782 2.1, 2.4). IPv4 in IPv6 is
 * taken as IPv4. -POD_E_UNSUPPORTED for a unix socket, -POD_E_LIMIT where it does not fit.
 */
int dns_reverse_name(const struct net_addr *addr, const char *suffix, char *buf, size_t size);

/* Whether text can be looked up, as dns_lookup says. */
bool dns_name_is_valid(const char *name);

const char *dns_type_name(enum dns_type type);          /* "MX" */
const char *dns_outcome_name(enum dns_outcome outcome); /* "temporary" */

#endif
