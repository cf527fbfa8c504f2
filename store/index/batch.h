/*
 * One batch of the writer: a write transaction, the rows it works on, and the names it made in staging/. Writer's
 * thread only. Rows of users and mailboxes are read once, changed here and written back once, however many messages
 * a batch has for them.
 *
 * A change first checks everything that can refuse it, then makes its names in staging/, then writes rows. What
 * fails before the rows harms nobody else in the batch. Rows fail only where the index does (`hard`): then the
 * batch is undone and done again without that change.
 */
#ifndef POD_STORE_INDEX_BATCH_H
#define POD_STORE_INDEX_BATCH_H

#include "store/index/volume_internal.h"

struct user_state {
	struct span id;
	struct user_info info;
	struct usage usage;
	bool dirty, gone;
	bool list_changed; /* of mailboxes: an event for its watchers */
	bool account_changed; /* another one: see struct volume_event */
	struct user_state *next;
};

struct mailbox_state {
	uint32_t id;
	struct mailbox_info info;
	struct mailbox_counts counts;
	bool dirty, gone;
	struct mailbox_state *next;
};

/* A name in staging/ that goes again where the batch comes to nothing. */
struct staged {
	const char *name;
	bool tree;
	const struct volume_body *body; /* of a message whose bytes are in memory; else NULL */
	struct staged *before;
};

#define BATCH_BUCKETS 128

struct batch {
	struct volume *vol;
	struct arena *a;
	struct kv_txn txn;
	struct counters counters;
	uint64_t modseq; /* this commit's */
	int64_t now;
	uint64_t began_us;
	struct user_state *users[BATCH_BUCKETS];
	struct mailbox_state *mailboxes[BATCH_BUCKETS];
	struct staged *staged;
	struct state_made *states; /* files of states that this batch made: see states.h */
	uint64_t states_n;
	size_t intents;
	struct journal_frame journal; /* what this commit changes and no file name says */
	bool journaled; /* it was added to the journal: */
	uint64_t journal_at; /* here */
	uint64_t logins; /* those up to here are in this commit */
	bool nothing_pending; /* with this commit, all file names are right */
	bool dirty; /* there is something to commit */
	bool lost; /* a flush failed: nobody knows which bytes are on the disk */
	bool needs_sync; /* files or names changed: syncfs first */
	bool watched; /* somebody watches a mailbox that it has mail for */
	bool went_ahead; /* durable in the deliveries' journal, and in the index later: see ahead.h */
	size_t bodies; /* staged, with their bytes in memory: they may go ahead of the index */
	bool full; /* folders move after this change: no further one in this batch */
	bool no_room; /* the disk or the map is so full that only what frees space may go on */
	int hard; /* -POD_E_*: the index failed while rows were written */
	struct err hard_err;
};

/* deliveries: it will have nothing else, so that it may go ahead of the index. */
int batch_begin(struct batch *b, struct volume *vol, bool deliveries, struct err *err);
/* Ends it without a trace: rows, and names in staging/. */
void batch_abort(struct batch *b);
/* Writes the states back, makes files and then rows durable. After it the batch is over. */
int batch_commit(struct batch *b, struct err *err);
void batch_done(struct batch *b);

/* For every write of a row: remembers a failure as hard. */
int batch_wrote(struct batch *b, int r, const struct err *err);

int batch_user(struct batch *b, struct span user_id, struct user_state **ret, struct err *err);
int batch_mailbox(struct batch *b, uint32_t id, struct mailbox_state **ret, struct err *err);
/* States of rows that this batch makes. NULL where memory is out. */
struct user_state *batch_new_user(struct batch *b, struct span user_id);
struct mailbox_state *batch_new_mailbox(struct batch *b, uint32_t id);
/* The mailbox changed: its watchers hear of this commit. */
void batch_touch(struct batch *b, struct mailbox_state *m);

/* Remembers a name made in staging/; batch_unstage takes those back that came after mark. */
int batch_staged(struct batch *b, const char *name, bool tree, struct err *err);
/* The same of a message whose bytes are in memory. */
int batch_staged_body(struct batch *b, const char *name, const struct volume_body *body, struct err *err);
/* Whether its commit will have a syncfs, as far as is known by now. */
bool batch_will_sync(const struct batch *b);
void batch_unstage(struct batch *b, struct staged *mark);
/* A folder or file to be moved right after the commit. Ends the batch with this change. */
int batch_intent(struct batch *b, enum intent_op op, const char *from, const char *to, struct err *err);
/* The same for a folder that is in place, which a rebuild recognises by the mailbox's id (a user's: INBOX's). */
int batch_move(struct batch *b, uint32_t mailbox, const char *from, const char *to, struct err *err);
/* For the journal: the message has these flags from this commit on, or is no more. */
void batch_note(struct batch *b, enum journal_kind kind, uint32_t mailbox, uint32_t uid, uint32_t flags);

/* -POD_E_NOSPACE where only what frees space may go on. */
int batch_check_room(const struct batch *b, struct err *err);

/* Ids that are never given out twice, also not after a rebuild. */
int batch_next_mailbox(struct batch *b, uint32_t *ret_id, uint32_t *ret_uidvalidity, struct err *err);

#endif
