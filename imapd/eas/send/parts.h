/* What of a message is its text, and what are attachments to it. Pure; all in the caller's arena. */
#ifndef POD_IMAPD_EAS_SEND_PARTS_H
#define POD_IMAPD_EAS_SEND_PARTS_H

#include "base/arena.h"
#include "base/buf.h"
#include "mime/mime.h"

struct message_parts {
	struct span message;
	struct mime_tree tree;
	uint32_t text, html; /* its text, plain and as HTML; MIME_NO_PART. Both: they say the same */
};

/*
 * Looks at a message. touch: its texts are to be changed, so that what is signed or encrypted counts as
 * having none. -POD_E_NOMEM.
 */
int message_parts_of(struct arena *a, struct span message, bool touch, struct message_parts *ret);

struct span message_part_header(const struct message_parts *m, uint32_t part);
struct span message_part_body(const struct message_parts *m, uint32_t part);
/* The part's text in UTF-8. -POD_E_NOMEM. */
int message_part_text(struct arena *a, const struct message_parts *m, uint32_t part, struct span *ret_text);
/* Whether the Content-Type of a header is that one; subtype empty: any. No Content-Type is text/plain. */
bool message_type_is(struct span header, const char *type, const char *subtype);

/* Whether a part goes along with a forwarded message whose texts are quoted: all leaves but those and
 * signatures. */
bool message_part_is_attachment(const struct message_parts *m, uint32_t part);
/* Whether the HTML (decoded) shows the part by its Content-ID. */
bool message_part_is_shown(struct arena *a, const struct message_parts *m, uint32_t part, struct span html);

/* The Content-* fields of a header, but those of the names in `without` (NULL behind the last; may be NULL).
 */
void message_put_content_fields(struct buf *out, struct span header, const char *const *without);

#endif
