/*
 * The queue on disk. All writing goes through one committer thread, which makes everything that came in while
 * it was at the disk durable at once: body files and their names, then the index. Reading is the owner's
 * (the loop's) thread alone.
 */
#ifndef POD_MTA_QUEUE_SHELF_H
#define POD_MTA_QUEUE_SHELF_H

#include <event2/event.h>

#include "base/buf.h"
#include "base/id.h"
#include "mta/queue/queue.h"

struct shelf;

/* An item to be written: a new one with its body and summary, or one whose item changed. */
struct shelf_put {
	struct guid id;
	struct buf item, summary; /* packed; summary empty: as it was */
	bool is_new;
	bool again; /* new, though it may have been here before: it is to be delivered once more */
	struct buf body; /* of a new one: these bytes, */
	int body_fd;     /* or this descriptor, owned */
	uint64_t size;
};

#define SHELF_PUTS_MAX 2

/*
 * A session that lost the answer hands its message over again, which is known by its id: also for a while after it
 * left the queue, for that may have been at once.
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
	/* On the loop's thread. r: 0 it is durable, -POD_E_EXISTS a new item is there already, or was and does not come
	 * again (nothing changed). */
	void (*done)(void *arg, struct shelf_change *change, int r, const struct err *err);
	void *arg;
	int r;
	struct err err;
};

/* Opens queue_dir, starts the thread and clears away what a crash left. */
int shelf_open(struct event_base *base, const char *queue_dir, struct shelf **ret_shelf, struct err *err);
/* Waits for the commit under way; changes not begun are dropped, their done is not called. */
struct shelf *shelf_close(struct shelf *s);

struct shelf_change *shelf_change_new(void);
void shelf_change_free(struct shelf_change *change);
/* Packs into a put of the change; false where memory is out or it has SHELF_PUTS_MAX already. */
struct shelf_put *shelf_change_put(struct shelf_change *change, const Queue__Item *item);
/* Takes the change. */
void shelf_commit(struct shelf *s, struct shelf_change *change);

/* Every item behind after (NULL: all), in id order; the item is fn's. Non-zero from fn ends it, and is
 * returned. */
typedef int shelf_each_fn(void *arg, Queue__Item *item);
int shelf_each(struct shelf *s, const struct guid *after, shelf_each_fn *fn, void *arg, struct err *err);
/* One, to be freed with queue__item__free_unpacked. */
int shelf_item(struct shelf *s, const struct guid *id, Queue__Item **ret_item, struct err *err);
/* The summary of an item, to be freed with queue__summary__free_unpacked. */
int shelf_summary(struct shelf *s, const struct guid *id, Queue__Summary **ret_summary, struct err *err);
/* The message's bytes; the caller closes it. */
int shelf_body(struct shelf *s, const struct guid *id, int *ret_fd, struct err *err);

/*
 * For tests of crashes: called with the name of each step before it is taken ("body", "folder", "index",
 * "unlink"); returning non-zero stops the committer as a kill would. NULL: none.
 */
void shelf_set_probe(struct shelf *s, int (*probe)(const char *step));

#endif
