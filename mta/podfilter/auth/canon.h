/*
 * Canonical forms of headers and bodies (RFC 6376 3.4) for ARC. libopendkim has its own for DKIM, but does
 * not let others use it, and takes no ARC-Message-Signature for a signature. Pure but for the digest; one
 * thread.
 */
#ifndef PODFILTER_AUTH_CANON_H
#define PODFILTER_AUTH_CANON_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/err.h"
#include "mta/podfilter/auth/fields.h"
#include "mta/podfilter/auth/tags.h"

enum canon { CANON_SIMPLE, CANON_RELAXED };

/* c= of a signature, "relaxed/simple"; an empty one is simple/simple, a missing body simple (RFC 6376 3.5).
 */
int canon_parse(struct span c, enum canon *ret_header, enum canon *ret_body);

/* Appends a header field and its CRLF. */
void canon_field(struct buf *out, enum canon canon, const struct field *field);
/* The same without the CRLF and with the value of b= empty: how a signature's own field is signed. */
void canon_signature_field(struct buf *out, enum canon canon, const struct field *field);
/*
 * The fields that h= names, in its order, each time the lowest one not yet taken (RFC 6376 5.4.2); a name
 * that has no more fields gives nothing.
 */
int canon_signed_fields(struct buf *out, enum canon canon, const struct fields *fields, struct span names,
                        struct arena *a, struct err *err);

/* A body in pieces, CRLF line ends, hashed with SHA-256 as it comes. */
struct canon_body {
	EVP_MD_CTX *digest;
	enum canon canon;
	uint64_t empty_lines; /* not yet written: they vanish where nothing follows */
	bool cr, blank, started;
	uint8_t out[4096];
	size_t n;
	bool failed;
};

#define CANON_HASH_SIZE 32

int canon_body_init(struct canon_body *b, enum canon canon, struct err *err);
void canon_body_add(struct canon_body *b, struct span bytes);
int canon_body_end(struct canon_body *b, uint8_t hash[CANON_HASH_SIZE], struct err *err);
void canon_body_done(struct canon_body *b); /* also where it was never begun, from zeroed memory */

#endif
