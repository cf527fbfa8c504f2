/*
 * What messages come back from: a folder that holds a volume, or a copy of one, and is only read. It may be a
 * mounted snapshot or somebody's backup, so nothing in it is believed: every name is parsed, every path is
 * walked below the folder without following a link, only regular files are read, and the index is read by a
 * process of its own.
 *
 * A source is of one user. One thread at a time.
 */
#ifndef POD_STORE_RESTORE_SOURCE_H
#define POD_STORE_RESTORE_SOURCE_H

#include "store/maildir/account.h"
#include "store/maildir/scan.h"

struct source;

struct source_options {
	const char *path;
	/*
	 * Files and index are of one moment (a snapshot): the index is asked for flags that no file name has
	 * yet, and for what was expunged while its file was still there. Else files and names.journal count:
	 * a copy made file by file has an index of no moment at all.
	 */
	bool exact;
	struct span user_id; /* looked for first; may be empty */
	const char *address; /* then this, in every account.json; may be NULL */
};

/*
 * Opens the user's part; strings and lists of the source live in a. -POD_E_NOTFOUND: no such folder, no
 * volume in it, or no such user there; -POD_E_DENIED: not to be read, or a link where a folder should be.
 */
int source_open(const struct source_options *o, struct arena *a, struct source **ret_source, struct err *err);
struct source *source_close(struct source *s);

const char *source_user_id(const struct source *s);
/* Calls fn for each user of the source at path whose account can be read; non-zero from fn ends it and is
 * returned. */
typedef int source_user_fn(void *arg, const char *user_id, const struct account *acc);
int source_users(const char *path, source_user_fn *fn, void *arg, struct err *err);
/* NULL where account.json is missing or damaged. */
const struct account *source_account(const struct source *s);
/* Why the index of an exact source was not used, or "". */
const char *source_index_trouble(const struct source *s);

/* The user's mailboxes, by canonical name, and those subscribed to. */
int source_mailboxes(struct source *s, struct scanned_mailboxes *ret, struct err *err);
int source_subscriptions(struct source *s, struct span **ret_names, size_t *ret_n, struct err *err);

/* A descriptor of his folder of states, the caller's. -POD_E_NOTFOUND: he has none. */
int source_states_open(const struct source *s, int *ret_fd, struct err *err);

struct source_message {
	const char *path; /* in the source */
	struct guid guid; /* of another tool's file: made of its place, the same at each look */
	uint32_t uid;     /* 0: another tool's file */
	uint32_t flags;   /* enum store_flag, and keyword bits below keywords_n */
	int64_t internal_date;
	uint64_t size; /* in bytes, as it lies there */
	bool ours;     /* its bytes are as a volume keeps them: CRLF, and all there */
	uint64_t at;   /* not 0: path is the journal of deliveries, and its bytes begin here */
};
struct source_mailbox {
	const char *special_use;
	const char *const *keywords;
	size_t keywords_n;
	struct source_message *items; /* by uid, other tools' files last */
	size_t n;
	size_t odd; /* entries that are no files */
};
/* The messages of a mailbox, in a. -POD_E_NOTFOUND: no such mailbox. */
int source_mailbox_read(struct source *s, struct span name, struct arena *a, struct source_mailbox *ret,
                        struct err *err);
/* -POD_E_CORRUPT where it is no regular file any more. */
int source_message_open(const struct source *s, const struct source_message *m, int *ret_fd, struct err *err);

#endif
