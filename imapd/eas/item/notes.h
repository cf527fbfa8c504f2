/* Notes of messages (note_table.h) where they are kept: in the account's states. Functions suspend the fiber.
 */
#ifndef POD_IMAPD_EAS_ITEM_NOTES_H
#define POD_IMAPD_EAS_ITEM_NOTES_H

#include "imapd/eas/item/note.h"

struct eas_request;

/* The note of a message; -POD_E_NOTFOUND where there is none. It points into a. */
int eas_notes_get(struct eas_request *rq, struct arena *a, struct span guid, struct eas_note *ret_note);

/* Keeps a note, or with NULL forgets it; durable when it returns 0. */
int eas_notes_put(struct eas_request *rq, struct span guid, const struct eas_note *note);

#endif
