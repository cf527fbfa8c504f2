/* A part of a message as a client names it by its FileReference. Internal to imapd/eas/fetch. */
#ifndef POD_IMAPD_EAS_FETCH_ATTACHMENT_H
#define POD_IMAPD_EAS_FETCH_ATTACHMENT_H

#include "imapd/eas/eas.h"

struct attachment {
	struct account_body body; /* that the rest may point into */
	struct arena *a;
	struct span bytes; /* decoded */
	const char *type;  /* "image/png" */
};

/*
 * Suspends. -POD_E_SYNTAX: it is no FileReference; -POD_E_NOTFOUND: there is no such message, or no such
 * part; others: the store's. On success the attachment is the caller's to be done with.
 */
int attachment_open(struct eas_request *rq, struct span reference, struct attachment *ret_attachment);
void attachment_done(struct attachment *at);

/* The largest that the device's policies let it load; 0: none at all. */
uint64_t attachment_largest(const struct eas_request *rq);

/* "m-n", both counted from 0 and included. -POD_E_SYNTAX: it is none; -POD_E_LIMIT: it begins behind the end.
 */
int attachment_cut(struct span bytes, struct span range, struct span *ret_part, uint64_t *ret_first);

#endif
