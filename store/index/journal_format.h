/*
 * What lies in names.journal: a run of frames, one for each commit that changed what file names say, each
 * with the entries of that commit. Numbers are little-endian, so that the file goes with the mail to any
 * machine.
 *
 *   frame   magic "PJN1", length of the entries (4 bytes), modseq (8), FNV-1a 64 of length, modseq and
 * entries (8), entries. The modseq of a frame is above that of the frame before it; the first that is not, or
 * whose sum is wrong, is the end: a torn write, or what an earlier use of the file left there. entry   kind
 * (4), mailbox id (4), then FLAGS  first uid, last uid, flags (4 each): messages whose record says these
 * flags GONE   first uid, last uid, 0 (4 each): messages that were expunged or moved away MOVE   length of
 * from, length of to (4 each), from, to: a folder that moves right after the commit; the mailbox is the one
 * whose podmail-mailbox.json lies in it, a user's INBOX for the whole of the user
 *
 * Pure, thread-safe.
 */
#ifndef POD_STORE_INDEX_JOURNAL_FORMAT_H
#define POD_STORE_INDEX_JOURNAL_FORMAT_H

#include "base/buf.h"

enum journal_kind { JOURNAL_FLAGS = 1, JOURNAL_GONE = 2, JOURNAL_MOVE = 3 };

struct journal_entry {
	enum journal_kind kind;
	uint32_t mailbox;
	uint32_t first, last, flags; /* FLAGS, GONE */
	struct span from, to;        /* MOVE: paths inside the volume */
};

#define JOURNAL_HEADER 24

/* The frame of one commit while it is made. Start from { 0 }; bytes.failed where memory is out. */
struct journal_frame {
	struct buf bytes;
	size_t newest; /* where the last entry with uids begins, to be widened by the next uid; 0: none */
};
void journal_frame_done(struct journal_frame *f);
static inline bool journal_frame_is_empty(const struct journal_frame *f)
{
	return f->bytes.len == 0 && !f->bytes.failed;
}
/* Adds one message's new flags or its end, or a move. Neighbours with the same fate share an entry. */
void journal_frame_add(struct journal_frame *f, const struct journal_entry *e);
/* Fills in the header: the frame is whole. It must not be empty nor failed. */
struct span journal_frame_seal(struct journal_frame *f, uint64_t modseq);

/* Takes a frame off *rest. False at the end, with *rest and the results untouched. *modseq: the one before;
 * then its own. */
bool journal_frame_next(struct span *rest, uint64_t *modseq, struct span *ret_entries);
/* Takes an entry off *rest: 1, 0 at the end, -POD_E_CORRUPT. Paths point into it and are no more than bytes.
 */
int journal_entry_next(struct span *rest, struct journal_entry *ret);

#endif
