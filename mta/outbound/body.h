/* A message's file, mapped, and what has to be known of it before it is sent. */
#ifndef POD_MTA_OUTBOUND_BODY_H
#define POD_MTA_OUTBOUND_BODY_H

#include "base/err.h"
#include "base/span.h"

struct body {
	int fd;
	struct span bytes;     /* mapped; the file does not change any more */
	bool eight_bit;        /* there are bytes over 127 */
	bool header_eight_bit; /* in its header */
	bool tls_optional;     /* its header says "TLS-Required: No" (RFC 8689 5) */
	bool plain;            /* no line begins with a dot, and the last one is ended */
};

/* Takes fd, also on failure. -POD_E_CORRUPT: the file is shorter than size. */
int body_open(int fd, uint64_t size, struct body *ret_body, struct err *err);
/*
 * Puts whole header fields in front of an open body, which becomes a copy in memory. Nothing to put: nothing
 * happens. On failure it is as it was.
 */
int body_prepend(struct body *b, struct span fields, struct err *err);
void body_close(struct body *b); /* fine for one that is not open: fd -1 */

#endif
