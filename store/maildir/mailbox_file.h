/*
 * podmail-mailbox.json in each mailbox's folder: what file names cannot carry. The index is right while it is there;
 * this file is what a rebuild starts from. Written before what it announces is used, so it may be ahead, never behind.
 */
#ifndef POD_STORE_MAILDIR_MAILBOX_FILE_H
#define POD_STORE_MAILDIR_MAILBOX_FILE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/id.h"

struct mailbox_file {
	uint32_t id, uidvalidity;
	uint32_t uid_reserve; /* no uid at or above this was ever given out */
	struct guid guid;
	const char *special_use; /* "" for none */
	const char *const *keywords; /* the letters a to z stand for these */
	size_t keywords_n;
	const char *made_for; /* in a folder still in staging/: the path it is made for; else "" or NULL */
};

/* folder: the path, relative to dir, of the mailbox's folder. Durable with the next syncfs. */
int mailbox_file_write(int dir, const char *folder, const struct mailbox_file *f, struct err *err);
/* -POD_E_NOTFOUND, -POD_E_CORRUPT. Strings in a. */
int mailbox_file_read(int dir, const char *folder, struct arena *a, struct mailbox_file *ret_file, struct err *err);
/* Makes folder with cur, new, tmp and its file. */
int mailbox_folder_make(int dir, const char *folder, const struct mailbox_file *f, struct err *err);

#endif
