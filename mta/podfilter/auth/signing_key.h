/*
 * A private key and the name under which its public half is in the DNS. Made, read and kept by keys/; whoever
 * signs only borrows it.
 */
#ifndef PODFILTER_AUTH_SIGNING_KEY_H
#define PODFILTER_AUTH_SIGNING_KEY_H

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"
#include "mta/podfilter/auth/public_key.h"

struct signing_key {
	const char *domain, *selector;
	enum key_type type;
	EVP_PKEY *pkey;
	const char *text; /* PEM, as libopendkim takes it */
};

/* The signature over the bytes in base64, in a: rsa-sha256 or ed25519-sha256 (RFC 6376 3.3, RFC 8463 3). */
int signing_key_sign(const struct signing_key *key, struct arena *a, struct span bytes,
                     struct span *ret_base64, struct err *err);

#endif
