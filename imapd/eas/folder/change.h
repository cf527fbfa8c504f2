/* What the commands of this folder share. Functions suspend. */
#ifndef POD_IMAPD_EAS_FOLDER_CHANGE_H
#define POD_IMAPD_EAS_FOLDER_CHANGE_H

#include "imapd/eas/folder/hierarchy.h"

/* MS-ASCMD 2.2.3.177.3 to .6 */
enum folder_status {
	FOLDER_OK = 1,
	FOLDER_EXISTS = 2,
	FOLDER_SPECIAL = 3,
	FOLDER_NOT_FOUND = 4,
	FOLDER_NO_PARENT = 5,
	FOLDER_SERVER_ERROR = 6,
	FOLDER_BAD_KEY = 9,
	FOLDER_MALFORMED = 10,
};

struct folder_change {
	enum wbxml_tag root; /* of the request and of its answer */
	struct span sync_key;
	struct hierarchy h;
	enum hierarchy_key key;
	struct eas_tree tree; /* as it is in the store */
};

/* The user's folders. -POD_E_*: what the store said. */
int folder_tree(struct eas_request *rq, struct eas_tree *ret_tree, struct err *err);
/*
 * Makes the next generation, or with NULL notes that the newest one is known, and removes what is kept of the
 * items of folders that the device has let go of. -POD_E_CONFLICT: another request of the device was quicker.
 */
int folder_change_step(struct eas_request *rq, struct folder_change *c, const struct eas_tree *next,
                       struct err *err);
/* Reads the key, the hierarchy and the tree. False: the request was answered. */
bool folder_change_begin(struct eas_request *rq, enum wbxml_tag root, struct folder_change *ret_c);
/* A text that has to be there; false: it was answered that it is not. */
bool folder_change_text(struct eas_request *rq, struct folder_change *c, enum wbxml_tag tag,
                        struct span *ret_text);

/* What the device did is what it knows from here on: it is not told of it again. One of the two is set. */
struct folder_alteration {
	const struct eas_folder *put;
	struct span remove;
};
/* Answers, with server_id where that is not NULL. */
void folder_change_end(struct eas_request *rq, struct folder_change *c, const struct folder_alteration *did,
                       const char *server_id);
/* The same for what was done already when the answer was lost: nothing is altered. */
void folder_change_again(struct eas_request *rq, struct folder_change *c, const char *server_id);

/* The path of a mailbox: the parent's (NULL: at the top) and a name for people. -POD_E_SYNTAX: it cannot be
 * one. */
int folder_path(struct eas_request *rq, const struct eas_folder *parent, struct span name, char **ret_path);
void folder_status(struct eas_request *rq, struct folder_change *c, enum folder_status status);
/* For what the store said. */
void folder_fail(struct eas_request *rq, enum wbxml_tag root, int code);

#endif
