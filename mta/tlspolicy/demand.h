/*
 * What a connection to a mail server must show before mail goes over it: from what the configuration, DNSSEC,
 * the TLSA records (RFC 7672) and the MTA-STS policy (RFC 8461) say, and what a message asks for (RFC 8689).
 * Pure.
 */
#ifndef POD_MTA_TLSPOLICY_DEMAND_H
#define POD_MTA_TLSPOLICY_DEMAND_H

#include "base/arena.h"
#include "base/err.h"
#include "mta/tlspolicy/sts_policy.h"
#include "net/tls_check.h"

/* Configured for a destination (outbound.tls, outbound.tls_domains). In the order of how much is asked for.
 */
enum tls_wish { TLS_WISH_NONE, TLS_WISH_MAY, TLS_WISH_ENCRYPT, TLS_WISH_VERIFY, TLS_WISHES };

/* In the order of how much is asked for. */
enum tls_level {
	TLS_LEVEL_NEVER, /* STARTTLS is not even tried */
	TLS_LEVEL_MAY,   /* TLS where it is to be had, with any certificate; in clear where it is not or fails
	                  */
	TLS_LEVEL_ENCRYPT, /* TLS, with any certificate */
	TLS_LEVEL_VERIFY,  /* TLS, and the certificate is checked with CAs and names */
	TLS_LEVEL_DANE,    /* TLS, and the certificate is the one that DNSSEC says */
	TLS_LEVELS
};

/* Whose policy it is, for reports (RFC 8460 4.2). */
enum tls_source { TLS_SOURCE_NONE, TLS_SOURCE_STS, TLS_SOURCE_DANE, TLS_SOURCES };

enum tls_use {
	TLS_USE_HOST,
	TLS_USE_OTHER, /* not this host now: go on to the next MX; if there is none, the message is deferred
	                */
	TLS_USE_NONE, /* never over this host: this message asks for what it cannot give (RFC 8689: 5.7.30) */
};

/* Why a session was not what it had to be (RFC 8460 4.3). */
enum tls_result {
	TLS_RESULT_SUCCESS,
	TLS_RESULT_STARTTLS_NOT_SUPPORTED,
	TLS_RESULT_CERTIFICATE_HOST_MISMATCH,
	TLS_RESULT_CERTIFICATE_EXPIRED,
	TLS_RESULT_CERTIFICATE_NOT_TRUSTED,
	TLS_RESULT_VALIDATION_FAILURE,
	TLS_RESULT_TLSA_INVALID,
	TLS_RESULT_DNSSEC_INVALID,
	TLS_RESULT_STS_POLICY_FETCH_ERROR,
	TLS_RESULT_STS_POLICY_INVALID,
	TLS_RESULT_STS_WEBPKI_INVALID,
	TLS_RESULTS
};

/* What a destination's domain says, before its hosts are looked at. */
struct tls_domain {
	const char *name; /* lower case, xn-- form; or an address */
	enum tls_wish wish;
	const struct sts_policy *sts; /* NULL: none */
	const char *sts_text;         /* the policy's file, for reports; NULL */
	/* Why there is none although there should be one, or why an old one is still in use; SUCCESS: there
	 * is no why. */
	enum tls_result sts_fault;
	const char *sts_why;
};

enum tlsa_state {
	TLSA_NONE,   /* proven not to be there, or nothing that is there could be believed: no DANE */
	TLSA_FOUND,  /* secure records, usable ones or not */
	TLSA_FAILED, /* bogus, or nobody answers: whether there is DANE is not known, so mail waits (RFC
	                7672 2.1.3) */
};

struct tls_tlsa {
	enum tlsa_state state;
	const char *base; /* the name under which they are; "mx.example.org" */
	const struct tls_dane_record *records;
	size_t n;
	const char *why; /* failed: in words */
};

/* One server of the destination. */
struct tls_host {
	const char *name; /* as the MX says, or the domain where there is no MX; or an address */
	const char *
		canonical; /* where aliases of its address lookup led; the name itself where there are none */
	bool mx_secure;    /* DNSSEC proves the MX, or that there is none */
	bool addr_secure;  /* and the addresses, aliases on the way included */
	bool literal;      /* name is an address: no SNI */
	bool configured;   /* a smart host: its name comes from the configuration and not from an MX */
	uint16_t port;
};

struct tls_demand {
	enum tls_use use;
	enum tls_level level,
		configured; /* configured: what is left where a message waives what the domain publishes */
	struct tls_check check; /* for every level but NEVER; watches only below VERIFY */
	const char *why;        /* use is not HOST: in words; else "" */
	bool authentic;         /* the host's name is the destination's for sure */
	/* For reports: */
	const char *domain, *host;
	enum tls_source source;
	/* STS of mode testing, or a TLSA that cannot be used: what fails is told, mail goes anyway. */
	bool testing;
	enum tls_result fault;      /* of the policy itself, before anything was connected; SUCCESS: none */
	const char *const *strings; /* the policy's own words (RFC 8460 4.4 policy-string) */
	size_t strings_n;
	const char *const *patterns; /* mx-host */
	size_t patterns_n;
};

/* The demand lives in a, into which everything is copied. -POD_E_NOMEM where a is at its limit. */
int tls_demand_decide(const struct tls_domain *d, const struct tls_host *h, const struct tls_tlsa *tlsa,
                      struct arena *a, struct tls_demand *ret_demand, struct err *err);

/* What a message changes (RFC 8689): REQUIRETLS, and "TLS-Required: No" in its header. */
#define TLS_MESSAGE_REQUIRE  1u
#define TLS_MESSAGE_OPTIONAL 2u
/* *ret_demand shares the memory of *host. */
void tls_demand_for_message(const struct tls_demand *host, unsigned int message,
                            struct tls_demand *ret_demand);

/*
 * Whether a session is good enough: tls: the handshake was completed; verdict: of its certificate, by the
 * demand's check.
 */
bool tls_demand_is_met(const struct tls_demand *d, bool tls, enum tls_verdict verdict);

/* What a report says of a session that is not: offered: whether there was STARTTLS. */
enum tls_result tls_result_of(const struct tls_demand *d, bool offered, bool tls, enum tls_verdict verdict);

const char *tls_result_name(enum tls_result r); /* "certificate-expired": RFC 8460 4.3 */
const char *tls_level_name(enum tls_level l);   /* "dane" */
const char *tls_source_name(enum tls_source s); /* "tlsa", "sts", "no-policy-found" */

#endif
