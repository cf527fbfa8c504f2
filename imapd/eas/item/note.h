/*
 * What is known of a message beside its IMAP flags: the details of a follow-up flag (MS-ASEMAIL Flag: dates
 * and reminders) and what was last done with it (LastVerbExecuted). Kept with the account under the message's
 * GUID. Pure.
 *
 * Whether there is a flag is said by \Flagged (active) and the keyword EAS_KEYWORD_COMPLETE alone, so that
 * IMAP clients and phones agree; the details are only those of such a flag. Where details change and the flag
 * does not, the keyword EAS_KEYWORD_REVISION is turned over, so that others see that the message changed.
 */
#ifndef POD_IMAPD_EAS_ITEM_NOTE_H
#define POD_IMAPD_EAS_ITEM_NOTE_H

#include "base/buf.h"
#include "imapd/eas/wbxml/wbxml.h"

#define EAS_KEYWORD_COMPLETE "$FlagComplete"
#define EAS_KEYWORD_REVISION "$FlagRevision"

/* LastVerbExecuted (MS-ASEMAIL 2.2.2.45). */
enum eas_verb { EAS_VERB_NONE, EAS_VERB_REPLY, EAS_VERB_REPLY_ALL, EAS_VERB_FORWARD };

enum eas_flag_status { EAS_FLAG_NONE, EAS_FLAG_COMPLETE, EAS_FLAG_ACTIVE };

/* The children of Flag that are kept, in the order in which they are written. */
enum eas_flag_value {
	EAS_FLAG_TYPE,
	EAS_FLAG_COMPLETE_TIME,
	EAS_FLAG_DATE_COMPLETED,
	EAS_FLAG_SUBJECT,
	EAS_FLAG_START,
	EAS_FLAG_UTC_START,
	EAS_FLAG_DUE,
	EAS_FLAG_UTC_DUE,
	EAS_FLAG_REMINDER_SET,
	EAS_FLAG_REMINDER,
	EAS_FLAG_ORDINAL,
	EAS_FLAG_SUB_ORDINAL,
	EAS_FLAG_VALUES
};

struct eas_note {
	enum eas_flag_status flag;
	struct span values[EAS_FLAG_VALUES]; /* as the client wrote them; SPAN_NONE: absent */
	unsigned int verb;                   /* enum eas_verb */
	int64_t verb_s;                      /* when */
};

/* Texts of a value may be so long. */
#define EAS_FLAG_VALUE_MAX 1024

/*
 * Reads a client's Flag element into *note, whose verb stays. -POD_E_SYNTAX: a value that is none, one twice,
 * a due date before its start, a reminder without its time (MS-ASEMAIL 2.2.2.34; Sync status 6). Values point
 * into node. now_s is for a completed flag that does not say when.
 */
int eas_flag_read(struct arena *a, const struct wbxml_node *node, int64_t now_s, struct eas_note *note);

/* Writes the Flag element; an empty one where there is no flag. */
void eas_flag_write(struct wbxml_writer *w, const struct eas_note *note);

/* The kept form (versioned), and back: values point into kept. -POD_E_CORRUPT. */
void eas_note_pack(const struct eas_note *note, struct buf *out);
int eas_note_unpack(struct span kept, struct eas_note *ret_note);

#endif
