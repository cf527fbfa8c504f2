/* A change to a message that a milter asks for at its end. Pure. */
#ifndef POD_MTA_MILTER_EDIT_H
#define POD_MTA_MILTER_EDIT_H

#include "mta/milter/message.h"
#include "mta/milter/negotiate.h"
#include "mta/milter/packet.h"

enum milter_edit_kind {
	MILTER_ADD_HEADER,
	MILTER_INSERT_HEADER,
	MILTER_CHANGE_HEADER,
	MILTER_REPLACE_BODY, /* a chunk of it */
	MILTER_ADD_RCPT,
	MILTER_DELETE_RCPT,
	MILTER_CHANGE_SENDER,
	MILTER_QUARANTINE,
	MILTER_EDITS
};
extern const char *const milter_edit_words[MILTER_EDITS];

struct milter_edit {
	enum milter_edit_kind kind;
	uint32_t index;    /* of a header field */
	struct span name;  /* of a field; or the address, without its < > */
	struct span value; /* of a field; or ESMTP arguments; or the reason; or body bytes */
};

/*
 * 1: the packet is a change that the terms allow, its texts in a. 0: it is no change. -POD_E_PROTOCOL: it is
 * malformed, or an action that was not negotiated. -POD_E_NOMEM.
 */
int milter_edit_parse(struct arena *a, const struct milter_packet *p, const struct milter_terms *terms,
                      struct milter_edit *ret_edit, struct err *err);

#endif
