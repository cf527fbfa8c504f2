/* account.json in a user's folder: everything about the user but the mail, readable without the index. */
#ifndef POD_STORE_MAILDIR_ACCOUNT_H
#define POD_STORE_MAILDIR_ACCOUNT_H

#include "base/arena.h"
#include "base/err.h"

struct account {
	const char *address, *display_name;
	uint64_t quota_bytes; /* 0: none */
	int64_t created; /* seconds since 1970 */
	const char *crypt_hash, *scram;
	uint64_t credential_version;
};

/*
 * Writes path; what the file at `before` (may be NULL) has beside the members above is kept, since other rooms keep
 * theirs there. Durable with the next syncfs. Mode 0600: it holds credentials.
 */
int account_write(int dir, const char *path, const char *before, const struct account *acc, struct err *err);
/* -POD_E_NOTFOUND, -POD_E_CORRUPT. Strings in a. */
int account_read(int dir, const char *path, struct arena *a, struct account *ret_account, struct err *err);

/* The names a user subscribes to, one a line, as Maildir++ servers keep them. Missing: none. */
int subscriptions_write(int dir, const char *path, const struct span *names, size_t n, struct err *err);
int subscriptions_read(int dir, const char *path, struct arena *a, struct span **ret_names, size_t *ret_n,
                       struct err *err);

#endif
