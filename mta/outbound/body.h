/* A message's bytes, of a mapped file or in memory, and what has to be known of them before they are sent. */
#ifndef POD_MTA_OUTBOUND_BODY_H
#define POD_MTA_OUTBOUND_BODY_H

#include "base/err.h"
#include "base/span.h"

struct body {
	int fd;                /* -1: there is no file */
	uint8_t *copy;         /* then these are the bytes; else NULL */
	struct span bytes;     /* mapped, or the copy; the file does not change any more */
	bool eight_bit;        /* there are bytes over 127 */
	bool header_eight_bit; /* in its header */
	bool tls_optional;     /* its header says "TLS-Required: No" (RFC 8689 5) */
	bool plain;            /* no line begins with a dot, and the last one is ended */
};

/* Takes fd, also on failure. -POD_E_CORRUPT: the file is shorter than size. */
int body_open(int fd, uint64_t size, struct body *ret_body, struct err *err);
/* The same of bytes in memory, copied. -POD_E_CORRUPT: there are not as many as size; -POD_E_NOMEM. */
int body_copy(struct span bytes, uint64_t size, struct body *ret_body, struct err *err);
/* Makes another without bytes over 127 (seven_bit.h). -POD_E_UNSUPPORTED, -POD_E_NOMEM. */
int body_encode(const struct body *b, struct body *ret_body, struct err *err);
/*
 * Puts whole header fields in front of an open body, which becomes a copy in memory. Nothing to put: nothing
 * happens. On failure it is as it was.
 */
int body_prepend(struct body *b, struct span fields, struct err *err);
void body_close(struct body *b); /* fine for one that is not open: fd -1, no bytes */

#endif
