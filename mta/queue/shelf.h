/*
 * The queue on disk. A change is durable when it is in the journal (journal.h): a committing thread writes
 * everything that came in while it was at the disk by one write, one flush. What was written in the last
 * seconds is kept in memory (recent.h), too, and a settling thread puts it into files and index later: one
 * file for each message's body, however soon most of them leave before that. Bodies over
 * SHELF_BODY_IN_JOURNAL have their file from the start.
 *
 * All functions are the owner's (the loop's) thread's alone.
 */
#ifndef POD_MTA_QUEUE_SHELF_H
#define POD_MTA_QUEUE_SHELF_H

#include <event2/event.h>

#include "base/buf.h"
#include "base/id.h"
#include "mta/queue/queue.h"

struct shelf;
struct recent;

/* An item to be written: a new one with its body and summary, or one whose item changed. */
struct shelf_put {
	struct guid id;
	struct buf item, summary; /* packed; summary empty: as it was */
	bool is_new;
	bool again;      /* new, though it may have been here before: it is to be delivered once more */
	struct buf body; /* of a new one: these bytes, */
	int body_fd;     /* or this descriptor, owned */
	uint64_t size;
	bool in_file; /* inside of the shelf: the body has its file */
};

#define SHELF_PUTS_MAX 2

/*
 * A session that lost the answer hands its message over again, which is known by its id: also for a while
 * after it left the queue, for that may have been at once.
 */
#define SHELF_REMEMBER_MS (15 * 60000)

/* What becomes durable together, or not at all. Freed by the shelf after done. */
struct shelf_change {
	struct shelf_change *next;
	struct shelf_put puts[SHELF_PUTS_MAX];
	size_t n_puts;
	bool remove; /* and this item goes, with its body */
	struct guid removed;
	bool over; /* this new item is over before it got here: it only must not come again */
	struct guid over_id;
	/*
	 * It may wait for a moment, for others whose flush it shares. Of what was delivered, say: when the power fails
	 * before it is durable that is done again, which is so between a delivery and its commit anyway.
	 */
	bool lazy;
	/* On the loop's thread. r: 0 it is durable, -POD_E_EXISTS a new item is there already, or was and
	 * does not come again (nothing changed). */
	void (*done)(void *arg, struct shelf_change *change, int r, const struct err *err);
	void *arg;
	/* inside of the shelf */
	int r;
	struct err err;
	uint64_t segment;                           /* of the journal that it is in; 0: it came to none */
	bool turn;                                  /* no change: go on with the next segment */
	struct recent *recents[SHELF_PUTS_MAX + 1]; /* to become what is known of its messages */
};

/* Opens queue_dir, reads the journal, starts the threads and clears away what a crash left. */
int shelf_open(struct event_base *base, const char *queue_dir, struct shelf **ret_shelf, struct err *err);
/*
 * Waits for the commit under way and settles what is in the journal; changes not begun are dropped, no done
 * is called any more.
 */
struct shelf *shelf_close(struct shelf *s);

struct shelf_change *shelf_change_new(void);
void shelf_change_free(struct shelf_change *change);
/* Packs into a put of the change; false where memory is out or it has SHELF_PUTS_MAX already. */
struct shelf_put *shelf_change_put(struct shelf_change *change, const Queue__Item *item);
/* Takes the change. */
void shelf_commit(struct shelf *s, struct shelf_change *change);

/* Every item behind after (NULL: all), in id order; the item is fn's, which changes nothing here. Non-zero
 * from fn ends it, and is returned. */
typedef int shelf_each_fn(void *arg, Queue__Item *item);
int shelf_each(struct shelf *s, const struct guid *after, shelf_each_fn *fn, void *arg, struct err *err);
/* One, to be freed with queue__item__free_unpacked. */
int shelf_item(struct shelf *s, const struct guid *id, Queue__Item **ret_item, struct err *err);
/* The summary of an item, to be freed with queue__summary__free_unpacked. */
int shelf_summary(struct shelf *s, const struct guid *id, Queue__Summary **ret_summary, struct err *err);
/* The message's bytes where they are in memory, until the loop goes on. False: shelf_body has them. */
bool shelf_body_in_memory(const struct shelf *s, const struct guid *id, struct span *ret_bytes);
/* A file of memory with these bytes, at its start. */
int shelf_memory_file(struct span bytes, int *ret_fd, struct err *err);
/* The message's bytes; the caller closes it. */
int shelf_body(struct shelf *s, const struct guid *id, int *ret_fd, struct err *err);

/*
 * For tests of crashes: called with the name of each step before it is taken ("body", "folder", "journal";
 * when a segment is settled "files", "index", "unlink"); returning non-zero stops there as a kill would.
 * NULL: none.
 */
void shelf_set_probe(struct shelf *s, int (*probe)(const char *step));
/* For tests: settles what is in the journal now, and not in a few seconds; whether that is done. */
void shelf_settle_now(struct shelf *s);
bool shelf_is_settled(const struct shelf *s);

#endif
