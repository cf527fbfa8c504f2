/*
 * Public keys of signers, as the DNS has them (RFC 6376 3.6.1, RFC 8463): read, and signatures checked with
 * them. A public key has one owner and no thread of its own.
 */
#ifndef PODFILTER_AUTH_PUBLIC_KEY_H
#define PODFILTER_AUTH_PUBLIC_KEY_H

#include <openssl/evp.h>

#include "base/err.h"
#include "mta/podfilter/auth/lookup.h"

#define PUBLIC_KEY_RSA_BITS_MIN 1024 /* RFC 8301 3.2 */
#define PUBLIC_KEY_RSA_BITS_MAX 8192 /* more would let others use up our time */

enum key_type { KEY_RSA, KEY_ED25519 };

struct public_key {
	EVP_PKEY *pkey;
	enum key_type type;
	unsigned int bits;
	bool testing; /* t=y */
};

/* "rsa-sha256" or "ed25519-sha256"; everything else, rsa-sha1 too (RFC 8301 3.1), is -POD_E_UNSUPPORTED. */
int key_algorithm_parse(struct span algorithm, enum key_type *ret_type);
const char *key_algorithm_name(enum key_type type);

/*
 * Reads a key record. Words for an admin are in err.
 *   -POD_E_SYNTAX  no such record     -POD_E_NOTFOUND  revoked: p= is empty
 *   -POD_E_DENIED  not for email, not for SHA-256, of an unknown type, or an RSA key with too few or too many
 * bits
 */
int public_key_parse(struct arena *a, struct span record, struct public_key *ret_key, struct err *err);
/* Looks up SELECTOR._domainkey.DOMAIN. The same, and -POD_E_NOTFOUND: no record; -POD_E_UNAVAILABLE: ask
 * again later. */
int public_key_find(const struct lookup *l, struct arena *a, struct span selector, struct span domain,
                    struct public_key *ret_key, struct err *err);
void public_key_done(struct public_key *key); /* zeroed memory is fine */

/* 0, or -POD_E_AUTH where the signature (in base64, folds allowed) is not over these bytes by this key. */
int public_key_check(const struct public_key *key, struct arena *a, struct span signed_bytes,
                     struct span signature, struct err *err);

#endif
