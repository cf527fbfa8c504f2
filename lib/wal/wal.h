/*
 * A write-ahead journal: where changes become durable first, before they go where they belong. One or two
 * files, written in turn from their beginning, a segment at a time. What a segment holds is settled (put
 * where it belongs) by its user, after which its file is free; with two files, one is written while the
 * other's segment is settled. The files have their room from the start and are only written over, so that a
 * batch costs one write and one flush of the device: no file system journal, no new blocks. They grow while
 * that is not enough.
 *
 * One thread appends and turns; with two files, the other one may meanwhile be resized by another thread,
 * which must be done before the next turn.
 */
#ifndef POD_WAL_WAL_H
#define POD_WAL_WAL_H

#include "wal/format.h"

#define WAL_FILES_MAX 2

struct err;
struct wal;

struct wal_options {
	int dir; /* of the journal's folder, which is made where it is missing; used by wal_open only */
	const char *folder;
	const char *name;               /* for words: "the queue's journal"; lives as long as the journal */
	unsigned int files;             /* 1 or WAL_FILES_MAX */
	uint64_t room_first, room_most; /* bytes of a file, whole blocks: the usual, and as far as it grows */
};

/* Called with each batch that is in the journal, in the order they were written. Non-zero ends it and is
 * returned. */
typedef int wal_fn(void *arg, uint64_t segment, struct span entries, struct err *err);

/*
 * Makes the files where they are missing, and reads those whose segment is above `settled`. What was read is
 * durable when this returns: the process may have died between a write and its flush. New batches go on
 * behind the last one. fn NULL: what there is is only counted (wal_is_empty). -POD_E_CORRUPT, -POD_E_NOSPACE,
 * -POD_E_IO, fn's errors.
 */
int wal_open(const struct wal_options *o, uint64_t settled, wal_fn *fn, void *arg, struct wal **ret_wal,
             struct err *err);
/* NULL is fine; returns NULL. */
struct wal *wal_close(struct wal *w);

/* The segment that is written now. They are numbered without gaps. */
uint64_t wal_segment(const struct wal *w);
bool wal_is_empty(const struct wal *w);
/* Bytes of the file that is written now, and how many of them are left. */
size_t wal_size(const struct wal *w);
size_t wal_room(const struct wal *w);
/*
 * Writes a batch that was begun and added to. Durable when it returns 0; else nothing changed, and the next
 * takes its place. A batch for which there is no room in an empty segment makes it longer.
 */
int wal_append(struct wal *w, struct buf *batch, struct err *err);
/* Goes on with the next segment in the file that is free: the other one, or the only one, whose own is
 * settled. */
void wal_turn(struct wal *w);
/*
 * In a segment that is empty: what an earlier use of its file left is not to be read by who does not know
 * what is settled. True for the disk when the file system is flushed next.
 */
int wal_erase(struct wal *w, struct err *err);

/*
 * Of the file that is not written now, or of the only one while it is empty. larger: it was full soon; else
 * it only gets back to its usual size. What cannot be had stays as it was.
 */
void wal_resize(struct wal *w, bool larger);

#endif
