/*
 * Messages brought back into a volume that is in service, out of a folder that holds a volume or a copy of
 * one: a mounted snapshot, or a backup made by other means.
 *
 * What comes back is a new message: it gets the next uid of its mailbox, so that no uid ever changes its
 * meaning, and keeps its GUID, date, flags (but \Deleted) and keywords. A message whose GUID is in the
 * mailbox already is left as it is, so a restore that was interrupted, or is done twice, doubles nothing.
 * Messages are whole or not there: each goes the way of an APPEND through the volume's writer.
 */
#ifndef POD_STORE_RESTORE_RESTORE_H
#define POD_STORE_RESTORE_RESTORE_H

#include "store/index/index.h"
#include "store/maildir/account.h"
#include "store/restore/source.h"

struct restore_wish {
	struct source_options source;
	struct span user_id; /* whose mail comes back */
	struct span mailbox; /* in the source; empty: all of the user's */
	/* The mailbox to put it in; where all come back, the one below which they come. Empty: as in the
	 * source. */
	struct span into;
	/* Of the mailbox's messages only those that meet all that is given: */
	struct uid_ranges uids; /* n 0: any */
	const char *message_id, *subject,
		*from;         /* "" or NULL: any; subject and from: a part, ASCII case ignored */
	int64_t since, before; /* internal dates, seconds since 1970; 0: any */
	bool list;             /* tell what there is, and change nothing */
	bool items;            /* tell of each message; else counts only */
	bool force;            /* also what is there already */
	bool over_quota;
};

enum restore_state { RESTORE_FOUND, RESTORE_PRESENT, RESTORE_RESTORED, RESTORE_FAILED };

struct restore_item {
	const char *mailbox, *into;
	uint32_t uid, new_uid; /* uid 0: a file of another tool */
	struct guid guid;
	int64_t internal_date;
	uint64_t size;
	struct span message_id, subject,
		from; /* what the parser's child said: text for people; only with list */
	enum restore_state state;
};

struct restore_report {
	uint64_t mailboxes, examined;                     /* messages looked at */
	uint64_t found, present, restored, failed, bytes; /* found: what was asked for; bytes: restored */
	void (*item)(void *arg, const struct restore_item *item);
	void (*problem)(void *arg, const char *text);
	/* After each group of messages; false ends it with -POD_E_CANCELLED. */
	bool (*progress)(void *arg, const struct restore_report *so_far);
	void *arg;
};

/*
 * Blocks its thread, which must live as long as the process (a child parses). Errors that end it, after what
 * was restored until then: -POD_E_NOTFOUND (the source, its user or mailbox, the volume's user; nothing met
 * the wish), -POD_E_QUOTA, -POD_E_NOSPACE, -POD_E_CANCELLED, -POD_E_IO (the volume takes no changes any
 * more). What concerns one message is a problem, and counts as failed.
 */
int volume_restore(struct volume *vol, const struct restore_wish *w, struct restore_report *report,
                   struct err *err);

/*
 * The account alone: a user is made on the volume under user_id as the source has him, with credentials and
 * quota, and subscribed to what he was; his mail is volume_restore's. address: his from now on, NULL: as
 * before. -POD_E_EXISTS, -POD_E_FULL; -POD_E_CORRUPT: his account.json is missing or damaged.
 */
int volume_restore_account(struct volume *vol, const struct source_options *o, struct span user_id,
                           const char *address, struct err *err);

#endif
