/* The little of jansson that the files of a volume need, with our errors. Inside store/maildir only. */
#ifndef POD_STORE_MAILDIR_JSON_H
#define POD_STORE_MAILDIR_JSON_H

#include <jansson.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

#define JSON_FILE_MAX (1u << 20)

/* An object; -POD_E_NOTFOUND where there is no file, -POD_E_CORRUPT where it is not one. */
int json_file_read(int dir, const char *path, json_t **ret_object, struct err *err);
/* Steals the object's reference, also on failure; a NULL object is -POD_E_NOMEM. */
int json_file_write(int dir, const char *path, json_t *object, struct err *err);

/* Members; what is missing or of another type is "" or 0. Strings are copied into a; NULL where memory is out. */
const char *json_member_str(struct arena *a, const json_t *object, const char *name);
uint64_t json_member_u64(const json_t *object, const char *name);

#endif
