/* The header fields of a draft. Pure. Internal to imapd/eas/item. */
#ifndef POD_IMAPD_EAS_ITEM_DRAFT_HEADER_H
#define POD_IMAPD_EAS_ITEM_DRAFT_HEADER_H

#include "imapd/eas/item/draft.h"

/*
 * All but those of MIME. Of a draft that is changed the fields that are not said stay as they are, its
 * Message-ID and those that make it an answer among them. out->failed where memory is out.
 */
void draft_put_header(struct arena *a, struct buf *out, const struct eas_draft *d,
                      const struct eas_message *base, const struct eas_draft_frame *frame);

/* Content-Type, Content-Disposition and Content-ID of a file; its encoding is base64. */
void draft_put_file_fields(struct arena *a, struct buf *out, const struct eas_draft_file *f);

/* The Content-* fields of a header, and the empty line. */
void draft_put_content_fields(struct buf *out, struct span header);

#endif
