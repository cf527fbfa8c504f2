/* A client's message and what of the original goes below it and beside it, as one MIME entity. Pure. */
#ifndef POD_IMAPD_EAS_SEND_JOIN_H
#define POD_IMAPD_EAS_SEND_JOIN_H

#include "imapd/eas/send/compose.h"

/* What stands under a message's header, with the Content-* fields that are to stand in it. The caller's to
 * free. */
struct joined {
	struct buf fields, body;
};

/* mime: the client's, lines CRLF-ended. -POD_E_NOMEM. */
int join_with_original(struct arena *a, const struct compose_order *o, struct span mime, struct joined *ret);
void joined_done(struct joined *j);

#endif
