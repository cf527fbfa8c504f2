/*
 * Classes of items and the types of folders that hold them (MS-ASCMD 2.2.3.27, 2.2.3.186). Only what is
 * served is announced: folders of other classes are no devices' business yet. Pure.
 */
#ifndef POD_IMAPD_EAS_FOLDER_CLASSES_H
#define POD_IMAPD_EAS_FOLDER_CLASSES_H

#include "base/span.h"

enum eas_folder_type {
	EAS_FOLDER_GENERIC = 1,
	EAS_FOLDER_INBOX = 2,
	EAS_FOLDER_DRAFTS = 3,
	EAS_FOLDER_TRASH = 4,
	EAS_FOLDER_SENT = 5,
	EAS_FOLDER_OUTBOX = 6,
	EAS_FOLDER_TASKS = 7,
	EAS_FOLDER_CALENDAR = 8,
	EAS_FOLDER_CONTACTS = 9,
	EAS_FOLDER_NOTES = 10,
	EAS_FOLDER_JOURNAL = 11,
	EAS_FOLDER_MAIL = 12,
	EAS_FOLDER_USER_CALENDAR = 13,
	EAS_FOLDER_USER_CONTACTS = 14,
	EAS_FOLDER_USER_TASKS = 15,
	EAS_FOLDER_USER_JOURNAL = 16,
	EAS_FOLDER_USER_NOTES = 17,
	EAS_FOLDER_UNKNOWN = 18,
	EAS_FOLDER_RECIPIENTS = 19,
};

struct eas_class {
	const char *name; /* of the element Class */
	bool served;
	enum eas_folder_type first, user; /* the one that everybody has, and one that a user makes */
};

/* NULL: no class has that name, or folders of that type. */
const struct eas_class *eas_class_by_name(struct span name);
const struct eas_class *eas_class_of_type(unsigned int type);

/* The type of a mailbox: name "INBOX", or by its special use (RFC 6154). */
enum eas_folder_type eas_folder_type_of(const char *name, const char *special_use);
/* Whether a device may rename and delete one, and make one. */
bool eas_folder_type_is_own(unsigned int type);

#endif
