/*
 * names.journal: what is committed and no file name says yet. Flags are written behind to file names, files
 * of expunged messages go later, a moved folder's rename is durable with the next commit only; the index
 * knows all that, and this file says it once more for a rebuild that has no index. Commits that alter flags,
 * expunge or move folders add a frame and make it durable with the syncfs they make anyway, or with a flush
 * of this small file alone where they make none.
 *
 * The file has its room from the start, so that it also takes frames on a full disk. When nothing is pending
 * any more it is empty; when it has grown long meanwhile it is written anew from the rows of `pending`. The
 * writer's thread only, and what runs before there is one. Failures leave the old frames as they were.
 */
#ifndef POD_STORE_INDEX_JOURNAL_H
#define POD_STORE_INDEX_JOURNAL_H

#include "kv/kv.h"
#include "store/index/journal_format.h"

#define JOURNAL_FILE "names.journal"

struct volume;

struct journal {
	int fd;         /* -1: not open */
	uint64_t at;    /* where the next frame goes */
	uint64_t limit; /* longer than this it is written anew */
};

/* Goes on behind what the last run left; frames of a commit that did not come to be are cut off. */
int journal_open(struct volume *vol, uint64_t modseq, struct err *err);
void journal_close(struct journal *j);
/* Adds the frame, not yet durable. -POD_E_NOSPACE. */
int journal_append(struct journal *j, struct journal_frame *f, uint64_t modseq, struct err *err);
/* Makes durable what was added, where no syncfs does. */
int journal_flush(const struct journal *j, struct err *err);
/* Cuts off what was added from `at` on: its commit failed. */
int journal_cut(struct journal *j, uint64_t at, struct err *err);
static inline bool journal_is_long(const struct journal *j)
{
	return j->at > j->limit;
}
/*
 * In place of the old file one that says what txn's rows of `pending` say; all names that files got so far
 * become durable before. -POD_E_NOSPACE: the old one stays.
 */
int journal_renew(struct volume *vol, struct kv_txn *txn, uint64_t modseq, struct err *err);

/* For a rebuild: the bytes of the file, empty where there is none. */
int journal_read(int dir, struct buf *out, struct err *err);

#endif
