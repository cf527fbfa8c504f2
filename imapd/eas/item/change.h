/* What a client's Change says of a message: Read, Flag and Categories (MS-ASEMAIL 3.1.5). Pure. */
#ifndef POD_IMAPD_EAS_ITEM_CHANGE_H
#define POD_IMAPD_EAS_ITEM_CHANGE_H

#include "imapd/eas/item/item.h"
#include "imapd/eas/item/note.h"

struct eas_change {
	bool has_read, read;
	const struct wbxml_node *flag; /* NULL: not said */
	bool has_categories;
	const char *categories[STORE_KEYWORDS_MAX]; /* as keywords */
	size_t categories_n;
	bool others; /* it says more than that: only a draft's may */
};

/*
 * Reads ApplicationData. -POD_E_SYNTAX: a value that is none, or one of a later version (status 6);
 * -POD_E_LIMIT: more categories than a mailbox has keywords; -POD_E_NOMEM.
 */
int eas_change_read(struct arena *a, const struct wbxml_node *data, unsigned int version,
                    struct eas_change *ret_change);

/* What a message's flags are to be. */
struct eas_flags {
	uint32_t system;
	const char *keywords[2 * STORE_KEYWORDS_MAX + 4];
	size_t keywords_n;
};

/*
 * The flags of an item as they are, by name. False: one of its keywords has no name in its place, which is
 * older than the item.
 */
bool eas_flags_of(const struct eas_item *item, struct eas_flags *ret_flags);
/* And as the change has them. before and after: the note that goes with it. */
void eas_flags_apply(struct arena *a, const struct eas_change *change, const struct eas_note *before,
                     const struct eas_note *after, struct eas_flags *flags);
/* A verb as IMAP has it: \Answered or $Forwarded. */
void eas_flags_set_verb(struct eas_flags *flags, unsigned int verb);
bool eas_flags_eq(const struct eas_flags *a, const struct eas_flags *b);

#endif
