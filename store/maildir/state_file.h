/*
 * Files of a user's states (index/states.h): users/XX/USER/state/, one file for each version of each value,
 * so that a value is never overwritten and needs no flush of its own. A file is made in staging/ and moves
 * into its place after the commit that it belongs to. What a crash leaves beside the last one, a rebuild
 * tells apart: a file whose sum is wrong was never durable, and of whole ones the highest version holds.
 *
 *   name   the state's name with '%' for '/', ".", its version as 16 hex digits; in staging/ "v-USER#" before
 * it bytes  "PST1", flags (4), version (8), changed (8), length of the name (4), of the value (4), XXH3-64 of
 * all the rest (8), name, value; little-endian
 *
 * Thread-safe for different files.
 */
#ifndef POD_STORE_MAILDIR_STATE_FILE_H
#define POD_STORE_MAILDIR_STATE_FILE_H

#include "base/arena.h"
#include "base/err.h"
#include "store/maildir/layout.h"

#define STATE_NAME_MAX  200
#define STATE_VALUE_MAX ((size_t) 1 << 20)

/* [A-Za-z0-9._:@=+,~-] and '/' between parts, 1 to STATE_NAME_MAX bytes, not beginning with '.'. */
bool state_name_is_valid(struct span name);

struct state_file {
	struct span name, value;
	uint64_t version;
	int64_t changed; /* seconds since 1970 */
	bool gone;       /* a tombstone: from this version on there is none */
};

/* users/XX/USER/state, and a file in it. The name is valid. */
void state_folder_path(struct layout_path *p, struct span user_id);
void state_file_path(struct layout_path *p, struct span user_id, struct span name, uint64_t version);
void state_staged_path(struct layout_path *p, struct span user_id, struct span name, uint64_t version);

/* Into staging/; makes the folder that it moves to. Durable with the next syncfs. */
int state_file_write(int dir, struct span user_id, const struct state_file *f, struct err *err);
/* In its place, or still staged. -POD_E_NOTFOUND; -POD_E_CORRUPT where it is not whole, or is not the file
 * its name says. Spans in a. */
int state_file_read(int dir, struct span user_id, struct span name, uint64_t version, struct arena *a,
                    struct state_file *ret, struct err *err);
/* The same out of a folder of states that others made: nothing is followed, nothing waits. */
int state_file_read_beneath(int folder, struct span name, uint64_t version, struct arena *a,
                            struct state_file *ret, struct err *err);
/* The bytes of one. Pure. -POD_E_CORRUPT. */
int state_file_decode(struct span bytes, struct state_file *ret, struct err *err);

/* What is in the folder at a path, by names alone: entries that are none of ours are left out. No folder:
 * none. */
struct scanned_state {
	struct span name;
	uint64_t version;
};
struct scanned_states {
	struct scanned_state *items; /* by name, then the newest first */
	size_t n, cap;
};
/* A name in staging/: 1, and whose it is; 0 where it is of something else. -POD_E_NOMEM. */
int state_staged_parse(const char *file, struct arena *a, struct span *ret_user_id,
                       struct scanned_state *ret);
/* folder: a descriptor of it. Takes it over. */
int state_folder_scan(int folder, struct arena *a, struct scanned_states *ret, struct err *err);
/* The same of a user of a volume. */
int state_files_scan(int dir, struct span user_id, struct arena *a, struct scanned_states *ret,
                     struct err *err);

#endif
