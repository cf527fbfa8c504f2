/*
 * Where things are inside a volume's folder. All paths are relative to it.
 *
 *   volume.json, volume.key, volume.lock, names.journal
 *   index/                               LMDB
 *   ahead/                               the journal of deliveries that are not yet in the index
 *   staging/                             linked, not yet in place: messages, u-USER, m-ID
 *   trash/                               folders on their way out
 *   users/XX/USER/account.json
 *   users/XX/USER/state/NAME.VERSION     see state_file.h
 *   users/XX/USER/Maildir/[.FOLDER/]{cur,new,tmp}, podmail-mailbox.json, subscriptions (INBOX's folder only)
 */
#ifndef POD_STORE_MAILDIR_LAYOUT_H
#define POD_STORE_MAILDIR_LAYOUT_H

#include "base/span.h"
#include "store/maildir/file.h"

#define LAYOUT_STAGING "staging"
#define LAYOUT_TRASH "trash"
#define LAYOUT_USERS "users"
#define LAYOUT_INDEX "index"
#define LAYOUT_AHEAD "ahead"
#define LAYOUT_MAILBOX_FILE "podmail-mailbox.json"
#define LAYOUT_ACCOUNT_FILE "account.json"
#define LAYOUT_SUBSCRIPTIONS "subscriptions"
#define LAYOUT_STATE "state"

#define LAYOUT_USER_MAX 64

struct layout_path {
	char s[FILE_PATH_SIZE];
};

/* [a-z0-9._-]{1,64}, not starting with a dot. */
bool layout_user_is_valid(struct span user_id);
/* users/XX/USER: XX spreads users over 256 folders. */
void layout_user(struct layout_path *p, struct span user_id);
/* users/XX: what must be there before a user moves in. */
void layout_user_parent(struct layout_path *p, struct span user_id);
/* users/XX/USER/Maildir/FOLDER of a canonical mailbox name, which has a folder. */
void layout_mailbox(struct layout_path *p, struct span user_id, struct span name);
/* path/more */
void layout_add(struct layout_path *p, const char *more);
void layout_set(struct layout_path *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
