/* libopendkim's own types, for the files of this folder. */
#ifndef PODFILTER_AUTH_DKIM_INTERNAL_H
#define PODFILTER_AUTH_DKIM_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#include "base/buf.h"
#include "mta/podfilter/auth/canon.h"
#include "mta/podfilter/auth/dkim/dkim.h"

struct dkim_library {
	DKIM_LIB *lib;
};

/* library.c: fields that are signed where they are there, and those of them that nobody is to add; NULL
 * behind the last. */
extern const char *const dkim_signed_names[], *const dkim_oversigned_names[];

/* sign_ed25519.c: appends the value of a DKIM-Signature. body has been given all of the body, and ends with
 * this. */
int dkim_sign_ed25519(struct arena *a, const struct fields *fields, const struct signing_key *key,
                      struct canon_body *body, struct buf *value, struct err *err);

/* verify.c: what libopendkim calls for a key. The verifier is the user context of the handle. */
DKIM_CBSTAT dkim_verifier_find_key(DKIM *dkim, DKIM_SIGINFO *sig, u_char *buf, size_t size);
DKIM_CBSTAT dkim_verifier_prescreen(DKIM *dkim, DKIM_SIGINFO **sigs, int n);

/* Hands a header over, as libopendkim wants it: "Name: value". */
DKIM_STAT dkim_feed_header(DKIM *dkim, struct arena *a, const struct fields *fields);
/* What libopendkim says of a failure, or the text of the status. */
const char *dkim_error_text(DKIM *dkim, DKIM_STAT status);

#endif
