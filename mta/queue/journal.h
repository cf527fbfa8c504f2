/*
 * The queue's journal: where a change becomes durable first. Two files, written in turn from their beginning;
 * while one is written, what the other holds is settled (put into the index and the message files), after
 * which it is free. The files have their room from the start and are only written over, so that a batch costs
 * one write and one flush of the device: no file system journal, no new blocks. They grow while that is not
 * enough for about a second's mail.
 *
 * One thread appends and turns; the other file may meanwhile be resized by another thread, which must be done
 * before the next turn.
 */
#ifndef POD_MTA_QUEUE_JOURNAL_H
#define POD_MTA_QUEUE_JOURNAL_H

#include "mta/queue/journal_format.h"

#define QUEUE_JOURNAL_FOLDER "journal"
#define QUEUE_JOURNAL_FILES  2

struct err;
struct queue_journal;

/* Called with what is in the journal, in the order it was written. Non-zero ends it and is returned. */
typedef int queue_journal_fn(void *arg, uint64_t segment, const struct queue_journal_entry *e,
                             struct err *err);

/*
 * Makes the files where they are missing, and reads those whose segment is above `settled`. What was read is
 * durable when this returns: the process may have died between a write and its flush. New batches go on
 * behind the last one. -POD_E_CORRUPT, -POD_E_NOSPACE, -POD_E_IO.
 */
int queue_journal_open(const char *queue_dir, uint64_t settled, queue_journal_fn *fn, void *arg,
                       struct queue_journal **ret_journal, struct err *err);
/* NULL is fine; returns NULL. */
struct queue_journal *queue_journal_close(struct queue_journal *j);

/* The segment that is written now. They are numbered without gaps. */
uint64_t queue_journal_segment(const struct queue_journal *j);
bool queue_journal_is_empty(const struct queue_journal *j);
/* Bytes of the file that is written now, and how many of them are left. */
size_t queue_journal_size(const struct queue_journal *j);
size_t queue_journal_room(const struct queue_journal *j);
/*
 * Writes a batch that was begun and added to. Durable when it returns 0; else nothing changed, and the next
 * takes its place. A batch for which there is no room in an empty segment makes it longer.
 */
int queue_journal_append(struct queue_journal *j, struct buf *batch, struct err *err);
/* Goes on with the next segment in the other file, whose own is settled. */
void queue_journal_turn(struct queue_journal *j);

/* Of the file that is not written now, whose segment is settled. larger: it was full soon; else it only gets
 * back to its usual size. What cannot be had stays as it was. */
void queue_journal_resize(struct queue_journal *j, bool larger);

#endif
