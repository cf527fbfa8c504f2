/*
 * Notes of several messages in one value: sixteen of these are kept with an account ("eas-notes/0" to
 * "eas-notes/f", by the last digit of the message's GUID), so that a note is found wherever its message was
 * moved, and their number is bounded: of a full table the notes that were not changed for the longest time
 * go. Pure.
 */
#ifndef POD_IMAPD_EAS_ITEM_NOTE_TABLE_H
#define POD_IMAPD_EAS_ITEM_NOTE_TABLE_H

#include "base/arena.h"
#include "base/err.h"
#include "imapd/eas/item/note.h"

#define EAS_NOTE_TABLE_MAX  256 /* notes in one */
#define EAS_NOTE_TABLE_NAME 16

/* The name of the value that has the note of a message; guid: 16 bytes. */
void eas_note_table_name(struct span guid, char name[EAS_NOTE_TABLE_NAME]);

/* The note of a message: 0, -POD_E_NOTFOUND, -POD_E_CORRUPT. It points into table. */
int eas_note_table_find(struct span table, struct span guid, struct eas_note *ret_note);

/* The table with that note in place of the one that was there; a NULL note takes it out. A damaged table
 * begins anew. */
void eas_note_table_put(struct span table, struct span guid, const struct eas_note *note, struct buf *out);

#endif
