/*
 * Inside of the shelf.
 *
 *   shelf.c         the owner's (the loop's) side: changes given and answered, when to settle
 *   shelf_open.c    opening and closing    shelf_read.c  looking things up
 *   shelf_commit.c  the committing thread: changes become durable in the journal
 *   shelf_alone.c   the loop does that itself, for a change that comes alone
 *   shelf_settle.c  the settling thread: what a segment of the journal says goes into files and index
 */
#ifndef POD_MTA_QUEUE_SHELF_INTERNAL_H
#define POD_MTA_QUEUE_SHELF_INTERNAL_H

#include <event2/event_struct.h>
#include <pthread.h>

#include "mta/queue/journal.h"
#include "mta/queue/recent.h"
#include "mta/queue/shelf.h"
#include "mta/queue/shelf_index.h"

/* Bodies up to this size travel through the journal; larger ones are in their file before. */
#define SHELF_BODY_IN_JOURNAL (64u << 10)

struct shelf {
	struct shelf_index index; /* read by the loop, changed by the settling thread */
	struct wal *journal;      /* whose who commits: the committing thread, or the loop while that is idle */
	int dir_fd;               /* messages/ */
	int (*probe)(const char *step);

	/* the loop's */
	struct recents generations[2];
	struct recents *now,
		*before;            /* of the segment that is written, and of the one that is being settled */
	struct recents pending;     /* new ones that are being committed: of each its id */
	struct shelf_change *twins; /* whose new one is pending already */
	struct event answers;       /* done_event_fd */
	struct event timer;         /* to settle what is old, or again what could not be */
	struct event lazy_timer;    /* lazy changes wait */
	struct event commit;        /* there are changes that are not lazy */
	struct buf scratch;         /* of shelf_alone.c */
	unsigned int alone;         /* commits in a row that had one such change */
	bool complained;

	pthread_t committer, settler;
	pthread_mutex_t lock;
	/* under lock */
	pthread_cond_t wake;        /* the committer */
	pthread_cond_t settle_wake; /* the settler */
	struct shelf_change *todo, **todo_end;
	bool urgent;           /* the committer is to take them: they are not all lazy, or have waited */
	unsigned int n_urgent; /* of them are not lazy */
	bool committing;       /* the committer is at work */
	bool in_loop;          /* the loop is, and needs no waking */
	struct shelf_change *done, **done_end;
	bool stop;
	bool other_is_free; /* the journal's file that is not written */
	bool turned_full;   /* a segment was full, and not only old */
	const struct recents *to_settle;
	bool settle_ended;
	int settle_r; /* how it ended */
	struct err settle_err;
	int trouble; /* what is committed cannot be settled: new messages are refused */
	struct err trouble_err;
	int done_event_fd;
};

/* 0, or -POD_E_CANCELLED where a test stops here. */
int shelf_probe(const struct shelf *s, const char *step);

/* ---- the loop's ---- */

/* The newest that is known of a message since the index was last told; NULL: nothing. */
const struct recent *shelf_find_recent(const struct shelf *s, const struct guid *id);
void shelf_on_answers(evutil_socket_t fd, short what, void *shelf);
void shelf_on_timer(evutil_socket_t fd, short what, void *shelf);
void shelf_on_lazy(evutil_socket_t fd, short what, void *shelf);
void shelf_on_commit(evutil_socket_t fd, short what, void *shelf);
/* Whoever gave changes that are done hears of it. */
void shelf_answer_done(struct shelf *s);
/* The committer takes what waits. */
void shelf_wake_committer(struct shelf *s);
/* What is in the journal is settled after a while. */
void shelf_set_timer(struct shelf *s);
/* When both threads have ended: what is durable and was not answered is known, too. */
void shelf_note_rest(struct shelf *s);

/* ---- the threads' ---- */

void *shelf_committer(void *shelf);
/* Under lock: all that waits, which is taken. */
struct shelf_change *shelf_take_todo(struct shelf *s);
/* Until all of the batch are handed back. Only where nobody else commits. */
void shelf_commit_batch(struct shelf *s, struct shelf_change *batch, struct buf *scratch);
/* Whether that needs no other file of the journal, which may have to be waited for, and no body's own. */
bool shelf_commits_at_once(const struct shelf *s, const struct shelf_change *batch);
void *shelf_settler(void *shelf);
/* Wakes the loop for what is under lock. */
void shelf_poke(const struct shelf *s);
/* Files and index as a segment says; the settler's work, or the owner's when there is no settler. */
int shelf_settle(struct shelf *s, const struct recents *rs, struct err *err);

#endif
