/*
 * One pass over a message: the tree, and the header fields of its parts that ENVELOPE and BODYSTRUCTURE are
 * made of, so that no header is read twice. Internal to lib/mime.
 */
#ifndef POD_MIME_SCAN_H
#define POD_MIME_SCAN_H

#include "mime/content.h"
#include "mime/fields.h"
#include "mime/mime.h"

struct scan_part {
	const struct span *fields; /* raw values by enum field_id, the first of each name; see is_message */
	struct content_type type;
	uint32_t repeated; /* bit n: field n occurs more than once */
	bool is_message;   /* fields go up to FIELD_MESSAGE_END, else to FIELD_PART_END */
	bool in_digest;    /* without a Content-Type it is message/rfc822, not text/plain (RFC 2046 5.1.5) */
};

struct scan {
	struct mime_tree tree;
	const struct scan_part *parts; /* as many as in the tree */
	struct span cached; /* the fields of the message that mime_field_is_cached, in their order */
};

int scan_message(struct arena *a, struct span message, bool want_cached, struct scan *ret_scan);

/* The header of a part as far as its fields are looked at. */
struct span scan_header(struct span message, const struct mime_part *part);

#endif
