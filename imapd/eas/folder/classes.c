#include "imapd/eas/folder/classes.h"

#include "base/cleanup.h"

static const struct eas_class classes[] = {
	/* name      served  first                 user's own */
	{ "Email", true, EAS_FOLDER_INBOX, EAS_FOLDER_MAIL },
	{ "Calendar", false, EAS_FOLDER_CALENDAR, EAS_FOLDER_USER_CALENDAR },
	{ "Contacts", false, EAS_FOLDER_CONTACTS, EAS_FOLDER_USER_CONTACTS },
	{ "Tasks", false, EAS_FOLDER_TASKS, EAS_FOLDER_USER_TASKS },
	{ "Notes", false, EAS_FOLDER_NOTES, EAS_FOLDER_USER_NOTES },
};

/* What the other types of mail folders are for. */
static const struct {
	const char *special_use;
	enum eas_folder_type type;
} uses[] = {
	{ "\\Drafts", EAS_FOLDER_DRAFTS },
	{ "\\Trash", EAS_FOLDER_TRASH },
	{ "\\Sent", EAS_FOLDER_SENT },
};

const struct eas_class *eas_class_by_name(struct span name)
{
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (span_eq(name, span_of(classes[i].name)))
			return &classes[i];
	return NULL;
}

const struct eas_class *eas_class_of_type(unsigned int type)
{
	if (type >= EAS_FOLDER_GENERIC && type <= EAS_FOLDER_OUTBOX)
		return &classes[0];
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (type == classes[i].first || type == classes[i].user)
			return &classes[i];
	return NULL;
}

enum eas_folder_type eas_folder_type_of(const char *name, const char *special_use)
{
	if (strcmp(name, "INBOX") == 0)
		return EAS_FOLDER_INBOX;
	for (size_t i = 0; i < ARRAY_SIZE(uses); i++)
		if (strcmp(special_use, uses[i].special_use) == 0)
			return uses[i].type;
	return EAS_FOLDER_MAIL;
}

bool eas_folder_type_is_own(unsigned int type)
{
	return type == EAS_FOLDER_MAIL || type == EAS_FOLDER_GENERIC;
}
