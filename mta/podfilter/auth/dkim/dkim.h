/*
 * DKIM (RFC 6376, RFC 8301, RFC 8463) through libopendkim, whose questions for keys go through ../lookup.h.
 *
 * A struct dkim_library is made once and shared; a verifier or a signer belongs to one message and one
 * thread.
 */
#ifndef PODFILTER_AUTH_DKIM_H
#define PODFILTER_AUTH_DKIM_H

#include "mta/podfilter/auth/fields.h"
#include "mta/podfilter/auth/lookup.h"
#include "mta/podfilter/auth/signing_key.h"

struct dkim_library;

int dkim_library_create(struct dkim_library **ret_library, struct err *err);
struct dkim_library *dkim_library_free(struct dkim_library *library);

/* ---- verifying ---- */

enum dkim_result { /* RFC 8601 2.7.1 */
	           DKIM_RESULT_NONE,
	           DKIM_RESULT_PASS,
	           DKIM_RESULT_FAIL,
	           DKIM_RESULT_POLICY, /* it holds, and we do not take it: a weak key, rsa-sha1, a body signed
	                                  in part */
	           DKIM_RESULT_NEUTRAL,   /* no signature that could be read */
	           DKIM_RESULT_TEMPERROR, /* the key could not be looked up now */
	           DKIM_RESULT_PERMERROR, /* nor ever: no such key, revoked, malformed */
};

const char *dkim_result_name(enum dkim_result result); /* "policy" */

#define DKIM_SIGNATURES_MAX 10 /* of one message that are looked at, from the top; each costs a lookup */

struct dkim_signature {
	enum dkim_result result;
	const char *domain, *selector, *identity, *algorithm; /* d=, s=, i=, a=; "" where unknown */
	char b[9];       /* the first of b=, without white space: which signature it is (RFC 6008) */
	const char *why; /* not pass: in words; else "" */
	bool testing;    /* t=y in the key */
};

struct dkim_verdict {
	struct dkim_signature signatures[DKIM_SIGNATURES_MAX];
	size_t n;
};

struct dkim_verifier;

/* The header is complete; fields and lookup have to outlive the verifier. */
int dkim_verifier_create(const struct dkim_library *library, struct arena *a, const struct fields *fields,
                         const struct lookup *lookup, struct dkim_verifier **ret_v, struct err *err);
void dkim_verifier_body(struct dkim_verifier *v, struct span bytes);
/* Once; looks the keys up. What it fills is in the arena. Fails only with -POD_E_NOMEM. */
int dkim_verifier_end(struct dkim_verifier *v, struct dkim_verdict *ret_verdict, struct err *err);
struct dkim_verifier *dkim_verifier_free(struct dkim_verifier *v);

/* ---- signing ---- */

struct dkim_signer;

/*
 * Signs relaxed/relaxed, without l=. What readers see and what decides over replies is signed once more often
 * than it is there, so that none can be added (RFC 6376 8.15); From above all. key has to outlive the signer.
 * -POD_E_SYNTAX: what libopendkim cannot sign, such as a message without From.
 */
int dkim_signer_create(const struct dkim_library *library, struct arena *a, const struct fields *fields,
                       const struct signing_key *key, struct dkim_signer **ret_signer, struct err *err);
void dkim_signer_body(struct dkim_signer *s, struct span bytes);
/* The DKIM-Signature to be put on top. */
int dkim_signer_end(struct dkim_signer *s, struct field *ret_field, struct err *err);
struct dkim_signer *dkim_signer_free(struct dkim_signer *s);

#endif
