/* libopendkim's own types, for the files of this folder. */
#ifndef PODFILTER_AUTH_DKIM_INTERNAL_H
#define PODFILTER_AUTH_DKIM_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include <opendkim/dkim.h>

#include "mta/podfilter/auth/dkim/dkim.h"

struct dkim_library {
	DKIM_LIB *lib;
};

/* verify.c: what libopendkim calls for a key. The verifier is the user context of the handle. */
DKIM_CBSTAT dkim_verifier_find_key(DKIM *dkim, DKIM_SIGINFO *sig, u_char *buf, size_t size);
DKIM_CBSTAT dkim_verifier_prescreen(DKIM *dkim, DKIM_SIGINFO **sigs, int n);

/* Hands a header over, as libopendkim wants it: "Name: value". */
DKIM_STAT dkim_feed_header(DKIM *dkim, struct arena *a, const struct fields *fields);
/* What libopendkim says of a failure, or the text of the status. */
const char *dkim_error_text(DKIM *dkim, DKIM_STAT status);

#endif
