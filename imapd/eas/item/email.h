/*
 * A message written as the properties of the Email class at each version (MS-ASEMAIL 2.2.2, MS-ASAIRS). What
 * is needed of it is gathered first, which may fail; writing then does not. Pure.
 */
#ifndef POD_IMAPD_EAS_ITEM_EMAIL_H
#define POD_IMAPD_EAS_ITEM_EMAIL_H

#include "imapd/eas/item/body.h"
#include "imapd/eas/item/calendar.h"
#include "imapd/eas/item/headers.h"
#include "imapd/eas/item/item.h"
#include "imapd/eas/item/multipart.h"
#include "imapd/eas/item/note.h"

/* What is sent of a body, or of the part that is new. */
struct eas_body_answer {
	enum eas_body_type type;
	uint64_t size; /* of the whole, in that form */
	bool has_data, truncated;
	bool bytes; /* it is not text: sent as OPAQUE */
	struct span data;
	struct span preview; /* SPAN_NONE: not asked for */
};

struct eas_email {
	const struct eas_item *item;
	const struct eas_item_options *options;
	struct eas_layout layout;
	struct eas_headers headers;
	struct eas_note note; /* see eas_email_needs_note */
	const char *message_class;
	struct eas_meeting meeting;
	bool has_meeting;
	struct eas_body_answer body, part;
	uint8_t conversation[EAS_CONVERSATION_ID_SIZE];
	struct span conversation_index;
	struct span *categories;
	size_t categories_n;
	struct eas_multipart *multipart; /* where body data goes; NULL: into the document */
};

/* What the index says. -POD_E_NOMEM, -POD_E_CORRUPT. item and options have to outlive the email. */
int eas_email_begin(struct arena *a, const struct eas_item *item, const struct eas_item_options *o,
                    struct eas_email *ret_email);
/* Whether the message itself has to be opened: for its body, an invitation or a report. */
bool eas_email_needs_bytes(const struct eas_email *e);
/* Whether there may be a note (note.h): flagged, answered or forwarded. Without one, note is what the flags
 * say. */
bool eas_email_needs_note(const struct eas_email *e);
/* The message is open: its body in the form and length that are asked for. -POD_E_NOMEM. */
int eas_email_add_bytes(struct arena *a, struct eas_email *e, struct span bytes);
/* The note that was kept; what flags say counts more. */
void eas_email_add_note(struct eas_email *e, const struct eas_note *kept);

/* The properties, but for those that a schema (a parent of empty elements) does not name; NULL: all. */
void eas_email_write(const struct eas_email *e, struct wbxml_writer *w, const struct wbxml_node *schema);
/* Those that may change: Read, Flag, Categories, the last verb. */
void eas_email_write_changed(const struct eas_email *e, struct wbxml_writer *w);

/* The text and the preview that Find shows of a message that is open; clean. */
int eas_email_preview(struct arena *a, const struct eas_message *m, unsigned int max_chars,
                      struct span *ret_preview);

#endif
