/*
 * What rebuild's files share: rebuild.c users and the whole, rebuild_mailbox.c one mailbox, rebuild_staged.c
 * staging/, rebuild_journal.c what no file name says yet.
 */
#ifndef POD_STORE_INDEX_REBUILD_INTERNAL_H
#define POD_STORE_INDEX_REBUILD_INTERNAL_H

#include "store/index/place.h"
#include "store/index/volume_internal.h"
#include "store/maildir/folder.h"
#include "store/maildir/mailbox_file.h"
#include "store/maildir/parser.h"
#include "store/maildir/scan.h"

/* What the journal says of messages; a later one holds where two say something of the same. */
struct fate {
	uint32_t mailbox, first, last; /* uids */
	uint32_t flags;
	bool gone;
	size_t order;
};
struct rebuild_journal {
	struct fate *fates; /* by mailbox, then in order */
	size_t n, cap;
};

struct rebuild {
	struct volume vol; /* its descriptors, file and tables only: no thread runs */
	struct kv_txn txn;
	struct arena *a; /* of one user */
	struct counters counters;
	struct fsck_report *report;
	struct rebuild_journal journal;
	struct parser *parser; /* of one user */
	uint32_t *ids; /* of mailboxes, taken */
	size_t ids_n, ids_cap;
};

struct rebuild_user {
	struct span id;
	uint32_t no;
	struct usage usage;
};

void rebuild_problem(struct rebuild *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int rebuild_mailbox(struct rebuild *b, struct rebuild_user *u, struct span name, struct err *err);
int rebuild_states(struct rebuild *b, const struct rebuild_user *u, struct err *err);
/* The rows of one message. */
int rebuild_put_message(struct rebuild *b, struct rebuild_user *u, uint32_t mailbox, struct mailbox_counts *counts,
                        uint32_t uid, const struct record *r, int fd, struct err *err);
/* Folders that a commit said would move are moved, and fates of messages remembered. Before all else. */
int rebuild_journal_read(struct rebuild *b, struct err *err);
void rebuild_journal_done(struct rebuild_journal *j);
/* NULL: the file's name says all. */
const struct fate *rebuild_fate(const struct rebuild *b, uint32_t mailbox, uint32_t uid);
/* Trees and small files that a commit may have said would move: moved, before the users are read. */
int rebuild_staged_trees(struct rebuild *b, struct err *err);
/* Messages not yet moved to their mailbox; after all mailboxes are known. */
int rebuild_staged_messages(struct rebuild *b, struct err *err);

#endif
