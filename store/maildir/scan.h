/* What is in a user's Maildir: its mailboxes' folders, and the files of one. For fsck and rebuild. */
#ifndef POD_STORE_MAILDIR_SCAN_H
#define POD_STORE_MAILDIR_SCAN_H

#include "base/arena.h"
#include "base/err.h"
#include "store/maildir/name.h"

struct scanned_file {
	const char *name;
	bool in_new; /* else in cur */
	bool ours; /* the name is one of ours, whatever follows the colon: */
	struct maildir_name n; /* flags are set for any name, and size is the name's */
	uint64_t size, inode; /* the file's */
	int64_t mtime;
};
struct scanned_files {
	struct scanned_file *items;
	size_t n, cap;
	size_t odd; /* entries that are no regular files */
};

/* Files of new/ and cur/ of folder (a path relative to dir). Hidden ones are not messages. */
int scan_messages(int dir, const char *folder, struct arena *a, struct scanned_files *ret, struct err *err);

struct scanned_mailboxes {
	struct span *names; /* canonical, in the order of the folder */
	size_t n, cap;
	size_t odd; /* folders that are no mailbox of ours */
};
/* INBOX, and each ".A.B" of a Maildir that is the folder of a mailbox name. */
int scan_mailboxes(int dir, const char *maildir, struct arena *a, struct scanned_mailboxes *ret, struct err *err);

/* Calls fn for each users/XX/USER whose name is a user id; non-zero from fn ends it and is returned. */
typedef int scan_user_fn(void *arg, const char *user_id);
int scan_users(int dir, scan_user_fn *fn, void *arg, struct err *err);

#endif
