/* The body of a message in the form and length that a client asked for. Pure. */
#ifndef POD_IMAPD_EAS_ITEM_BODY_H
#define POD_IMAPD_EAS_ITEM_BODY_H

#include "imapd/eas/item/layout.h"
#include "imapd/eas/item/options.h"
#include "mime/mime.h"

/* A message whose bytes are at hand. */
struct eas_message {
	struct span bytes;
	struct mime_tree tree;
	const struct eas_layout *layout;
};

/* packed: what the index has of its structure, or empty: it is parsed then. 0 or -POD_E_NOMEM. */
int eas_message_open(struct arena *a, struct span bytes, struct span packed, const struct eas_layout *layout,
                     struct eas_message *ret_message);

/* The body of one part by its path, the encoding on, and its own header. -POD_E_NOTFOUND, _CORRUPT. */
int eas_message_part(const struct eas_message *m, struct span path, struct span *ret_header,
                     struct span *ret_body);

/*
 * The whole body as clean UTF-8: what is there in that form, the rest turned into it; for EAS_BODY_MIME the
 * message as it is. In a, or in the message. 0 or -POD_E_NOMEM.
 */
int eas_body_text(struct arena *a, const struct eas_message *m, enum eas_body_type type,
                  struct span *ret_text);

/* The invitation in it (layout->calendar), as UTF-8. 0, -POD_E_NOTFOUND: there is none; _CORRUPT, _NOMEM. */
int eas_message_invitation(struct arena *a, const struct eas_message *m, struct span *ret_text);

/* What is sent of a body. */
struct eas_body_choice {
	enum eas_body_type type;
	struct eas_body_preference preference; /* truncation: MIMETruncation counted in */
	bool data;                             /* false: its size alone */
};

/* Which form a message is sent in: the best match of what is wanted and what it is (MS-ASAIRS 3.2.5.1,
 * MS-ASCMD MIMESupport). */
struct eas_body_choice eas_body_choose(const struct eas_layout *layout, const struct eas_item_options *o);

#endif
