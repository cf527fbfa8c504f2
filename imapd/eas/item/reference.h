/*
 * How clients name messages and their parts:
 *
 *   ServerId, LongId  FOLDER ":" UID
 *   FileReference     FOLDER ":" UID ":" PATH     PATH: "2", "2.1" (RFC 3501 6.4.5), "0": the message itself
 *
 * FOLDER is the folder's ServerId, which has no colon. Pure.
 */
#ifndef POD_IMAPD_EAS_ITEM_REFERENCE_H
#define POD_IMAPD_EAS_ITEM_REFERENCE_H

#include "base/arena.h"
#include "base/err.h"

#define EAS_PATH_MAX 100 /* numbers in a path; MIME_DEPTH_MAX */

struct eas_reference {
	struct span folder_id;
	uint32_t uid;
	uint32_t path[EAS_PATH_MAX];
	size_t path_n; /* 0: the message itself */
};

/* "FOLDER:UID"; NULL where memory is out. */
const char *eas_item_server_id(struct arena *a, const char *folder_id, uint32_t uid);
/* -POD_E_SYNTAX; folder_id points into id. It says nothing about whether there is such a message. */
int eas_item_parse_server_id(struct span id, struct span *ret_folder_id, uint32_t *ret_uid);

/* A path alone, "2.1" or "0"; path and path_n are set. -POD_E_SYNTAX. */
int eas_path_parse(struct span text, struct eas_reference *r);

/* path: as a part list has it, "" for the message itself. NULL where memory is out. */
const char *eas_file_reference(struct arena *a, const char *folder_id, uint32_t uid, struct span path);
/* -POD_E_SYNTAX. */
int eas_file_reference_parse(struct span text, struct eas_reference *ret_reference);

#endif
